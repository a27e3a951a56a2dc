/**
 * What conversations have for one of their members: into its queue and its list where it is at home here, else into the channel to its
 * home, which does the same with it. Pure, as the shard's core.
 */
import { isGroup } from '../../protocol/address.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { userKeys, type UserKeys } from '../../storage/user-keys.js'
import { visitorKey } from '../../storage/channel-keys.js'
import { expiryOf } from '../../protocol/expiry.js'
import { decodeElement } from '../../protocol/element.js'
import { encodeChange } from '../../protocol/generated/frames.js'
import { OPERATION } from '../../protocol/generated/registry.js'
import { noteErasure, noteLookup } from '../operations/erasures.js'
import type { Mark } from '../shard/conversation.js'
import type { Outgoing } from './outgoing.js'
import { appendMessage, appendOperation, appendReceipt, appendShared } from '../shard/queue.js'
import { ANY_INDEX, SharedEntry } from '../shard/shared-entry.js'
import { addressIn } from '../shard/conversation-name.js'
import { UNCOUNTED, type UserState } from '../shard/user-state.js'
import type { Transaction } from '../shard/transaction.js'
import {
  type ChangeEntry, encodeVisitor, type ListingEntry, type MemberEntry, type MessagesEntry, type OperationEntry, type ReceiptEntry,
} from './entries.js'

/** A watermark, to the user; `member` as in the receipt, or the user itself: what it has read on another device. [RCP-6] */
export function tellReceipt(transaction: Transaction, user: UserState, conversation: string, member: string, mark: Mark, seq: number): void {
  if (user.channel !== null) user.channel.append(transaction, { kind: 'receipt', user: user.name, conversation, member, mark, seq })
  else if (member !== user.name || user.devices.length > 1) appendReceipt(transaction, user, conversation, member, mark, seq)
}

/** The conversation stands in the user's list from now on, with this row; null: no more. */
export function list(transaction: Transaction, user: UserState, conversation: string, row: Uint8Array | null): void {
  transaction.touch(user)
  putListing(transaction, user.keys, user.channel, conversation, row)
  if (user.channel === null || user.isRecorded) return
  // From now on its home is asked no more.
  user.isRecorded = true
  transaction.batch.put(visitorKey(user.name), encodeVisitor({ exists: user.exists, readReceipts: user.readReceipts }))
}

/** The same for one who is not in memory. */
export function listAbsent(transaction: Transaction, user: string, channel: Outgoing | null, conversation: string, row: Uint8Array | null): void {
  putListing(transaction, userKeys(user), channel, conversation, row)
}

function putListing(transaction: Transaction, keys: UserKeys, channel: Outgoing | null, conversation: string, row: Uint8Array | null): void {
  if (channel !== null) channel.append(transaction, { kind: 'listing', user: keys.name, conversation, row: row ?? EMPTY_BYTES })
  else if (row === null) transaction.batch.delete(keys.conversation(conversation))
  else transaction.batch.put(keys.conversation(conversation), row)
}

/** What is deleted in the conversation is not told to the user any more, and must not reach its late devices. [OPS-7] */
export function tellLookup(transaction: Transaction, user: UserState, conversation: string): void {
  if (user.channel !== null) user.channel.append(transaction, { kind: 'lookup', user: user.name, conversation })
  else noteLookup(transaction, user, conversation)
}

/** An entry that has come for a user who is at home here. */
export function applyToMember(transaction: Transaction, user: UserState, entry: MemberEntry): void {
  switch (entry.kind) {
    case 'messages':
      applyMessages(transaction, user, entry)
      return
    case 'operation':
      applyOperation(transaction, user, entry)
      return
    case 'change':
      applyChange(transaction, user, entry)
      return
    case 'receipt':
      applyReceipt(transaction, user, entry)
      return
    case 'listing':
      applyListing(transaction, user, entry)
      return
    case 'lookup':
      tellLookup(transaction, user, entry.conversation)
      return
  }
}

function applyMessages(transaction: Transaction, user: UserState, entry: MessagesEntry): void {
  const { conversation, from } = entry
  if (!user.exists) return
  // With one device alone the acks have said it all. [QUE-11]
  if (user.name === from && user.devices.length < 2) return
  // The other of a pair is who has written.
  const address = isGroup(conversation) || from === user.name ? addressIn(conversation, user.name) : from
  for (const { seq, timeMs, text, extensions } of entry.messages) {
    transaction.noteExpiry(extensions.length === 0 ? 0 : expiryOf(extensions))
    appendMessage(transaction, user, address, from, seq, timeMs, text, extensions)
  }
}

function applyOperation(
  transaction: Transaction, user: UserState, { conversation, from, seq, timeMs, target, operation, text, extensions }: OperationEntry,
): void {
  const isDelete = operation === OPERATION.delete
  if (!user.exists || (user.name === from && user.devices.length < 2 && !isDelete)) return
  transaction.noteExpiry(extensions.length === 0 ? 0 : expiryOf(extensions))
  const address = addressIn(conversation, user.name)
  appendOperation(transaction, user, address, from, seq, timeMs, target, operation, text, extensions)
  if (isDelete) noteErasure(transaction, user, { conversation: address, seq: target, index: user.tail })
}

function applyChange(transaction: Transaction, user: UserState, { conversation, from, seq, timeMs, change }: ChangeEntry): void {
  const element = decodeElement(change)
  if (!user.exists || element === null) return
  const address = addressIn(conversation, user.name)
  appendShared(transaction, user, SharedEntry.of(encodeChange(ANY_INDEX, address, from, seq, timeMs, element)), 0, address, from, seq)
}

function applyReceipt(transaction: Transaction, user: UserState, { conversation, member, mark, seq }: ReceiptEntry): void {
  if (user.exists) tellReceipt(transaction, user, conversation, member, mark as Mark, seq)
}

function applyListing(transaction: Transaction, user: UserState, { conversation, row }: ListingEntry): void {
  list(transaction, user, conversation, row.length === 0 ? null : row)
  // Whoever counts finds it in the store.
  if (isGroup(conversation)) user.groupCount = UNCOUNTED
}
