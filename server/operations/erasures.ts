/**
 * Deleted messages whose text a queue may still hold for devices that have not taken it. The queue's rows stay as they are, since no
 * row says where an entry stands; a page that is read for a device is sent without the text of what was deleted. Two lists say what
 * that is, and both are short:
 *
 * - items: what was deleted lately. Beyond ERASURES_MAX the oldest one makes a lookup of its conversation;
 * - lookups: conversations whose entries up to an index are looked up in the log before they are sent. So are those of a group that the
 *   user has left, and of who it has blocked: what is deleted there later is not told to it. Beyond LOOKUPS_MAX all are looked up.
 *
 *     byte    2, the version. Version 1 had no lookups.
 *     count   items: conversation as the user addresses it, seq, index of the entry that tells of the deletion
 *     count   lookups: conversation, '' for all; index
 */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf } from '../../protocol/expiry.js'
import type { Frame } from '../../protocol/generated/frames.js'
import { FRAME } from '../../protocol/generated/registry.js'
import { type Engine, type Entry, StorageError } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { numberAt } from '../../storage/owner-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { readable } from '../shard/entry-reader.js'
import { type EntryRun, framesOf, readRun, runOf } from '../shard/entry-run.js'
import { isErased, readLogRun } from '../shard/log-run.js'
import { conversationName } from '../shard/conversation-name.js'
import type { UserState } from '../shard/user-state.js'
import type { Transaction } from '../shard/transaction.js'

const VERSION = 2
const VERSION_ITEMS = 1
export const ERASURES_MAX = 64
const LOOKUPS_MAX = 64
const EVERY_CONVERSATION = ''
/** Messages of one page that are read from the log at once. */
const READS_AT_ONCE = 32

export interface Erasure {
  readonly conversation: string
  readonly seq: number
  readonly index: number
}

export interface Lookup {
  readonly conversation: string
  readonly index: number
}

export interface Erasures {
  readonly items: readonly Erasure[]
  readonly lookups: readonly Lookup[]
}

const NOTHING: Erasures = { items: [], lookups: [] }

/** To be called when the entry that tells of the deletion has been appended: it is the user's last. */
export function noteErasure(transaction: Transaction, user: UserState, erasure: Erasure): void {
  const { items, lookups } = inForce(user)
  const all = [...items, erasure]
  const oldest = all.length > ERASURES_MAX ? all.shift() : undefined
  put(transaction, user, { items: all, lookups: oldest === undefined ? lookups : withLookup(lookups, oldest) })
}

/** From now on the user is not told what is deleted in the conversation: what its queue holds of it by now is looked up. */
export function noteLookup(transaction: Transaction, user: UserState, conversation: string): void {
  if (!user.exists || user.tail === user.trimmedTo) return
  const { items, lookups } = inForce(user)
  put(transaction, user, { items, lookups: withLookup(lookups, { conversation, index: user.tail }) })
}

/** Without what concerns trimmed entries alone. */
function inForce({ erasures, trimmedTo }: UserState): Erasures {
  const { items, lookups } = erasures ?? NOTHING
  return { items: items.filter(({ index }) => index > trimmedTo), lookups: lookups.filter(({ index }) => index > trimmedTo) }
}

/** Those of one conversation become one, and too many become one of all. */
function withLookup(lookups: readonly Lookup[], { conversation, index }: Lookup): readonly Lookup[] {
  const same = lookups.find((lookup) => lookup.conversation === conversation)
  const all = lookups.filter((lookup) => lookup !== same)
  all.push({ conversation, index: Math.max(index, same?.index ?? 0) })
  if (all.length <= LOOKUPS_MAX) return all
  return [{ conversation: EVERY_CONVERSATION, index: all.reduce((highest, lookup) => Math.max(highest, lookup.index), 0) }]
}

function put(transaction: Transaction, user: UserState, erasures: Erasures): void {
  user.erasures = erasures
  transaction.touch(user)
  transaction.batch.put(user.keys.erasures(), encodeErasures(erasures))
}

function encodeErasures({ items, lookups }: Erasures): Uint8Array {
  const writer = new ValueWriter().uint(VERSION).uint(items.length)
  for (const { conversation, seq, index } of items) writer.string(conversation).uint(seq).uint(index)
  writer.uint(lookups.length)
  for (const { conversation, index } of lookups) writer.string(conversation).uint(index)
  return writer.take()
}

export function decodeErasures(row: Uint8Array): Erasures {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION && version !== VERSION_ITEMS) throw new StorageError('corrupt', `the list of erasures has the unknown version ${String(version)}`)
  const items: Erasure[] = []
  for (let count = reader.uint(); count > 0; count--) items.push({ conversation: reader.string(), seq: reader.uint(), index: reader.uint() })
  const lookups: Lookup[] = []
  if (version === VERSION) for (let count = reader.uint(); count > 0; count--) lookups.push({ conversation: reader.string(), index: reader.uint() })
  return { items, lookups }
}

/** What is known of a page before it is sent. */
export interface Erased {
  /** As they were before the log was read: one that makes a lookup meanwhile was not looked up. */
  readonly items: readonly Erasure[]
  /** Messages without a text any more, as `conversation seq`. */
  readonly lookedUp: ReadonlySet<string>
}

const NONE_LOOKED_UP: ReadonlySet<string> = new Set()

/**
 * What of a page of the queue the log has no text for any more, where it has to be looked up: almost never. What retention has taken counts
 * as deleted too: whether it was is not known any more. Rejects with StorageError, never 'corrupt'.
 */
export async function lookUpErased(isGone: IsGone, user: UserState, page: readonly Entry[]): Promise<Erased> {
  const last = page.at(-1)
  const { items, lookups } = user.erasures ?? NOTHING
  if (last === undefined || lookups.length === 0) return { items, lookedUp: NONE_LOOKED_UP }
  const wanted = new Map<string, { readonly conversation: string; readonly seq: number }>()
  for (const [key, row] of page) {
    const run = readRun(row, numberAt(key), user.name)
    if (run === null) continue
    // A list may be old: what lies behind all of it is not taken apart.
    if (!lookups.some(({ index }) => index >= run.first)) break
    for (const frame of framesOf(run)) {
      const about = targetOf(frame)
      if (about !== null && lookups.some(({ conversation, index }) =>
        index >= about.index && (conversation === EVERY_CONVERSATION || conversation === about.conversation))) wanted.set(nameOf(about), about)
    }
  }
  const lookedUp = new Set<string>()
  const all = [...wanted.values()]
  for (let at = 0; at < all.length; at += READS_AT_ONCE) {
    await Promise.all(all.slice(at, at + READS_AT_ONCE).map(async (target) => {
      if (await readable(isGone(conversationName(user.name, target.conversation), target.seq)) === true) lookedUp.add(nameOf(target))
    }))
  }
  return { items, lookedUp }
}

/** Whether nothing is left of what a message said, by the name of its conversation. */
export type IsGone = (conversation: string, seq: number) => Promise<boolean>

/** The same of a conversation whose log is in this store. */
export async function isGoneFrom(engine: Engine, conversation: string, seq: number): Promise<boolean> {
  const row = (await engine.range({ ...conversationKeys(conversation).logRange(seq), limit: 1 }))[0]
  const record = row === undefined ? undefined : readLogRun(row[1], numberAt(row[0])).find((each) => each.seq === seq)
  // What has expired is told of as that, by its entry alone: see expiry/hand-out.ts.
  return record === undefined || (isErased(record) && expiryOf(record.extensions) === 0)
}

/** The run as a device may see it: the same one where nothing in it is erased. Only deletions on disk count. */
export function withoutErased(run: EntryRun, user: UserState, { items: before, lookedUp }: Erased): EntryRun {
  const { erasures, committedTail } = user
  if (erasures === null) return run
  const listed = before === erasures.items ? before : [...before, ...erasures.items]
  const items = listed.filter(({ index }) => index <= committedTail && index >= run.first)
  if (items.length === 0 && lookedUp.size === 0) return run
  const erased = new Set(items.map(nameOf))
  const isErasedEntry = (frame: Frame): boolean => {
    const target = targetOf(frame)
    return target !== null && (erased.has(nameOf(target)) || lookedUp.has(nameOf(target)))
  }
  const frames = framesOf(run)
  if (!frames.some(isErasedEntry)) return run
  return runOf(run, frames.map((frame) => isErasedEntry(frame) ? emptied(frame) : frame))
}

/** Which message an entry tells the words of; null: of none. */
function targetOf(frame: Frame): Erasure | null {
  switch (frame.type) {
    case FRAME.delivery:
    case FRAME.deliveryFrom: return { conversation: frame.conversation, seq: frame.seq, index: frame.index }
    case FRAME.operation: return frame.text.length === 0 ? null : { conversation: frame.conversation, seq: frame.target, index: frame.index }
    default: return null
  }
}

function nameOf({ conversation, seq }: { readonly conversation: string; readonly seq: number }): string {
  return `${conversation} ${String(seq)}`
}

function emptied(frame: Frame): Frame {
  return 'text' in frame ? { ...frame, text: EMPTY_BYTES, extensions: EMPTY_BYTES } : frame
}
