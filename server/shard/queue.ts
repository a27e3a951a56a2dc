/** Appending to users' queues. Pure: writes go to the transaction, nothing is read. */
import { appendDelivery, appendDeliveryFrom, appendReceipt as appendReceiptFrame } from '../../protocol/generated/frames.js'
import type { Mark } from './conversation.js'
import { EntryRun } from './entry-run.js'
import type { SharedEntry } from './shared-entry.js'
import type { UserState } from './state.js'
import type { Transaction } from './transaction.js'

/** A message of `conversation`, written by `from`, into the user's queue; both as the user addresses them. [QUE-1] */
export function appendMessage(
  transaction: Transaction, user: UserState, conversation: string, from: string, seq: number, timeMs: number,
  text: Uint8Array, extensions: Uint8Array,
): void {
  const index = ++user.tail
  const run = transaction.entryRun(user, text.length + extensions.length)
  // In one's notes the conversation is the sender too, but nobody else's. [QUE-11]
  if (from === conversation && from !== user.name) appendDelivery(run.frames, index, conversation, seq, timeMs, text, extensions)
  else appendDeliveryFrom(run.frames, index, conversation, from, seq, timeMs, text, extensions)
  run.push(index, conversation, from === user.name ? 0 : seq)
  if (user.feeds.length > 0) user.exposedTo = index
}

/** What all members of a group get alike: a message or a change by `from`, `bytes` long. [GRP-2] */
export function appendShared(
  transaction: Transaction, user: UserState, entry: SharedEntry, bytes: number, group: string, from: string, seq: number,
): void {
  const index = ++user.tail
  const run = transaction.entryRun(user, bytes)
  entry.append(run.frames, index)
  run.push(index, group, from === user.name ? 0 : seq)
  if (user.feeds.length > 0) user.exposedTo = index
}

/**
 * A watermark of `member` ('' for the other user of a pair). While no device can have seen the user's last receipt of this mark in
 * this conversation, the new one takes its place, so that an absent user's queue holds at most one for each. [RCP-5]
 */
export function appendReceipt(transaction: Transaction, user: UserState, conversation: string, member: string, mark: Mark, seq: number): void {
  if (user.feeds.length > 0) {
    const index = user.exposedTo = ++user.tail
    const run = transaction.entryRun(user, 0)
    appendReceiptFrame(run.frames, index, conversation, member, mark, seq)
    run.push(index, conversation, 0)
    return
  }
  const key = `${String(mark)}/${member}/${conversation}`
  const unsent = user.unsentReceipts?.get(key) ?? 0
  const isReplaced = unsent > user.exposedTo && unsent > user.trimmedTo
  const index = isReplaced ? unsent : ++user.tail
  // In a row of its own, which can be written again without its neighbours.
  const run = new EntryRun()
  appendReceiptFrame(run.frames, index, conversation, member, mark, seq)
  run.push(index, conversation, 0)
  if (isReplaced) {
    transaction.rewriteEntry(user, run)
    return
  }
  transaction.putEntry(user, run)
  user.unsentReceipts ??= new Map()
  user.unsentReceipts.set(key, index)
}

/** From now on a device may have seen everything there is. */
export function exposeQueue(user: UserState): void {
  user.exposedTo = user.tail
  user.unsentReceipts = null
}
