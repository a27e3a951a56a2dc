/**
 * Messages that somebody says one after the other in one conversation, for the same members: one entry of a channel, which grows as long as
 * nothing else is given. What they have in common is written once, and a home that wants none of them looks at none.
 *
 *     length      4 bytes, a uint that may be longer than it needs to be
 *     byte        the version of entries, and the kind
 *     fields      conversation, author, members (with spaces between), seq and time of the first
 *     messages    seq and time since those, text, extensions
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { uintSize, writeByteString, writeString, writeUint } from '../../protocol/writer.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { WIDE_LENGTH_BYTES, writeWideLength } from './packed-entries.js'

export interface LoggedMessage {
  readonly seq: number
  readonly timeMs: number
  readonly text: Uint8Array
  readonly extensions: Uint8Array
}

const HEAD_BYTES = 2

/** One that more may be appended to, at the end of `out`. */
export class MessageRun {
  readonly #out: ByteBuffer
  readonly #start: number
  readonly #conversation: string
  readonly #from: string
  readonly #members: string
  readonly #seq: number
  readonly #timeMs: number

  /** Names are ASCII, and `members` stands for all of them, with spaces between. */
  constructor(out: ByteBuffer, version: number, kind: number, conversation: string, from: string, members: string, seq: number, timeMs: number) {
    this.#out = out
    this.#start = out.length
    this.#conversation = conversation
    this.#from = from
    this.#members = members
    this.#seq = seq
    this.#timeMs = Math.floor(timeMs)
    const size = HEAD_BYTES + nameSize(conversation) + nameSize(from) + nameSize(members) + uintSize(seq) + uintSize(this.#timeMs)
    let at = out.reserve(WIDE_LENGTH_BYTES + size) + WIDE_LENGTH_BYTES
    const { bytes } = out
    bytes[at++] = version
    bytes[at++] = kind
    at = writeString(bytes, at, conversation, conversation.length)
    at = writeString(bytes, at, from, from.length)
    at = writeString(bytes, at, members, members.length)
    at = writeUint(bytes, at, seq)
    writeUint(bytes, at, this.#timeMs)
  }

  /** Whether such a message may go behind the others. */
  takes(conversation: string, from: string, members: string, seq: number, timeMs: number): boolean {
    return from === this.#from && conversation === this.#conversation && members === this.#members && seq >= this.#seq && timeMs >= this.#timeMs
  }

  append(seq: number, timeMs: number, text: Uint8Array, extensions: Uint8Array): void {
    const [sinceSeq, sinceMs] = [seq - this.#seq, Math.floor(timeMs) - this.#timeMs]
    const size = uintSize(sinceSeq) + uintSize(sinceMs) + uintSize(text.length) + text.length + uintSize(extensions.length) + extensions.length
    let at = this.#out.reserve(size)
    const { bytes, length } = this.#out
    at = writeUint(bytes, at, sinceSeq)
    at = writeUint(bytes, at, sinceMs)
    at = writeByteString(bytes, at, text)
    writeByteString(bytes, at, extensions)
    writeWideLength(bytes, this.#start, length - this.#start - WIDE_LENGTH_BYTES)
  }
}

function nameSize(name: string): number {
  return uintSize(name.length) + name.length
}

const writer = new ValueWriter()

/** The part of the entry that differs from message to message. */
export function packRun(messages: readonly LoggedMessage[]): Uint8Array {
  const [first] = messages
  if (first === undefined) throw new RangeError('a run has messages')
  writer.begin().uint(first.seq).time(first.timeMs)
  for (const { seq, timeMs, text, extensions } of messages) {
    writer.uint(seq - first.seq).uint(Math.floor(timeMs) - Math.floor(first.timeMs)).bytes(text).bytes(extensions)
  }
  return writer.take()
}

/** The messages of that part; their bytes are views. Throws StorageError('corrupt') for bytes that are none. */
export function readRun(run: Uint8Array): LoggedMessage[] {
  const reader = new ValueReader(run)
  const seq = reader.uint()
  const timeMs = reader.time()
  const messages: LoggedMessage[] = []
  do messages.push({ seq: seq + reader.uint(), timeMs: timeMs + reader.uint(), text: reader.bytes(), extensions: reader.bytes() })
  while (reader.more)
  return messages
}
