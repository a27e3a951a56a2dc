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
import { isAscii } from 'node:buffer'
import { LIMIT } from '../../protocol/generated/registry.js'
import { decodeText } from '../../protocol/utf8.js'
import { StorageError } from '../../storage/engine.js'
import { Postings, setBit } from './postings.js'
import { HASH_FACTOR, HASH_SEED, WordTable } from './word-table.js'
import { ASCII_SHARE, fold, lettersOf, WORD_LETTERS_MAX, type WordQuery, wordsOfFolded } from './words.js'

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
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3
/** No word begins so; the sender is found like a word. */
const SENDER = '@'
const SENDER_UNITS_MAX = SENDER.length + LIMIT.addressBytesMax

/** The last seq of the segment that holds this one. */
export function segmentEnd(seq: number): number {
  return Math.ceil(seq / SEGMENT_MESSAGES) * SEGMENT_MESSAGES
}

/** By byte of ASCII: the letter or digit as it is folded; 0: it is neither. */
const FOLDED_ASCII = Uint8Array.from({ length: 0x80 }, (_, byte) => {
  const letter = String.fromCharCode(byte).toLowerCase()
  return /[a-z0-9]/.test(letter) ? letter.charCodeAt(0) : 0
})

/** Gathers what goes into one segment, and then into the next. */
export class SegmentBuilder {
  readonly #words = new WordTable(SEGMENT_WORDS_MAX)
  readonly #postings = new Postings()
  readonly #overflow = new Uint8Array(SET_BYTES)
  /** The word that is being read. */
  readonly #units = new Uint16Array(Math.max(WORD_LETTERS_MAX, SENDER_UNITS_MAX))
  #firstTimeMs = 0
  #place = 0
  /** Of the message before, whose word is known then. */
  #from = ''
  #fromNumber = 0

  /** A message; they come ascending. */
  begin(place: number, from: string, timeMs: number): void {
    this.#place = place
    if (this.#firstTimeMs === 0) this.#firstTimeMs = timeMs
    if (from !== this.#from) {
      this.#from = from
      this.#fromNumber = this.#numberOf(SENDER + from)
    }
    this.#note(this.#fromNumber)
  }

  /** Its text, or one that it was edited to, in UTF-8. Returns what it takes to look through it, in letters that are not ASCII. */
  text(text: Uint8Array): number {
    if (isAscii(text)) {
      this.#addAscii(text)
      return Math.ceil(text.length / ASCII_SHARE)
    }
    const folded = fold(decodeText(text) ?? '')
    for (const word of wordsOfFolded(folded)) this.#note(this.#numberOf(word))
    return lettersOf(folded)
  }

  /** Most texts there are: folded and cut into words in one pass over their bytes. */
  #addAscii(text: Uint8Array): void {
    const units = this.#units
    let count = 0
    let length = 0
    let hash = HASH_SEED
    for (let at = 0; at <= text.length; at++) {
      const unit = at < text.length ? FOLDED_ASCII[text[at]!]! : 0
      if (unit !== 0) {
        if (length >= WORD_LETTERS_MAX) continue
        units[length++] = unit
        hash = Math.imul(hash ^ unit, HASH_FACTOR)
      } else if (length > 0) {
        if (this.#note(this.#words.add(hash, units, length)) && ++count >= LIMIT.searchMessageWordsMax) return
        length = 0
        hash = HASH_SEED
      }
    }
  }

  #numberOf(word: string): number {
    let hash = HASH_SEED
    for (let at = 0; at < word.length; at++) {
      const unit = this.#units[at] = word.charCodeAt(at)
      hash = Math.imul(hash ^ unit, HASH_FACTOR)
    }
    return this.#words.add(hash, this.#units, word.length)
  }

  /** false: the message is known to hold the word. */
  #note(number: number): boolean {
    if (number >= 0) return this.#postings.add(number, this.#place)
    setBit(this.#overflow, this.#place)
    return true
  }

  /** The row; what comes now is another segment's. */
  take(): Uint8Array {
    const count = this.#words.size
    const headBytes = HEAD_BYTES + count * OFFSET_BYTES
    const row = Buffer.allocUnsafe(headBytes + this.#bytesMax())
    row[0] = VERSION
    row.writeUIntBE(this.#firstTimeMs, 1, 6)
    row.set(this.#overflow, 7)
    row.writeUInt32BE(count, 7 + SET_BYTES)
    let at = headBytes
    for (const [index, number] of this.#words.sorted().entries()) {
      row.writeUInt32BE(at, HEAD_BYTES + index * OFFSET_BYTES)
      at = this.#writePlaces(row, this.#writeWord(row, at, number), number)
    }
    this.clear()
    // No more than it needs, for it stays until it is committed.
    return at === row.length ? row : Uint8Array.prototype.slice.call(row, 0, at)
  }

  /** Forgets what was gathered. */
  clear(): void {
    this.#postings.clear(this.#words.size)
    this.#words.clear()
    this.#overflow.fill(0)
    this.#firstTimeMs = 0
    this.#from = ''
  }

  /** Of words and places; exact where all is ASCII. */
  #bytesMax(): number {
    let bytes = this.#words.units * (this.#words.isAscii ? 1 : UTF8_BYTES_MAX)
    for (let number = 0; number < this.#words.size; number++) bytes += 2 + Math.min(this.#postings.size(number), SET_BYTES)
    return bytes
  }

  /** Returns where it ends. */
  #writeWord(row: Buffer, at: number, number: number): number {
    if (!this.#words.isAscii) {
      const length = row.write(this.#words.word(number), at + 1, 'utf8')
      row[at] = length
      return at + 1 + length
    }
    const letters = this.#words.letters(number)
    row[at] = letters.length
    row.set(letters, at + 1)
    return at + 1 + letters.length
  }

  /** Returns where they end. */
  #writePlaces(row: Buffer, at: number, number: number): number {
    const count = this.#postings.size(number)
    if (count <= POSTINGS_MAX) {
      row[at] = count
      return this.#postings.write(number, row, at + 1)
    }
    row[at] = BITMAP
    this.#postings.mark(number, row.subarray(at + 1, at + 1 + SET_BYTES).fill(0))
    return at + 1 + SET_BYTES
  }
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

function corrupt(): StorageError {
  return new StorageError('corrupt', 'a row of the search index is damaged')
}
