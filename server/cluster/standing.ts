/** What an owner decides at each renewal: who may take the shard from it, and what the changelog need not keep any more. */
import type { Confirmation } from './cluster-store.js'
import type { ClusterLimits } from './environment.js'
import { comparePositions, type Position } from './position.js'
import type { RecentEntries } from './recent-entries.js'

/** A standby becomes a member once it is this close: then it has what it takes to take over at once. */
const JOIN_ENTRIES = 1000

/** What the owner has noticed of another node, by its own monotonic clock. */
export interface Notice {
  /** When it last showed itself, or when the ownership began. */
  seenMs: number
  /** When its confirmation last moved, or had nothing to move to. */
  movedMs: number
  number: number
}

export interface Standing {
  readonly owner: string
  readonly epoch: number
  readonly members: readonly string[]
  /** The last entry. */
  readonly last: Position
  /** What the owner's own engine has on its disk. */
  readonly stored: Position
  readonly confirmed: ReadonlyMap<string, Confirmation>
  readonly notices: ReadonlyMap<string, Readonly<Notice>>
  readonly nowMs: number
}

/** Who should be a member: who may take the shard without anybody else being asked, and has to be asked where the store is in doubt. */
export function membersWanted(standing: Standing, recent: RecentEntries, limits: ClusterLimits): string[] {
  const { owner, members, confirmed } = standing
  const floor = keptFrom(standing, recent, limits)
  const wanted = [owner, ...members.filter((node) => node !== owner && isHolding(node, standing, floor, limits))]
  for (const [node, confirmation] of confirmed) {
    if (!wanted.includes(node) && !members.includes(node) && isCloseBy(node, confirmation, standing, limits)) wanted.push(node)
  }
  return wanted.sort()
}

function isHolding(node: string, { notices, confirmed, nowMs, last }: Standing, floor: Position | null, limits: ClusterLimits): boolean {
  const notice = notices.get(node)
  if (notice === undefined || nowMs - notice.seenMs > limits.memberAwayMs) return false
  const confirmation = confirmed.get(node)
  if (confirmation === undefined) return true
  if (confirmation.isCopying) return false
  if (floor !== null && confirmation.position.number < floor.number) return false
  return confirmation.position.number >= last.number || nowMs - notice.movedMs <= limits.changelogAgeMs
}

function isCloseBy(node: string, { position, isCopying }: Confirmation, { notices, nowMs, last, epoch }: Standing, limits: ClusterLimits): boolean {
  const notice = notices.get(node)
  if (isCopying || notice === undefined || nowMs - notice.seenMs > limits.memberAwayMs / 2) return false
  // An entry of this ownership, which it has found to continue its own: it follows this very log. Of an epoch alone there may have been another one, which was lost.
  return position.epoch === epoch && position.token === last.token && position.number <= last.number && last.number - position.number <= JOIN_ENTRIES
}

/** The first entry that the bounds let the changelog keep; null: all. Of entries of earlier owners it knows nothing, and lets them be. */
function keptFrom({ last, epoch }: Standing, recent: RecentEntries, limits: ClusterLimits): Position | null {
  const byBytes = recent.firstWithin(limits.changelogBytesMax)
  const number = last.number - limits.changelogEntriesMax
  const byCount = recent.first !== null && number > recent.first.number ? { epoch, number, token: '' } : null
  if (byBytes === null || byCount === null) return byBytes ?? byCount
  return comparePositions(byBytes, byCount) > 0 ? byBytes : byCount
}

/** What comes before this entry may go: all members have it, and who copies or follows beside them as well, within bounds. null: nothing. */
export function trimmedBefore(standing: Standing, recent: RecentEntries, limits: ClusterLimits): Position | null {
  const { owner, members, confirmed, notices, nowMs, stored } = standing
  let slowest: Position | null = stored
  for (const node of members) {
    if (node === owner) continue
    const position = confirmed.get(node)?.position
    if (position === undefined) slowest = null
    else if (slowest !== null && comparePositions(position, slowest) < 0) slowest = position
  }
  for (const [node, { position }] of confirmed) {
    const notice = notices.get(node)
    if (node === owner || members.includes(node) || notice === undefined || nowMs - notice.seenMs > limits.memberAwayMs) continue
    if (slowest !== null && comparePositions(position, slowest) < 0) slowest = position
  }
  const floor = keptFrom(standing, recent, limits)
  const before = slowest === null || (floor !== null && comparePositions(floor, slowest) > 0) ? floor : slowest
  // Its own engine recovers from there.
  return before !== null && comparePositions(before, stored) > 0 ? stored : before
}
