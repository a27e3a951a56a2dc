/** What happens in a conversation: messages take their seq, watermarks rise. Pure: writes go to the transaction, nothing is read. */
import { withExpiry } from '../../protocol/expiry.js'
import { LIMIT, MARK } from '../../protocol/generated/registry.js'
import { deliverToGroup } from '../groups/fan-out.js'
import { sealWatermarks, type UserLookup } from '../groups/watermarks.js'
import { withSide } from '../profiles/pair.js'
import type { PairSide } from '../profiles/pair.js'
import { Away } from '../channels/outgoing.js'
import { list, tellReceipt } from '../channels/member-entries.js'
import type { Author } from './author.js'
import { appendMessage } from './queue.js'
import { encodeCheckpoint, encodeConversation, encodeListing, encodePairRow, encodeWatermark } from './records.js'
import { conversationAddress, type ConversationState } from './conversation-state.js'
import { Member } from './member.js'
import type { UserState } from './user-state.js'
import type { Writer } from './writer.js'
import { Answer } from './transaction.js'
import type { Route, Transaction } from './transaction.js'

/** Outboxes silent for longer are forgotten: twice what the protocol promises. */
const WRITER_AGE_MS = 2 * LIMIT.dedupAgeMs
/** Outboxes of one user in one conversation: more than ten devices that each lose their state five times. */
const WRITERS_BY_USER_MAX = 64

export type Mark = (typeof MARK)[keyof typeof MARK]

/** The first message between its members opens a conversation: its row, and one in each member's list. */
export function openConversation(transaction: Transaction, route: Route, nowMs: number): void {
  const { conversation, users } = route
  conversation.exists = true
  conversation.createdMs = nowMs
  for (const user of users) conversation.addMember(new Member(user.name))
  transaction.touch(conversation)
  transaction.batch.put(conversation.keys.meta(), encodeConversation(conversation))
  for (const user of users) list(transaction, user, conversation.name, encodeListing(nowMs))
  if (conversation.pair !== null) transaction.batch.put(conversation.keys.pair(), encodePairRow(conversation.pair))
}

/** How one of a pair stands to the other has changed. Before the conversation exists that stands in the users' lists alone. */
export function changeSide(transaction: Transaction, conversation: ConversationState, position: number, side: PairSide): void {
  if (conversation.pair === null) return
  const pair = withSide(conversation.pair, position, side)
  if (pair === conversation.pair) return
  conversation.pair = pair
  transaction.touch(conversation)
  if (conversation.exists) transaction.batch.put(conversation.keys.pair(), encodePairRow(pair))
}

/**
 * Takes a new message: its seq, its record, an entry for every member's devices, and the ack for when all that is on disk.
 * The caller has checked it and that the client id is above the writer's last. Its sender is the session's user. [MSG-1, MSG-6, MSG-10,
 * MSG-14]
 */
export function acceptMessage(
  transaction: Transaction, route: Route, writer: Writer, author: Author, clientId: number, text: Uint8Array, extensions: Uint8Array,
  nowMs: number, checkpointEvery: number,
): void {
  const { conversation } = route
  const sender = author.user
  noteWritten(transaction, route, sender)
  const seq = ++conversation.tail
  // A clock set back must not set a conversation back.
  const timeMs = Math.max(nowMs, conversation.lastTimeMs)
  const expiresMs = conversation.timerMs === 0 ? 0 : timeMs + conversation.timerMs
  // What the server adds goes wherever the message goes. [DIS-2]
  const carried = expiresMs === 0 ? extensions : withExpiry(extensions, expiresMs)
  const run = transaction.logRun(conversation, text.length + carried.length)
  run.append(seq, sender.name, author.device.number, author.outboxEpoch, clientId, writer.lastSeq, timeMs, text, carried)
  // A change of the timer ends the run, so that all of it expires within one commit's time.
  run.expiresMs = expiresMs
  transaction.noteExpiry(expiresMs)
  conversation.lastTimeMs = timeMs
  writer.lastClientId = clientId
  writer.lastSeq = seq
  writer.lastTimeMs = timeMs
  if (conversation.group !== null) deliverToGroup(transaction, route, sender, seq, timeMs, text, carried)
  else deliverToPair(transaction, route, sender, seq, timeMs, text, carried)
  if (seq - conversation.checkpointSeq >= checkpointEvery) transaction.markDirty(route)
  transaction.answers.push(new Answer(author, clientId, 0, seq, timeMs, expiresMs))
}

/** From its first message on a user is no stranger to whom it writes to. [PRF-18] */
function noteWritten(transaction: Transaction, { conversation, users }: Route, sender: UserState): void {
  const { pair } = conversation
  if (pair === null) return
  const position = users[0] === sender ? 0 : 1
  if (!pair[position].hasWritten) changeSide(transaction, conversation, position, pair[position].withWritten())
}

function deliverToPair(
  transaction: Transaction, { conversation, users, channels }: Route, sender: UserState, seq: number, timeMs: number, text: Uint8Array,
  extensions: Uint8Array,
): void {
  const away = channels.length === 0 ? null : new Away()
  for (let i = 0; i < users.length; i++) {
    const user = users[i]!
    if (user === sender) {
      // With one device alone the ack has said it all. [QUE-11]
      if (!user.mayHaveSiblings) continue
    } else {
      // To who has blocked the sender it does not exist; the order of the log decides. [PRF-10] [PRF-11]
      if (conversation.pair?.[i]?.isBlocking === true) continue
      conversation.members[i]!.unread++
      if (!user.exists) continue
    }
    if (away !== null && user.channel !== null) away.add(user.channel, user.name)
    else appendMessage(transaction, user, conversationAddress(conversation, user.name), sender.name, seq, timeMs, text, extensions)
  }
  if (away !== null) away.sendMessage(transaction, conversation.name, sender.name, seq, timeMs, text, extensions)
}

/** A device of one of a pair has everything of the other up to `seq`. Whether somebody may have to be told. [RCP-1, RCP-2] */
export function raiseDelivered(transaction: Transaction, route: Route, member: Member, seq: number): boolean {
  const { conversation } = route
  if (seq <= member.delivered || seq > conversation.tail) return false
  member.delivered = seq
  member.deliveredRose = true
  tellDelivered(conversation, member)
  transaction.touch(conversation)
  transaction.markDirty(route)
  return true
}

/** The other learns of it unless it is blocked, and never of a seq that the member was not given. [PRF-12] */
function tellDelivered(conversation: ConversationState, member: Member): void {
  const side = conversation.side(member.user)
  if (side?.isBlocking === true) return
  const seq = side?.visible(member.delivered) ?? member.delivered
  if (seq <= member.deliveredTold) return
  member.deliveredTold = seq
  member.deliveredToldRose = true
}

/**
 * The user has read up to `seq`, which is above the present watermark; `unread` is what remains. Others are told if the user's
 * receipts are on. [RCP-2, RCP-4, RCP-7]
 */
export function raiseRead(transaction: Transaction, route: Route, user: UserState, member: Member, seq: number, unread: number): void {
  const { conversation } = route
  if (!member.readRose) conversation.group?.readers.push(member)
  member.read = seq
  member.readRose = true
  member.unread = unread
  if (seq > member.delivered) {
    member.delivered = seq
    member.deliveredRose = true
  }
  if (conversation.group === null) tellDelivered(conversation, member)
  const side = conversation.side(user.name)
  const told = side?.visible(seq) ?? seq
  if (user.readReceipts && side?.isBlocking !== true && told > member.readTold) {
    member.readTold = told
    member.readToldRose = true
  }
  transaction.touch(route.conversation)
  transaction.markDirty(route)
}

/** Writes what the transaction has changed in the conversation beyond its log, once for all commands. */
export function sealConversation(transaction: Transaction, route: Route, lookup: UserLookup, checkpointEvery: number): void {
  const { conversation, users } = route
  conversation.isDirty = false
  transaction.touch(conversation)
  if (conversation.isCheckpointDue || conversation.tail - conversation.checkpointSeq >= checkpointEvery) writeCheckpoint(transaction, conversation)
  if (conversation.group !== null) {
    sealWatermarks(transaction, route, lookup)
    return
  }
  for (let i = 0; i < conversation.members.length; i++) {
    const member = conversation.members[i]!
    if (!member.deliveredRose && !member.readRose) continue
    transaction.batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
    for (const user of users) tellWatermarks(transaction, conversation, member, user)
    member.deliveredRose = member.deliveredToldRose = member.readRose = member.readToldRose = false
  }
}

function writeCheckpoint(transaction: Transaction, conversation: ConversationState): void {
  conversation.forgetWriters(conversation.lastTimeMs - WRITER_AGE_MS, WRITERS_BY_USER_MAX)
  conversation.checkpointSeq = conversation.tail
  conversation.isCheckpointDue = false
  transaction.batch.put(conversation.keys.checkpoint(), encodeCheckpoint(conversation))
}

/**
 * Retention: what lies up to `seq` no longer exists; `unread` says how many messages of others above its read watermark each member
 * loses with it. The rows stay until this is on disk. The checkpoint keeps the numbers going where nothing is left of the log.
 */
export function forgetMessages(transaction: Transaction, conversation: ConversationState, seq: number, unread: ReadonlyMap<Member, number>): void {
  transaction.touch(conversation)
  conversation.trimmedTo = seq
  transaction.batch.put(conversation.keys.meta(), encodeConversation(conversation))
  takeUnread(transaction, conversation, unread)
}

/**
 * So many messages of others above its read watermark are gone for each member. Without a new seq only rows of the members can say so:
 * a checkpoint counts as of its seq, and of two as of the same the member's holds.
 */
export function takeUnread(transaction: Transaction, conversation: ConversationState, unread: ReadonlyMap<Member, number>): void {
  for (const [member, count] of unread) {
    member.unread = Math.max(0, member.unread - count)
    transaction.batch.put(conversation.keys.watermark(member.user), encodeWatermark(member, conversation.tail))
  }
  writeCheckpoint(transaction, conversation)
}

function tellWatermarks(transaction: Transaction, conversation: ConversationState, member: Member, user: UserState): void {
  if (!user.exists) return
  const address = conversationAddress(conversation, user.name)
  if (user.name === member.user) {
    // The user's other devices learn what was read here. [RCP-6]
    if (member.readRose) tellReceipt(transaction, user, address, member.user, MARK.read, member.read)
    return
  }
  const name = member.user === address ? '' : member.user
  const tellRead = member.readToldRose && user.readReceipts
  if (tellRead) tellReceipt(transaction, user, address, name, MARK.read, member.readTold)
  if (member.deliveredToldRose && !(tellRead && member.readTold >= member.deliveredTold)) {
    tellReceipt(transaction, user, address, name, MARK.delivered, member.deliveredTold)
  }
}
