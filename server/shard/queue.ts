/** Appending to users' queues. Pure: writes go to the transaction, nothing is read. */
import { encodeDelivery, encodeDeliveryFrom, encodeReceipt } from '../../protocol/generated/frames.js'
import type { Mark } from './conversation.js'
import type { UserState } from './state.js'
import { QueueEntry } from './transaction.js'
import type { Transaction } from './transaction.js'

/** A message of `conversation`, written by `from`, into the user's queue; both as the user addresses them. [QUE-1] */
export function appendMessage(
  transaction: Transaction, user: UserState, conversation: string, from: string, seq: number, timeMs: number,
  text: Uint8Array, extensions: Uint8Array,
): void {
  const index = ++user.tail
  // In one's notes the conversation is the sender too, but nobody else's. [QUE-11]
  const frame = from === conversation && from !== user.name
    ? encodeDelivery(index, conversation, seq, timeMs, text, extensions)
    : encodeDeliveryFrom(index, conversation, from, seq, timeMs, text, extensions)
  append(transaction, user, index, frame, conversation, from === user.name ? 0 : seq)
}

/**
 * A watermark of `member` ('' for the other user of a pair). While no device can have seen the user's last receipt of this mark in
 * this conversation, the new one takes its place, so that an absent user's queue holds at most one for each. [RCP-5]
 */
export function appendReceipt(transaction: Transaction, user: UserState, conversation: string, member: string, mark: Mark, seq: number): void {
  const key = `${String(mark)}/${member}/${conversation}`
  const unsent = user.unsentReceipts?.get(key) ?? 0
  const index = unsent > user.exposedTo && unsent > user.trimmedTo ? unsent : ++user.tail
  const frame = encodeReceipt(index, conversation, member, mark, seq)
  if (index === unsent) {
    transaction.touch(user)
    transaction.batch.put(user.keys.entry(index), frame)
    return
  }
  append(transaction, user, index, frame, conversation, 0)
  if (user.feeds.length > 0) return
  user.unsentReceipts ??= new Map()
  user.unsentReceipts.set(key, index)
}

function append(
  transaction: Transaction, user: UserState, index: number, frame: Uint8Array, conversation: string, seq: number,
): void {
  transaction.touch(user)
  transaction.batch.put(user.keys.entry(index), frame)
  transaction.entries.push(new QueueEntry(user, index, frame, conversation, seq))
  if (user.feeds.length > 0) user.exposedTo = index
}

/** From now on a device may have seen everything there is. */
export function exposeQueue(user: UserState): void {
  user.exposedTo = user.tail
  user.unsentReceipts = null
}
