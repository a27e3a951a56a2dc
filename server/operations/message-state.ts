/**
 * What operations have made of a message: one row for each message that has any, beside the log, so that a page of history needs one
 * more short read and never the log behind it. Texts stand here alone: the log has for each operation who did what to which message, so
 * that deleting takes one row of the log and this one. [OPS-5, OPS-7, OPS-9]
 *
 *     byte      1, the version
 *     deletion  seq (0: none), time, by
 *     edit      seq (0: none), time, text
 *     count     reactions, in the order in which they were given: user, seq, emoji
 */
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { StorageError } from '../../storage/engine.js'

const VERSION = 1

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
  /** One of each user. */
  readonly reactions: readonly Reaction[]
}

export const UNTOUCHED: MessageState = { deletion: null, edit: null, reactions: [] }

export function encodeState({ deletion, edit, reactions }: MessageState): Uint8Array {
  const writer = new ValueWriter().uint(VERSION)
  writer.uint(deletion?.seq ?? 0).time(deletion?.timeMs ?? 0).string(deletion?.by ?? '')
  writer.uint(edit?.seq ?? 0).time(edit?.timeMs ?? 0).bytes(edit?.text ?? new Uint8Array(0))
  writer.uint(reactions.length)
  for (const { user, seq, emoji } of reactions) writer.string(user).uint(seq).bytes(Buffer.from(emoji))
  return writer.take()
}

/** Throws StorageError 'corrupt' for bytes that are no such row. */
export function decodeState(row: Uint8Array): MessageState {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `the state of a message has the unknown version ${String(version)}`)
  const deletion = { seq: reader.uint(), timeMs: reader.time(), by: reader.string() }
  const edit = { seq: reader.uint(), timeMs: reader.time(), text: Uint8Array.prototype.slice.call(reader.bytes()) }
  const count = reader.uint()
  const reactions: Reaction[] = []
  for (let i = 0; i < count; i++) {
    reactions.push({ user: reader.string(), seq: reader.uint(), emoji: Buffer.from(reader.bytes()).toString() })
  }
  return { deletion: deletion.seq === 0 ? null : deletion, edit: edit.seq === 0 ? null : edit, reactions }
}
