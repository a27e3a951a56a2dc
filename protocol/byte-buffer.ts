/** Frames or records one behind another in one piece of memory that grows: what a turn has to say to one peer, a row of many entries. */
import { allocate, EMPTY_BYTES } from './bytes.js'

export class ByteBuffer {
  /** Memory for `length` bytes and, once it has grown, for more. Another one after each growth: ask for it anew. */
  bytes: Uint8Array
  /** Bytes written. */
  length: number

  constructor() {
    this.bytes = EMPTY_BYTES
    this.length = 0
  }

  /** So many bytes are to come: where nothing has been written yet, just this much memory is taken for them. */
  expect(size: number): void {
    if (this.length === 0 && this.bytes.length < size) this.bytes = allocate(size)
  }

  /** Makes room for `size` bytes, all of which the caller writes; returns where they begin in `bytes`. */
  reserve(size: number): number {
    const start = this.length
    const end = start + size
    if (end > this.bytes.length) this.#grow(end)
    this.length = end
    return start
  }

  /** Copies. */
  append(bytes: Uint8Array): void {
    const start = this.reserve(bytes.length)
    this.bytes.set(bytes, start)
  }

  /** What was written: a view, and no copy. It holds as long as nobody writes over it: more only ever comes behind it. */
  view(): Uint8Array {
    return this.length === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.length)
  }

  /** The first gets just what it needs, since most stand alone; with the second it doubles. */
  #grow(needed: number): void {
    const grown = allocate(this.length === 0 ? needed : Math.max(needed, 2 * this.bytes.length))
    if (this.length > 0) grown.set(this.length === this.bytes.length ? this.bytes : this.bytes.subarray(0, this.length))
    this.bytes = grown
  }
}
