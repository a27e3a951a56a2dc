/**
 * The different words of many texts, each once and under a number: a hash table over their letters, so that no string is made for a word
 * that comes again. Most of what an index costs is this.
 */

/** Of the hash of a word, FNV-1a over its UTF-16 units: `Math.imul(hash ^ unit, HASH_FACTOR)` for each, from the seed on. */
export const HASH_SEED = 0x811c9dc5
export const HASH_FACTOR = 0x01000193
/** A prefix of so many letters of ASCII, with a number behind it, is exact in a double. */
const PREFIX_LETTERS = 5
const ASCII_LETTERS = 0x80
const ASCII_MAX = 0x7f

export class WordTable {
  /** Most words. */
  readonly #max: number
  /** Number of a word plus one; 0: free. At most half of them are taken. */
  #slots: Uint16Array
  #letters = new Uint16Array(4096)
  #size = 0
  /** Where each word ends in `letters`; it begins where the one before ends. */
  readonly #ends: Int32Array
  readonly #hashes: Int32Array
  /** Of all units. */
  #allUnits = 0

  /** @param max below 65,535 */
  constructor(max: number) {
    this.#max = max
    this.#slots = new Uint16Array(1024)
    this.#ends = new Int32Array(max)
    this.#hashes = new Int32Array(max)
  }

  /** Forgets all words, and keeps the memory for others. */
  clear(): void {
    this.#slots.fill(0)
    this.#size = 0
    this.#allUnits = 0
  }

  get size(): number {
    return this.#size
  }

  get isAscii(): boolean {
    return this.#allUnits <= ASCII_MAX
  }

  /** UTF-16 units of all words. */
  get units(): number {
    return this.#startOf(this.#size)
  }

  /** The number of the word with these first `count` units, `hash` as an int32: that of before, or the next one; -1: it is new and there is no room. */
  add(hash: number, units: Uint16Array, count: number): number {
    let slot = this.#slotOf(hash)
    for (let taken = this.#slots[slot]!; taken !== 0; taken = this.#slots[slot]!) {
      if (this.#hashes[taken - 1] === hash && this.#isSame(taken - 1, units, count)) return taken - 1
      slot = (slot + 1) & (this.#slots.length - 1)
    }
    if (this.#size >= this.#max) return -1
    this.#append(hash, units, count)
    this.#slots[slot] = this.#size
    if (this.#size * 2 > this.#slots.length) this.#grow()
    return this.#size - 1
  }

  word(number: number): string {
    return String.fromCharCode(...this.#letters.subarray(this.#startOf(number), this.#ends[number]))
  }

  /** Its letters; they stay what they are until the next word is added. */
  letters(number: number): Uint16Array {
    return this.#letters.subarray(this.#startOf(number), this.#ends[number])
  }

  /** The numbers in the order of their words, as strings are compared: by UTF-16 units. */
  sorted(): number[] {
    const compare = (one: number, other: number): number => this.#compare(one, other)
    if (!this.isAscii) return Array.from({ length: this.size }, (_, number) => number).sort(compare)
    const keys = this.#sortedKeys()
    const numbers: number[] = []
    for (const key of keys) numbers.push(key % this.#factor)
    // Words of the same beginning stand together, but by their numbers.
    for (let from = 0; from < numbers.length;) {
      const prefixEnd = keys[from]! - numbers[from]! + this.#factor
      let to = from + 1
      while (to < numbers.length && keys[to]! < prefixEnd) to++
      if (to - from > 1) {
        const same = numbers.slice(from, to).sort(compare)
        for (const [at, number] of same.entries()) numbers[from + at] = number
      }
      from = to
    }
    return numbers
  }

  get #factor(): number {
    return this.#max + 1
  }

  /** Beginning and number of each word in one number, which are sorted many times as fast as by a function. */
  #sortedKeys(): Float64Array {
    const keys = new Float64Array(this.size)
    for (let number = 0; number < keys.length; number++) {
      const start = this.#startOf(number)
      const end = this.#ends[number]!
      let prefix = 0
      for (let at = start; at < start + PREFIX_LETTERS; at++) prefix = prefix * ASCII_LETTERS + (at < end ? this.#letters[at]! : 0)
      keys[number] = prefix * this.#factor + number
    }
    return keys.sort()
  }

  #startOf(number: number): number {
    return number === 0 ? 0 : this.#ends[number - 1]!
  }

  #slotOf(hash: number): number {
    // Its low bits know little of the first letters.
    return (hash ^ (hash >>> 15)) & (this.#slots.length - 1)
  }

  #isSame(number: number, units: Uint16Array, count: number): boolean {
    const start = this.#startOf(number)
    if (this.#ends[number]! - start !== count) return false
    for (let at = 0; at < count; at++) if (this.#letters[start + at] !== units[at]) return false
    return true
  }

  #append(hash: number, units: Uint16Array, count: number): void {
    let end = this.units
    if (end + count > this.#letters.length) {
      const larger = new Uint16Array(Math.max(2 * this.#letters.length, end + count))
      larger.set(this.#letters)
      this.#letters = larger
    }
    for (let at = 0; at < count; at++) {
      this.#letters[end++] = units[at]!
      this.#allUnits |= units[at]!
    }
    this.#ends[this.#size] = end
    this.#hashes[this.#size] = hash
    this.#size++
  }

  #grow(): void {
    this.#slots = new Uint16Array(2 * this.#slots.length)
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#slotOf(this.#hashes[number]!)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = number + 1
    }
  }

  #compare(one: number, other: number): number {
    const oneStart = this.#startOf(one)
    const otherStart = this.#startOf(other)
    const oneLength = this.#ends[one]! - oneStart
    const otherLength = this.#ends[other]! - otherStart
    for (let at = 0; at < oneLength && at < otherLength; at++) {
      const difference = this.#letters[oneStart + at]! - this.#letters[otherStart + at]!
      if (difference !== 0) return difference
    }
    return oneLength - otherLength
  }
}
