/** A group's part of its conversation's row, behind the members' names; see shard/records.ts. */
import type { ValueReader, ValueWriter } from '../../storage/value.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Member } from '../shard/member.js'
import { type FormerMember, type Guest, GroupState, type Interval, Membership, type Policy, POLICY_VALUES, ROLES } from './group-state.js'

const POLICY_KEYS = Object.keys(POLICY_VALUES) as (keyof Policy)[]
/** For ever, without end: 0 stands for it, which is no seq, time or count. */
const ENDLESS = 0

export function writeGroup(writer: ValueWriter, group: GroupState, members: readonly Member[]): void {
  writer.string(group.displayName).string(group.about).string(group.picture).string(group.creator)
  for (const key of POLICY_KEYS) writer.uint((POLICY_VALUES[key] as readonly string[]).indexOf(group.policy[key]))
  for (const { membership } of members) {
    if (membership === null) throw new TypeError('a member of a group without a membership')
    writer.uint(ROLES.indexOf(membership.role)).time(membership.sinceMs).uint(membership.sinceSeq)
    writeIntervals(writer, membership.intervals)
  }
  writer.uint(group.guests.size)
  for (const [user, guest] of group.guests) writer.string(user).bool(guest.kind === 'invited').string(guest.by).time(guest.timeMs)
  writer.uint(group.links.length)
  for (const link of group.links) {
    writer.bytes(link.code).string(link.by).time(link.createdMs)
      .uint(endless(link.expiresMs)).uint(endless(link.usesLeft)).bool(link.needsApproval)
  }
  writer.uint(group.former.size)
  for (const [user, { intervals }] of group.former) writeIntervals(writer.string(user), intervals)
  writeViews(writer, [...group.former.values()])
}

/** How the group stood when each of the former members left; few names, which many of them have seen. */
function writeViews(writer: ValueWriter, former: readonly FormerMember[]): void {
  const names = [...new Set(former.map(({ displayName }) => displayName))]
  writer.uint(names.length)
  for (const name of names) writer.string(name)
  const at = new Map(names.map((name, index) => [name, index]))
  for (const { displayName, size, delivered, read } of former) {
    writer.uint(at.get(displayName) ?? 0).uint(size).uint(delivered).uint(read)
  }
}

/** Gives the conversation's members their memberships. */
export function readGroup(reader: ValueReader, conversation: ConversationState): GroupState {
  const displayName = reader.string()
  const about = reader.string()
  const picture = reader.string()
  const group = new GroupState(displayName, reader.string())
  group.about = about
  group.picture = picture
  group.policy = Object.fromEntries(POLICY_KEYS.map((key) => [key, POLICY_VALUES[key][reader.uint() === 0 ? 0 : 1]])) as unknown as Policy
  for (const member of conversation.members) {
    member.membership = new Membership(ROLES[reader.uint()] ?? 'member', reader.time(), reader.uint(), readIntervals(reader))
  }
  readEach(reader, () => {
    const user = reader.string()
    const kind: Guest['kind'] = reader.bool() ? 'invited' : 'request'
    group.guests.set(user, { kind, by: reader.string(), timeMs: reader.time() })
  })
  readEach(reader, () => {
    group.links.push({
      code: Uint8Array.prototype.slice.call(reader.bytes()), by: reader.string(), createdMs: reader.time(), expiresMs: endlessFrom(reader.uint()),
      usesLeft: endlessFrom(reader.uint()), needsApproval: reader.bool(),
    })
  })
  const former: [string, readonly Interval[]][] = []
  readEach(reader, () => { former.push([reader.string(), readIntervals(reader)]) })
  const names: string[] = []
  const hasViews = reader.more
  if (hasViews) readEach(reader, () => { names.push(reader.string()) })
  for (const [user, intervals] of former) {
    // COMPAT: rows of chatd before views were kept; of these groups a former member sees the address.
    const view = hasViews ? { displayName: names[reader.uint()] ?? '', size: reader.uint(), delivered: reader.uint(), read: reader.uint() }
      : { displayName: conversation.name.slice(1), size: 0, delivered: 0, read: 0 }
    group.former.set(user, { intervals, ...view })
  }
  return group
}

function writeIntervals(writer: ValueWriter, intervals: readonly Interval[]): void {
  writer.uint(intervals.length)
  for (const { from, to } of intervals) writer.uint(from).uint(endless(to))
}

function readIntervals(reader: ValueReader): Interval[] {
  const intervals: Interval[] = []
  readEach(reader, () => { intervals.push({ from: reader.uint(), to: endlessFrom(reader.uint()) }) })
  return intervals
}

function readEach(reader: ValueReader, read: () => void): void {
  const count = reader.uint()
  for (let i = 0; i < count; i++) read()
}

function endless(value: number): number {
  return value === Infinity ? ENDLESS : value
}

function endlessFrom(value: number): number {
  return value === ENDLESS ? Infinity : value
}
