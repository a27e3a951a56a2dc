/**
 * What must be true of a group in the end, whatever happened to it: everybody has exactly what lies in its own memberships, as the log
 * tells of them; nobody was told more than was true; what was refused is nowhere.
 */
import type { Element } from '../../../protocol/element.js'
import { membersOf } from '../../../protocol/client/group-client.js'
import type { StoredMessage } from '../../router/router.js'
import { Breach } from './breach.js'

export const GROUP = '#g'

/** One place of the group's log. */
export interface GroupRecord {
  readonly seq: number
  readonly from: string
  readonly timeMs: number
  readonly text: string
  readonly change: Element | null
  readonly operation: StoredMessage['operation']
  readonly present: StoredMessage['present']
}

export interface Interval {
  readonly from: number
  to: number
}

/** A change as devices and the log must agree on it. */
export function changeText(change: Element): string {
  return `[${change.name} ${JSON.stringify([...change.attributes])} ${membersOf(change).join(' ')}]`
}

interface Told {
  readonly user: string
  readonly isRead: boolean
  readonly seq: number
  /** How far each user had received, or read, at that moment. */
  readonly truth: ReadonlyMap<string, number>
}

export class GroupOracle {
  /** By user: seqs that any of its devices has stored, or asked to be marked as read, at most. */
  readonly #stored = new Map<string, number>()
  readonly #marked = new Map<string, number>()
  readonly #told: Told[] = []
  readonly #refused = new Set<string>()
  /** Who has had its receipts off: nobody waits for what it reads. [GRP-16] */
  readonly #silent = new Set<string>()

  stored(user: string, seq: number): void {
    this.#stored.set(user, Math.max(seq, this.#stored.get(user) ?? 0))
  }

  marked(user: string, seq: number): void {
    this.#marked.set(user, Math.max(seq, this.#marked.get(user) ?? 0))
  }

  /** A device of `user` was told that all others have received, or read, up to `seq`. */
  told(user: string, isRead: boolean, seq: number): void {
    const truth = new Map(this.#marked)
    if (!isRead) for (const [name, stored] of this.#stored) truth.set(name, Math.max(stored, truth.get(name) ?? 0))
    this.#told.push({ user, isRead, seq, truth })
  }

  silenced(user: string): void {
    this.#silent.add(user)
  }

  refused(text: string): void {
    this.#refused.add(text)
  }

  check(log: readonly GroupRecord[]): void {
    log.forEach(({ seq, text }, at) => {
      if (seq !== at + 1) throw new Breach(`${GROUP} has ${String(seq)} at place ${String(at + 1)}`)
      if (this.#refused.has(text)) throw new Breach(`${GROUP} ${String(seq)} '${text}' was refused`)
    })
    const memberships = membershipsOf(log)
    for (const told of this.#told) checkTold(log, memberships, told, told.isRead ? this.#silent : NOBODY)
  }
}

const NOBODY: ReadonlySet<string> = new Set()

/** [GRP-14, GRP-15] Who was a member before an own message, and still is in the end, must have had it when that was told. */
function checkTold(log: readonly GroupRecord[], memberships: ReadonlyMap<string, readonly Interval[]>, { user, isRead, seq, truth }: Told, silent: ReadonlySet<string>): void {
  for (const record of log) {
    if (record.seq > seq || record.from !== user || record.change !== null) continue
    for (const [other, intervals] of memberships) {
      const last = intervals.at(-1)
      if (other === user || silent.has(other) || last === undefined || last.to !== Infinity || joinedAt(log, other) >= record.seq) continue
      if ((truth.get(other) ?? 0) < record.seq) {
        throw new Breach(`${user} was told that all have ${isRead ? 'read' : 'received'} ${GROUP} ${String(record.seq)}, but ${other} has not`)
      }
    }
  }
}

/** The change that made it a member, the last time. */
function joinedAt(log: readonly GroupRecord[], user: string): number {
  let at = 0
  let isMember = false
  for (const { seq, from, change } of log) {
    if (change === null) continue
    if (comesIn(change, from, user)) {
      if (!isMember) at = seq
      isMember = true
    } else if (goesOut(change, from, user)) isMember = false
  }
  return at
}

/** What each user may read, from the log alone. [GRP-9, GRP-10, GRP-11] */
export function membershipsOf(log: readonly GroupRecord[]): Map<string, Interval[]> {
  const memberships = new Map<string, Interval[]>()
  let showsAll = false
  for (const { seq, from, change } of log) {
    if (change === null) continue
    const history = change.attributes.get('history')
    if (history !== undefined) showsAll = history === 'all'
    for (const user of new Set([from, ...membersOf(change)])) {
      const intervals = memberships.get(user) ?? []
      const isMember = intervals.at(-1)?.to === Infinity
      if (!isMember && comesIn(change, from, user)) memberships.set(user, showsAll ? [{ from: 1, to: Infinity }] : [...intervals, { from: seq, to: Infinity }])
      if (isMember && goesOut(change, from, user)) intervals.at(-1)!.to = seq
    }
  }
  return memberships
}

function comesIn(change: Element, from: string, user: string): boolean {
  return change.name === 'join' ? from === user : (change.name === 'create' || change.name === 'add') && membersOf(change).includes(user)
}

function goesOut(change: Element, from: string, user: string): boolean {
  return change.name === 'leave' ? from === user : change.name === 'remove' && membersOf(change).includes(user)
}
