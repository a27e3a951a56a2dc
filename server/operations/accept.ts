/** An operation takes effect: its seq, its record, the state of its target, an entry for every member's devices. Pure, as the shard's core. */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { withExpiry } from '../../protocol/expiry.js'
import { encodeOperation } from '../../protocol/generated/frames.js'
import { OPERATION } from '../../protocol/generated/registry.js'
import type { OperationEntry } from '../channels/entries.js'
import { Away } from '../channels/outgoing.js'
import { mayReadSeq } from '../groups/access.js'
import { segmentEnd } from '../search/segment.js'
import { searchKeys } from '../../storage/search-keys.js'
import { changeSide } from '../shard/conversation.js'
import type { Author } from '../shard/author.js'
import type { LogRecord } from '../shard/log-run.js'
import { appendOperation, appendShared } from '../shard/queue.js'
import { ANY_INDEX, SharedEntry } from '../shard/shared-entry.js'
import { conversationAddress, type ConversationState } from '../shard/conversation-state.js'
import type { UserState } from '../shard/user-state.js'
import type { Writer } from '../shard/writer.js'
import type { Route, Transaction } from '../shard/transaction.js'
import type { OperationKind } from './decide.js'
import { noteErasure } from './erasures.js'
import { encodeState, type MessageState } from './message-state.js'
import { encodeOperationRow, withoutText } from './rows.js'

/** A message that is on disk, with the row of the log that holds it. */
export interface TargetRow {
  readonly record: LogRecord
  readonly state: MessageState
  readonly row: Uint8Array
  /** Seq of the row's last message: what its key says. */
  readonly last: number
}

export interface AcceptedOperation {
  readonly target: TargetRow
  readonly kind: OperationKind
  readonly text: Uint8Array
  /** What it leaves of its target. */
  readonly next: MessageState
  readonly seq: number
  readonly timeMs: number
}

/** The caller has decided that it may be done, and that the client id is above the writer's last. [OPS-1] */
export function acceptOperation(
  transaction: Transaction, route: Route, writer: Writer, { user, device, outboxEpoch }: Author, clientId: number, operation: AcceptedOperation, checkpointEvery: number,
): void {
  const { conversation } = route
  const { target, kind, seq, timeMs } = operation
  const { keys } = conversation
  conversation.tail = seq
  conversation.lastTimeMs = timeMs
  showOwn(transaction, conversation, user.name, seq)
  transaction.putRecord(conversation, seq, encodeOperationRow({
    from: user.name, device: device.number, outboxEpoch, clientId, previousSeq: writer.lastSeq, timeMs,
    target: target.record.seq, kind,
  }))
  writer.lastClientId = clientId
  writer.lastSeq = seq
  writer.lastTimeMs = timeMs
  transaction.batch.put(keys.state(target.record.seq), encodeState(operation.next))
  if (kind === OPERATION.delete) {
    transaction.batch.put(keys.log(target.last), withoutText(target.row, target.last, target.record.seq))
    lowerUnread(conversation, target.record)
    // It holds unread as of now: what is behind it is counted from the log, which does not say who had read what.
    conversation.isCheckpointDue = true
  }
  if (changesText(kind)) {
    // In the index of searches words would stay, or be missing: that part of it is made anew.
    transaction.batch.delete(searchKeys(conversation.name).segment(segmentEnd(target.record.seq)))
  }
  transaction.noteExpiry(operation.next.expiresMs)
  deliver(transaction, route, user, operation)
  if (conversation.isCheckpointDue || seq - conversation.checkpointSeq >= checkpointEvery) transaction.markDirty(route)
}

/** Who has blocked the other sees what it does itself. */
function showOwn(transaction: Transaction, conversation: ConversationState, author: string, seq: number): void {
  const side = conversation.side(author)
  if (side?.isBlocking === true) changeSide(transaction, conversation, conversation.positionOf(author), side.without(seq))
}

/** Whether other words are found afterwards. */
export function changesText(kind: OperationKind): boolean {
  return kind !== OPERATION.react
}

/** [OPS-14] */
function lowerUnread(conversation: ConversationState, { from, seq }: LogRecord): void {
  for (const member of conversation.members) {
    if (member.user === from || seq <= member.read || member.unread === 0 || conversation.hides(member.user, seq)) continue
    member.unread--
  }
}

/** All get the same entry but for its index, and but for those who may not read the target. [OPS-13] */
function deliver(transaction: Transaction, { conversation, users, channels }: Route, author: UserState, operation: AcceptedOperation): void {
  const { kind, text } = operation
  const target = operation.target.record.seq
  const isDelete = kind === OPERATION.delete
  const shared = conversation.group === null ? null : sharedEntry(conversation, author, operation, text)
  const blank = shared === null || text.length === 0 ? shared : sharedEntry(conversation, author, operation, NO_TEXT)
  const away = channels.length === 0 ? null : { whole: new Away(), blank: new Away() }
  for (const user of users) {
    if (!user.exists) continue
    // To who has blocked its author it does not exist. [PRF-10] What was deleted is not sent to it late: see erasures.ts.
    if (user !== author && conversation.side(user.name)?.isBlocking === true) continue
    // With one device alone the ack has said it all; but what its queue still holds of a deleted message is followed by its end. [QUE-11]
    if (user === author && !user.mayHaveSiblings && !isDelete) continue
    const address = conversationAddress(conversation, user.name)
    const shown = text.length === 0 || mayReadSeq(conversation, user.name, target) ? text : NO_TEXT
    if (away !== null && user.channel !== null) {
      (shown === text ? away.whole : away.blank).add(user.channel, user.name)
      continue
    }
    if (shared === null || blank === null) {
      appendOperation(transaction, user, address, author.name, operation.seq, operation.timeMs, target, kind, shown, extensionsOf(operation))
    } else appendShared(transaction, user, shown === text ? shared : blank, text.length, address, author.name, operation.seq)
    if (isDelete) noteErasure(transaction, user, { conversation: address, seq: target, index: user.tail })
  }
  away?.whole.send(transaction, (members) => awayEntry(conversation, author, operation, text, members))
  away?.blank.send(transaction, (members) => awayEntry(conversation, author, operation, NO_TEXT, members))
}

function awayEntry({ name }: ConversationState, author: UserState, operation: AcceptedOperation, text: Uint8Array, members: readonly string[]): OperationEntry {
  const { target, kind, seq, timeMs } = operation
  return {
    kind: 'operation', conversation: name, from: author.name, seq, timeMs, target: target.record.seq, operation: kind, text,
    extensions: extensionsOf(operation), members,
  }
}

function sharedEntry({ name }: ConversationState, author: UserState, operation: AcceptedOperation, text: Uint8Array): SharedEntry {
  const { target, kind, seq, timeMs } = operation
  return SharedEntry.of(encodeOperation(ANY_INDEX, name, author.name, seq, timeMs, target.record.seq, kind, text, extensionsOf(operation)))
}

/** Texts and reactions go when their message does. [DIS-2] */
function extensionsOf({ kind, next }: AcceptedOperation): Uint8Array {
  return kind !== OPERATION.delete && next.expiresMs > 0 ? withExpiry(EMPTY_BYTES, next.expiresMs) : EMPTY_BYTES
}

const NO_TEXT = new Uint8Array(0)
