/** What the members of a group have received and read, and what each sender is told of all others. Pure, as the shard's core. */
import { MARK } from '../../protocol/generated/registry.js'
import { tellReceipt } from '../channels/member-entries.js'
import { encodeFloor, encodeReceived, encodeWatermark, type FloorRow } from '../shard/records.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Member } from '../shard/member.js'
import type { UserState } from '../shard/user-state.js'
import type { Route, Transaction } from '../shard/transaction.js'
import type { Floors } from './awaiting.js'
import { Floor } from './floor.js'

/** Finds a user in memory; everybody of the open transaction is. */
export type UserLookup = (name: string) => UserState | undefined

/**
 * A device of the member at this place has everything of the others up to `seq`. Whether somebody may have to be told: nobody is, as long
 * as others stand where it stood. [RCP-1, RCP-2]
 */
export function raiseDeliveredAt(transaction: Transaction, route: Route, place: number, seq: number): boolean {
  const { conversation } = route
  const { columns, group, membersVersion } = conversation
  const before = columns?.delivered[place]
  if (columns === null || before === undefined || seq <= before || seq > conversation.tail) return false
  columns.delivered[place] = seq
  transaction.late.raiseWatermarks(conversation)
  if (group?.slowest.mayMove(before, seq, membersVersion) === false) return false
  transaction.touch(conversation)
  transaction.markDirty(route)
  return true
}

/** Writes the watermarks that rose, and tells each sender up to where all others are. [GRP-14, GRP-15, GRP-16] */
export function sealWatermarks(transaction: Transaction, route: Route, lookup: UserLookup): void {
  const { conversation } = route
  const { group, members, membersVersion } = conversation
  if (group === null) return
  // Its members may have changed since the route was made.
  const users = route.isAlive ? route.users : members.map((member) => lookup(member.user))
  for (const member of group.readers.splice(0)) writeRead(transaction, conversation, member, users[member.place])
  const floors = floorsOfAll(conversation, users)
  noteSlowest(conversation, users, floors.delivered.second)
  let isTold = false
  for (const member of group.awaiting.due(floors, membersVersion)) {
    const user = users[member.place]
    if (user?.exists !== true) continue
    if (tellFloors(transaction, conversation, member, user, floors)) isTold = true
    group.awaiting.note(member)
  }
  // What was told is on disk with it, though the rows of all members are not yet.
  if (isTold) transaction.batch.put(conversation.keys.floor(), encodeFloor(floorRow(floors.delivered, members)))
}

function floorsOfAll({ columns }: ConversationState, users: readonly (UserState | undefined)[]): Floors {
  const floors = { delivered: new Floor(), read: new Floor(), silent: new Floor() }
  if (columns === null) return floors
  const { delivered, readTold } = columns
  for (let place = 0; place < users.length; place++) {
    const user = users[place]
    if (user?.exists !== true) continue
    floors.delivered.add(place, delivered[place]!)
    const readers = user.readReceipts ? floors.read : floors.silent
    readers.add(place, readTold[place]!)
  }
  return floors
}

function noteSlowest({ columns, group, membersVersion }: ConversationState, users: readonly (UserState | undefined)[], second: number): void {
  let count = 0
  for (let place = 0; place < users.length; place++) {
    if (columns!.delivered[place]! <= second && users[place]?.exists === true) count++
  }
  group?.slowest.note(second, count, membersVersion)
}

/**
 * When all members of a group that was loaded are in memory for the first time, before anything happens in it: which of a member's
 * messages may still wait for a receipt. Nothing else but the last of each of its outboxes is known of them. [GRP-14]
 */
export function restoreUnsettled(conversation: ConversationState, users: readonly UserState[]): void {
  const { group, members, writers } = conversation
  if (group === null || group.isUnsettledKnown) return
  group.isUnsettledKnown = true
  const { delivered, read } = floorsOfAll(conversation, users)
  const last = new Map<string, number>()
  for (const { user, lastSeq } of writers.values()) last.set(user, Math.max(last.get(user) ?? 0, lastSeq))
  for (const [place, member] of members.entries()) {
    const { user, membership } = member
    membership?.undelivered.restore(last.get(user) ?? 0, delivered.without(place))
    const readByAll = Math.min(read.without(place), delivered.without(place))
    membership?.unread.restore(last.get(user) ?? 0, Math.max(readByAll, membership.readToldWithoutSome))
    group.awaiting.add(member)
    group.awaiting.note(member)
  }
}

/** What its members have received: together, since each message moves them all. */
export function writeLateWatermarks(transaction: Transaction, conversation: ConversationState): void {
  transaction.keep(conversation)
  transaction.batch.put(conversation.keys.received(), encodeReceived(conversation))
}

/** A mark was acknowledged, so it is written at once. */
function writeRead(transaction: Transaction, conversation: ConversationState, member: Member, user: UserState | undefined): void {
  if (!member.readRose) return
  member.readRose = member.readToldRose = member.deliveredRose = false
  // It may have left since.
  if (!conversation.members.includes(member)) return
  transaction.batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
  // The user's other devices learn what was read here. [RCP-6]
  if (user !== undefined) tellReceipt(transaction, user, conversation.name, member.user, MARK.read, member.read)
}

/** Whether there was something to tell. */
function tellFloors(transaction: Transaction, conversation: ConversationState, member: Member, user: UserState, { delivered, read, silent }: Floors): boolean {
  const { membership, place } = member
  if (membership === null) return false
  const deliveredByAll = delivered.without(place)
  // Who tells nobody what it reads has to have it all the same, or read would not cover delivered. [RCP-4]
  const readByAll = user.readReceipts ? Math.min(read.without(place), deliveredByAll) : 0
  const isRead = membership.unread.settle(readByAll)
  const isDelivered = membership.undelivered.settle(deliveredByAll)
  if (isRead) tellReceipt(transaction, user, conversation.name, '', MARK.read, readByAll)
  if (isRead && silent.holdsBack(place, readByAll)) {
    membership.readToldWithoutSome = readByAll
    transaction.batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
  }
  if (isDelivered && !(isRead && readByAll >= deliveredByAll)) tellReceipt(transaction, user, conversation.name, '', MARK.delivered, deliveredByAll)
  return isRead || isDelivered
}

/**
 * Up to where all other members are, to whoever of them asks, from their watermarks alone. Who tells nobody what it reads holds this back,
 * though no receipts: it may be lower than what was told, and is never more than is true.
 */
export function floorsOf({ members }: ConversationState): (viewer: Pick<UserState, 'name' | 'readReceipts'>) => { delivered: number, read: number } {
  const delivered = new Floor()
  const read = new Floor()
  for (const [place, member] of members.entries()) {
    delivered.add(place, member.delivered)
    read.add(place, member.readTold)
  }
  return ({ name, readReceipts }) => {
    const place = members.findIndex((member) => member.user === name)
    return { delivered: delivered.without(place), read: readReceipts ? read.without(place) : 0 }
  }
}

/** For `raiseToFloor`. */
function floorRow(floor: Floor, members: readonly Member[]): FloorRow {
  return { lowest: floor.lowest, holder: members[floor.holder]?.user ?? '', second: floor.second === Infinity ? 0 : floor.second }
}

/**
 * When a group is loaded: what was told of all is true of each, also where a crash took the rows that said so. Who has come since stands
 * higher from its beginning on.
 */
export function raiseToFloor(conversation: ConversationState, { lowest, holder, second }: FloorRow): void {
  for (const member of conversation.members) {
    member.delivered = Math.max(member.delivered, member.user === holder ? lowest : second)
  }
}
