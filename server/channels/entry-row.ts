/**
 * Rows of a channel: the entries that one commit gives to another shard are one row, or a few where they are many, under the number of
 * the last. They go out as they stand in it.
 *
 *     byte      2, the version
 *     entries   as in packed-entries.ts
 *
 * Rows of older stores are one entry each, of version 1, with which it begins.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { writeByteString } from '../../protocol/writer.js'
import { beginMessages } from './entries.js'
import type { MessageRun } from './message-run.js'
import { countEntries, packedSize, packEntries } from './packed-entries.js'

const VERSION = 2
const VERSION_SINGLE = 1
const HEAD_BYTES = 1
const NO_ENTRY = new Uint8Array(0)

/** A row of more entries, messages or bytes ends and the next one begins: what is under way is bounded by whole rows. */
export const ROW_ENTRIES_MAX = 256
const ROW_BYTES_MAX = 65_536

/** A row in the making. */
export class EntryRow {
  /** Number of the last entry. */
  last = 0
  count = 0
  /** Entries, but of messages each. */
  #parts = 0
  readonly #row = new ByteBuffer()
  /** The last entry, if it takes more messages. */
  #run: MessageRun | null = null

  constructor() {
    this.#row.reserve(HEAD_BYTES)
    this.#row.bytes[0] = VERSION
  }

  get isFull(): boolean {
    return this.#parts >= ROW_ENTRIES_MAX || this.#row.length >= ROW_BYTES_MAX
  }

  /** Bytes that it takes on its way. */
  get bytes(): number {
    return this.#row.length - HEAD_BYTES
  }

  append(entry: Uint8Array): void {
    const at = this.#row.reserve(packedSize(entry.length))
    writeByteString(this.#row.bytes, at, entry)
    this.count++
    this.#parts++
    this.#run = null
  }

  /** A message, with those before it where they have as much in common. Names are ASCII; `members`: with spaces between. */
  appendMessage(
    conversation: string, from: string, seq: number, timeMs: number, members: string, text: Uint8Array, extensions: Uint8Array,
  ): void {
    let run = this.#run
    if (run === null || !run.takes(conversation, from, members, seq, timeMs)) {
      run = this.#run = beginMessages(this.#row, conversation, from, members, seq, timeMs)
      this.count++
    }
    run.append(seq, timeMs, text, extensions)
    this.#parts++
  }

  /** As it goes to the store, and out: views; nothing may be appended afterwards. */
  row(): Uint8Array {
    return this.#row.view()
  }

  entries(): Uint8Array {
    return this.#row.view().subarray(HEAD_BYTES)
  }
}

/** The entries of a row, packed; null: it is damaged. */
export function readRow(row: Uint8Array): Uint8Array | null {
  if (row[0] === VERSION_SINGLE) return packEntries([row])
  const entries = row.subarray(HEAD_BYTES)
  return row[0] === VERSION && countEntries(entries) > 0 ? entries : null
}

/** In the place of a damaged row: entries of which none can be read, so that those behind it keep their numbers. */
export function lostEntries(count: number): Uint8Array {
  return packEntries(Array.from({ length: count }, () => NO_ENTRY))
}
