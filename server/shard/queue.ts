/** Appending to users' queues. Pure: writes go to the transaction, nothing is read. */
import {
  appendChanged as appendChangedFrame, appendDelivery, appendDeliveryFrom, appendOperation as appendOperationFrame,
  appendReceipt as appendReceiptFrame,
} from '../../protocol/generated/frames.js'
import type { Mark } from './conversation.js'
import { ANY_PLACE, COUNTS_NOWHERE, EntryHead, EntryRun } from './entry-run.js'
import type { SharedEntry } from './shared-entry.js'
import type { UserState } from './user-state.js'
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
  appendCounted(transaction, user, entry, bytes, from === user.name ? COUNTS_NOWHERE : new EntryHead(group, seq), ANY_PLACE)
}

/** The same, whose acknowledgement counts as `head` says, by the user's place among the members. */
export function appendCounted(transaction: Transaction, user: UserState, entry: SharedEntry, bytes: number, head: EntryHead, place: number): void {
  const index = ++user.tail
  const run = transaction.entryRun(user, bytes)
  run.pushShared(index, entry, head, place)
  if (run.journalRun >= 0) transaction.journal?.add(run, entry)
  if (user.feeds.length > 0) user.exposedTo = index
}

/** What `from` has done to a message of the conversation, as the user addresses it. [OPS-1] */
export function appendOperation(
  transaction: Transaction, user: UserState, conversation: string, from: string, seq: number, timeMs: number, target: number, kind: number,
  text: Uint8Array, extensions: Uint8Array,
): void {
  const index = ++user.tail
  const run = transaction.entryRun(user, text.length)
  appendOperationFrame(run.frames, index, conversation, from, seq, timeMs, target, kind, text, extensions)
  run.push(index, conversation, from === user.name ? 0 : seq)
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
  const index = indexUnseen(user, `${String(mark)}/${member}/${conversation}`)
  // In a row of its own, which can be written again without its neighbours.
  const run = new EntryRun()
  appendReceiptFrame(run.frames, index.value, conversation, member, mark, seq)
  run.push(index.value, conversation, 0)
  putUnseen(transaction, user, run, index.isReplaced)
}

/** That a list of the user, or its profile, has a new version. Merged as receipts are. [PRF-8] */
export function appendChanged(transaction: Transaction, user: UserState, list: number, version: number): void {
  if (user.feeds.length > 0) {
    const index = user.exposedTo = ++user.tail
    const run = transaction.entryRun(user, 0)
    appendChangedFrame(run.frames, index, list, version)
    run.push(index, '', 0)
    return
  }
  const index = indexUnseen(user, `changed/${String(list)}`)
  const run = new EntryRun()
  appendChangedFrame(run.frames, index.value, list, version)
  run.push(index.value, '', 0)
  putUnseen(transaction, user, run, index.isReplaced)
}

/** Where an entry goes that says how something stands: in the place of the last one of the same key, if no device can have seen that. */
function indexUnseen(user: UserState, key: string): { value: number; isReplaced: boolean } {
  const unsent = user.unsentEntries?.get(key) ?? 0
  if (unsent > user.exposedTo && unsent > user.trimmedTo) return { value: unsent, isReplaced: true }
  const value = ++user.tail
  const entries = user.unsentEntries ??= new Map<string, number>()
  // To the end, so that they stand in the order of their indexes.
  entries.delete(key)
  entries.set(key, value)
  forgetTrimmed(user, entries)
  return { value, isReplaced: false }
}

/** Or a user that is never sent its queue, though it is there all the time, would keep the keys of all that ever was in it. */
function forgetTrimmed(user: UserState, entries: Map<string, number>): void {
  for (const [key, index] of entries) {
    if (index > user.trimmedTo) return
    entries.delete(key)
  }
}

function putUnseen(transaction: Transaction, user: UserState, run: EntryRun, isReplaced: boolean): void {
  if (isReplaced) transaction.rewriteEntry(user, run)
  else transaction.putEntry(user, run)
}

/** From now on a device may have seen everything there is. */
export function exposeQueue(user: UserState): void {
  user.exposedTo = user.tail
  user.unsentEntries = null
}
