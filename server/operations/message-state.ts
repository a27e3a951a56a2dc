/**
 * What operations have made of a message: one row for each message that has any, beside the log, so that a page of history needs one
 * more short read and never the log behind it. Texts stand here alone: the log has for each operation who did what to which message, so
 * that deleting takes one row of the log and this one. [OPS-5, OPS-7, OPS-9]
 *
 *     byte      2, the version; 1 where what stands behind the reactions is nothing
 *     deletion  seq (0: none), time, by
 *     edit      seq (0: none), time, text
 *     count     reactions, in the order in which they were given: user, seq, emoji
 *     count     past edits: seq, time, text
 *     expires   of the message: Unix time; 0: it does not
 */
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { StorageError } from '../../storage/engine.js'

const VERSION = 2
const VERSION_SHORT = 1
/** Each is the last one that somebody who left, or who has blocked the author, may read: they left one after the other while a message could be edited. */
export const PAST_EDITS_MAX = 16

export interface Edit {
  /** Of the operation. */
  readonly seq: number
  readonly timeMs: number
  readonly text: Uint8Array
}

export interface Deletion {
  readonly seq: number
  readonly timeMs: number
  readonly by: string
}

export interface Reaction {
  readonly user: string
  readonly seq: number
  readonly emoji: string
}

export interface MessageState {
  /** Of a deleted message nothing else is kept. */
  readonly deletion: Deletion | null
  /** The one in force. */
  readonly edit: Edit | null
  /** Those before it that are still the last for somebody, ascending. [OPS-13] */
  readonly pastEdits: readonly Edit[]
  /** One of each user. */
  readonly reactions: readonly Reaction[]
  /** When the message expires, and all this with it; 0: it does not. [DIS-3] */
  readonly expiresMs: number
}

export const UNTOUCHED: MessageState = { deletion: null, edit: null, pastEdits: [], reactions: [], expiresMs: 0 }

export function encodeState({ deletion, edit, pastEdits, reactions, expiresMs }: MessageState): Uint8Array {
  const isShort = pastEdits.length === 0 && expiresMs === 0
  const writer = new ValueWriter().uint(isShort ? VERSION_SHORT : VERSION)
  writer.uint(deletion?.seq ?? 0).time(deletion?.timeMs ?? 0).string(deletion?.by ?? '')
  writer.uint(edit?.seq ?? 0).time(edit?.timeMs ?? 0).bytes(edit?.text ?? new Uint8Array(0))
  writer.uint(reactions.length)
  for (const { user, seq, emoji } of reactions) writer.string(user).uint(seq).bytes(Buffer.from(emoji))
  if (isShort) return writer.take()
  writer.uint(pastEdits.length)
  for (const { seq, timeMs, text } of pastEdits) writer.uint(seq).time(timeMs).bytes(text)
  writer.uint(expiresMs)
  return writer.take()
}

/** Throws StorageError 'corrupt' for bytes that are no such row. */
export function decodeState(row: Uint8Array): MessageState {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION && version !== VERSION_SHORT) throw new StorageError('corrupt', `the state of a message has the unknown version ${String(version)}`)
  const deletion = { seq: reader.uint(), timeMs: reader.time(), by: reader.string() }
  const edit = readEdit(reader)
  const count = reader.uint()
  const reactions: Reaction[] = []
  for (let i = 0; i < count; i++) {
    reactions.push({ user: reader.string(), seq: reader.uint(), emoji: Buffer.from(reader.bytes()).toString() })
  }
  const pastEdits: Edit[] = []
  if (version === VERSION) for (let left = reader.uint(); left > 0; left--) pastEdits.push(readEdit(reader))
  const expiresMs = version === VERSION ? reader.uint() : 0
  return { deletion: deletion.seq === 0 ? null : deletion, edit: edit.seq === 0 ? null : edit, pastEdits, reactions, expiresMs }
}

function readEdit(reader: ValueReader): Edit {
  return { seq: reader.uint(), timeMs: reader.time(), text: Uint8Array.prototype.slice.call(reader.bytes()) }
}
