/** Walks over the records of a row of a log without an object for each, for who looks at many of them and keeps none. */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { ValueReader } from '../../storage/value.js'
import { recordsIn, VERSION_CHANGE, VERSION_OPERATION } from './log-run.js'

/** Device, outbox epoch, client id, previous seq. */
const OUTBOX_FIELDS = 4

/** The fields tell of the record that `next` has come to: whose it is, and what was written. */
export class LogHeads {
  readonly #reader: ValueReader
  readonly #version: number
  #left: number
  seq: number
  from = ''
  timeMs = 0
  /** Views of the row; empty where it is no message. */
  text: Uint8Array = EMPTY_BYTES
  extensions: Uint8Array = EMPTY_BYTES

  /** @param last from the row's key. Throws StorageError 'corrupt' for bytes that are no such row, as `next` does. */
  constructor(row: Uint8Array, last: number) {
    this.#reader = new ValueReader(row)
    this.#version = this.#reader.uint()
    this.#left = recordsIn(this.#version, this.#reader, last)
    this.seq = last - this.#left
  }

  /** Comes to the next record; false when there is none. */
  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    this.seq++
    const reader = this.#reader
    this.from = reader.name(this.from)
    if (this.#version !== VERSION_CHANGE) for (let fields = OUTBOX_FIELDS; fields > 0; fields--) reader.uint()
    this.timeMs = reader.time()
    if (this.#version === VERSION_CHANGE || this.#version === VERSION_OPERATION) return true
    this.text = reader.bytes()
    this.extensions = reader.bytes()
    return true
  }
}
