/**
 * Entries one behind another, as they stand in a row of the store and in a frame of a link: each behind its length.
 *
 *     length   uint
 *     entry    see entries.ts
 */
import { uintSize, writeByteString } from '../../protocol/writer.js'

const LENGTH_BYTES_MAX = 5
/** Of a length that is written before it is known. */
export const WIDE_LENGTH_BYTES = 4

/** Walks over entries. Copies nothing: it shows where each begins and ends. */
export class PackedEntries {
  readonly bytes: Uint8Array
  /** Of the entry that `next` has come to. */
  start = 0
  end = 0
  #isMalformed = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Whether `next` stopped before the end, at what is no entry. */
  get isMalformed(): boolean {
    return this.#isMalformed
  }

  /** Goes on to the next entry; false: there is none. */
  next(): boolean {
    const { bytes } = this
    let at = this.end
    if (at === bytes.length) return false
    let length = 0
    let scale = 1
    for (let count = 0; ; count++) {
      const byte = bytes[at++]
      if (byte === undefined || count === LENGTH_BYTES_MAX) return this.#fail()
      length += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    if (length > bytes.length - at) return this.#fail()
    this.start = at
    this.end = at + length
    return true
  }

  #fail(): false {
    this.#isMalformed = true
    return false
  }
}

/** How many there are; -1: the bytes are no such entries. */
export function countEntries(bytes: Uint8Array): number {
  const entries = new PackedEntries(bytes)
  let count = 0
  while (entries.next()) count++
  return entries.isMalformed ? -1 : count
}

export function packEntries(entries: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(entries.reduce((bytes, entry) => bytes + packedSize(entry.length), 0))
  let at = 0
  for (const entry of entries) at = writeByteString(packed, at, entry)
  return packed
}

/** A length of up to 2^28 - 1, in so many bytes whatever it is. */
export function writeWideLength(bytes: Uint8Array, at: number, length: number): void {
  bytes[at] = (length & 0x7f) | 0x80
  bytes[at + 1] = ((length >>> 7) & 0x7f) | 0x80
  bytes[at + 2] = ((length >>> 14) & 0x7f) | 0x80
  bytes[at + 3] = length >>> 21
}

/** Bytes of an entry with its length. */
export function packedSize(bytes: number): number {
  return uintSize(bytes) + bytes
}
