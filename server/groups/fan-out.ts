/** What happens in a group goes to every member's queue, and watermarks of all come together for the sender. Pure, as the shard's core. */
import { type Element, encodeElement } from '../../protocol/element.js'
import { MARK } from '../../protocol/generated/registry.js'
import { encodeChange, encodeDeliveryFrom } from '../../protocol/generated/frames.js'
import { appendShared } from '../shard/queue.js'
import { tellReceipt } from '../channels/member-entries.js'
import { Away } from '../channels/outgoing.js'
import { encodeFloor, encodeReceived, encodeWatermark, type FloorRow } from '../shard/records.js'
import { ANY_INDEX, SharedEntry } from '../shard/shared-entry.js'
import type { ConversationState, Member, UserState } from '../shard/state.js'
import type { Route, Transaction } from '../shard/transaction.js'

/** Finds a user in memory; everybody of the open transaction is. */
export type UserLookup = (name: string) => UserState | undefined

/** A message of `sender`, which is a member. */
export function deliverToGroup(
  transaction: Transaction, route: Route, sender: UserState, seq: number, timeMs: number, text: Uint8Array, extensions: Uint8Array,
): void {
  const { conversation, users, channels } = route
  const { members, name } = conversation
  const entry = SharedEntry.of(encodeDeliveryFrom(ANY_INDEX, name, sender.name, seq, timeMs, text, extensions))
  const bytes = text.length + extensions.length
  const away = channels.length === 0 ? null : new Away()
  for (let i = 0; i < users.length; i++) {
    const user = users[i]!
    if (user === sender) {
      const membership = members[i]!.membership!
      membership.undelivered.add(seq)
      membership.unread.add(seq)
      // With one device alone the ack has said it all. [QUE-11]
      if (!user.mayHaveSiblings) continue
    } else {
      members[i]!.unread++
      if (!user.exists) continue
    }
    if (away !== null && user.channel !== null) away.add(user.channel, user.name)
    else appendShared(transaction, user, entry, bytes, name, sender.name, seq).setRoute(route, i)
  }
  if (away !== null) away.sendMessage(transaction, name, sender.name, seq, timeMs, text, extensions)
}

/** A change, to everybody it concerns. [GRP-2] */
export function deliverChange(
  transaction: Transaction, conversation: ConversationState, recipients: Iterable<UserState>, from: string, seq: number, timeMs: number, change: Element,
): void {
  const { name } = conversation
  const entry = SharedEntry.of(encodeChange(ANY_INDEX, name, from, seq, timeMs, change))
  const away = new Away()
  for (const user of recipients) {
    if (!user.exists) continue
    if (user.channel !== null) away.add(user.channel, user.name)
    else appendShared(transaction, user, entry, 0, name, from, seq)
  }
  away.send(transaction, (members) => ({ kind: 'change', conversation: name, from, seq, timeMs, change: encodeElement(change), members }))
}

/** Writes the watermarks that rose, and tells each sender up to where all others are. [GRP-14, GRP-15, GRP-16] */
export function sealWatermarks(transaction: Transaction, route: Route, lookup: UserLookup): void {
  const { conversation } = route
  // Its members may have changed since the route was made.
  const users = route.isAlive ? route.users : conversation.members.map((member) => lookup(member.user))
  const floors = { delivered: new Floor(), read: new Floor(), silent: new Floor() }
  for (let i = 0; i < users.length; i++) {
    const member = conversation.members[i]!
    const user = users[i]
    if (member.readRose) writeRead(transaction, conversation, member, user)
    else if (member.deliveredRose) transaction.late.raiseWatermarks(conversation)
    member.deliveredRose = member.readRose = member.readToldRose = false
    if (user?.exists !== true) continue
    floors.delivered.add(member.user, member.delivered)
    const readers = user.readReceipts ? floors.read : floors.silent
    readers.add(member.user, member.readTold)
  }
  let isTold = false
  let slowest = 0
  const { second } = floors.delivered
  for (let i = 0; i < users.length; i++) {
    const user = users[i]
    const member = conversation.members[i]!
    if (user?.exists !== true) continue
    if (member.delivered <= second) slowest++
    if (tellFloors(transaction, conversation, member, user, floors)) isTold = true
  }
  conversation.group?.slowest.note(second, slowest, conversation.membersVersion)
  // What was told is on disk with it, though the rows of all members are not yet.
  if (isTold) transaction.batch.put(conversation.keys.floor(), floors.delivered.row())
}

/**
 * When all members of a group that was loaded are in memory for the first time, before anything happens in it: which of a member's
 * messages may still wait for a receipt. Nothing else but the last of each of its outboxes is known of them. [GRP-14]
 */
export function restoreUnsettled(conversation: ConversationState, users: readonly UserState[]): void {
  const { group, members, writers } = conversation
  if (group === null || group.isUnsettledKnown) return
  group.isUnsettledKnown = true
  const delivered = new Floor()
  const read = new Floor()
  for (const [i, member] of members.entries()) {
    if (users[i]?.exists !== true) continue
    delivered.add(member.user, member.delivered)
    if (users[i].readReceipts) read.add(member.user, member.readTold)
  }
  const last = new Map<string, number>()
  for (const { user, lastSeq } of writers.values()) last.set(user, Math.max(last.get(user) ?? 0, lastSeq))
  for (const { user, membership } of members) {
    membership?.undelivered.restore(last.get(user) ?? 0, delivered.without(user))
    const readByAll = Math.min(read.without(user), delivered.without(user))
    membership?.unread.restore(last.get(user) ?? 0, Math.max(readByAll, membership.readToldWithoutSome))
  }
}

/** What its members have received: together, since each message moves them all. */
export function writeLateWatermarks(transaction: Transaction, conversation: ConversationState): void {
  transaction.keep(conversation)
  transaction.batch.put(conversation.keys.received(), encodeReceived(conversation))
}

/** A mark was acknowledged, so it is written at once. */
function writeRead(transaction: Transaction, conversation: ConversationState, member: Member, user: UserState | undefined): void {
  transaction.batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
  // The user's other devices learn what was read here. [RCP-6]
  if (member.readRose && user !== undefined) tellReceipt(transaction, user, conversation.name, member.user, MARK.read, member.read)
}

/** Over all members of a group; `silent` of those who tell nobody what they read, which `read` leaves out. */
interface Floors {
  readonly delivered: Floor
  readonly read: Floor
  readonly silent: Floor
}

/** Whether there was something to tell. */
function tellFloors(transaction: Transaction, conversation: ConversationState, member: Member, user: UserState, { delivered, read, silent }: Floors): boolean {
  const { membership } = member
  if (membership === null) return false
  const deliveredByAll = delivered.without(member.user)
  // Who tells nobody what it reads has to have it all the same, or read would not cover delivered. [RCP-4]
  const readByAll = user.readReceipts ? Math.min(read.without(member.user), deliveredByAll) : 0
  const isRead = membership.unread.settle(readByAll)
  const isDelivered = membership.undelivered.settle(deliveredByAll)
  if (isRead) tellReceipt(transaction, user, conversation.name, '', MARK.read, readByAll)
  if (isRead && silent.holdsBack(member.user, readByAll)) {
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
  for (const member of members) {
    delivered.add(member.user, member.delivered)
    read.add(member.user, member.readTold)
  }
  return (viewer) => ({ delivered: delivered.without(viewer.name), read: viewer.readReceipts ? read.without(viewer.name) : 0 })
}

/** The lowest of all members' watermarks but one. */
class Floor {
  #lowest = Infinity
  #holder = ''
  #second = Infinity

  add(user: string, watermark: number): void {
    if (watermark < this.#lowest) {
      this.#second = this.#lowest
      this.#lowest = watermark
      this.#holder = user
    } else if (watermark < this.#second) this.#second = watermark
  }

  get second(): number {
    return this.#second
  }

  /** For `raiseToFloor`. */
  row(): Uint8Array {
    return encodeFloor({ lowest: finite(this.#lowest), holder: this.#holder, second: finite(this.#second) })
  }

  /** 0 where there is nobody else. */
  without(user: string): number {
    return finite(this.#others(user))
  }

  /** Whether somebody but the user stands lower. */
  holdsBack(user: string, watermark: number): boolean {
    return this.#others(user) < watermark
  }

  #others(user: string): number {
    return user === this.#holder ? this.#second : this.#lowest
  }
}

function finite(watermark: number): number {
  return watermark === Infinity ? 0 : watermark
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
