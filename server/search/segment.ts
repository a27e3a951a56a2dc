/**
 * A segment: the words of SEGMENT_MESSAGES consecutive messages of one conversation, and which of them hold each. It is one row, so that
 * a message costs its share of one write; it is a whole, so that it is there or it is not, and can be made again from the log at any time.
 * Segments begin at fixed seqs (1, 257, 513 …): nobody has to remember how far the index has come.
 *
 *     byte     1, the version
 *     6 bytes  time of the first message that is kept, in ms
 *     32 bytes messages whose words did not all find room: they may hold anything
 *     4 bytes  number of words
 *     4 bytes  for each word, in their order: where it stands
 *     each     length, word in UTF-8; then a byte n up to POSTINGS_MAX and n places, or BITMAP and 32 bytes
 *
 * A place is seq - first, one byte; a set of places is 256 bits.
 */
import { StorageError } from '../../storage/engine.js'
import type { WordQuery } from './words.js'

/** Places fit into a byte. */
export const SEGMENT_MESSAGES = 256
const SET_BYTES = SEGMENT_MESSAGES / 8
/** Words of one segment; prose has a tenth of it. Keeps the row below a megabyte, whatever people write. */
export const SEGMENT_WORDS_MAX = 8192

const VERSION = 1
const POSTINGS_MAX = SET_BYTES
const BITMAP = 0xff
const HEAD_BYTES = 1 + 6 + SET_BYTES + 4
const OFFSET_BYTES = 4
/** No word begins so; the sender is found like a word. */
const SENDER = '@'

/** The last seq of the segment that holds this one. */
export function segmentEnd(seq: number): number {
  return Math.ceil(seq / SEGMENT_MESSAGES) * SEGMENT_MESSAGES
}

/** Gathers what goes into one segment. */
export class SegmentBuilder {
  readonly #places = new Map<string, number[]>()
  readonly #overflow = new Uint8Array(SET_BYTES)
  #firstTimeMs = 0

  /** Messages come ascending. */
  add(place: number, from: string, timeMs: number, words: Iterable<string>): void {
    if (this.#firstTimeMs === 0) this.#firstTimeMs = timeMs
    this.#addWord(place, SENDER + from)
    for (const word of words) this.#addWord(place, word)
  }

  #addWord(place: number, word: string): void {
    const places = this.#places.get(word)
    if (places !== undefined) places.push(place)
    else if (this.#places.size < SEGMENT_WORDS_MAX) this.#places.set(word, [place])
    else setBit(this.#overflow, place)
  }

  /** The row. */
  take(): Uint8Array {
    const words = [...this.#places.keys()].sort()
    const parts = words.map((word) => encodeWord(word, this.#places.get(word) ?? []))
    const offsets = Buffer.allocUnsafe(words.length * OFFSET_BYTES)
    let at = HEAD_BYTES + offsets.length
    for (const [index, part] of parts.entries()) {
      offsets.writeUInt32BE(at, index * OFFSET_BYTES)
      at += part.length
    }
    const head = Buffer.alloc(HEAD_BYTES)
    head[0] = VERSION
    head.writeUIntBE(this.#firstTimeMs, 1, 6)
    head.set(this.#overflow, 7)
    head.writeUInt32BE(words.length, 7 + SET_BYTES)
    return Buffer.concat([head, offsets, ...parts])
  }
}

function encodeWord(word: string, places: readonly number[]): Buffer {
  const text = Buffer.from(word)
  if (places.length <= POSTINGS_MAX) return Buffer.concat([Buffer.of(text.length), text, Buffer.of(places.length, ...places)])
  const set = new Uint8Array(SET_BYTES)
  for (const place of places) setBit(set, place)
  return Buffer.concat([Buffer.of(text.length), text, Buffer.of(BITMAP), set])
}

/** A row, ready to be asked. Throws StorageError 'corrupt' for bytes that are no such row. */
export class Segment {
  readonly firstTimeMs: number
  readonly #row: Buffer
  readonly #count: number

  constructor(row: Uint8Array) {
    this.#row = Buffer.from(row.buffer, row.byteOffset, row.byteLength)
    if (row.length < HEAD_BYTES || row[0] !== VERSION) throw corrupt()
    this.firstTimeMs = this.#row.readUIntBE(1, 6)
    this.#count = this.#row.readUInt32BE(7 + SET_BYTES)
    if (HEAD_BYTES + this.#count * OFFSET_BYTES > row.length) throw corrupt()
  }

  /** Places of messages that may match, descending. They have to be looked at: a message may have changed, or hold words that found no room. */
  candidates({ words, prefix }: WordQuery, from: string | undefined): number[] {
    const found = this.#union(prefix)
    for (const word of from === undefined ? words : [...words, SENDER + from]) {
      const set = new Uint8Array(SET_BYTES)
      const index = this.#lowerBound(word)
      if (index < this.#count && this.#wordAt(index).word === word) this.#addPlaces(index, set)
      for (let byte = 0; byte < SET_BYTES; byte++) found[byte]! &= set[byte]!
    }
    const places: number[] = []
    for (let place = SEGMENT_MESSAGES - 1; place >= 0; place--) {
      const mask = 1 << (place & 7)
      if (((found[place >> 3]! | this.#row[7 + (place >> 3)]!) & mask) !== 0) places.push(place)
    }
    return places
  }

  /** Of all words that begin so. */
  #union(prefix: string): Uint8Array {
    const set = new Uint8Array(SET_BYTES)
    for (let index = this.#lowerBound(prefix); index < this.#count && this.#wordAt(index).word.startsWith(prefix); index++) {
      this.#addPlaces(index, set)
    }
    return set
  }

  /** Index of the first word that is not below this one. */
  #lowerBound(word: string): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#wordAt(middle).word < word) low = middle + 1
      else high = middle
    }
    return low
  }

  #wordAt(index: number): { readonly word: string; readonly end: number } {
    const at = this.#row.readUInt32BE(HEAD_BYTES + index * OFFSET_BYTES)
    const length = this.#row[at]
    if (length === undefined || at + 1 + length >= this.#row.length) throw corrupt()
    const end = at + 1 + length
    return { word: this.#row.toString('utf8', at + 1, end), end }
  }

  #addPlaces(index: number, set: Uint8Array): void {
    const { end } = this.#wordAt(index)
    const count = this.#row[end]!
    const size = count === BITMAP ? SET_BYTES : count
    if (end + 1 + size > this.#row.length || (count !== BITMAP && count > POSTINGS_MAX)) throw corrupt()
    for (let at = 0; at < size; at++) {
      const byte = this.#row[end + 1 + at]!
      if (count === BITMAP) set[at]! |= byte
      else setBit(set, byte)
    }
  }
}

function setBit(set: Uint8Array, place: number): void {
  set[place >> 3]! |= 1 << (place & 7)
}

function corrupt(): StorageError {
  return new StorageError('corrupt', 'a row of the search index is damaged')
}
