/**
 * Which messages of a segment hold each of its words: chains in arrays that are used again for the next segment, for an array for each
 * word would be most of what is allocated for an index.
 */

const FEW = 1024

export class Postings {
  #count = 0
  /** Of each posting: its place, and the number of the next one of the same word; 0: it is the last. Posting 0 is none. */
  #places = new Uint8Array(FEW)
  #next = new Int32Array(FEW)
  /** Of each word: its first posting and its last, and how many there are. */
  #first = new Int32Array(FEW)
  #last = new Int32Array(FEW)
  #sizes = new Int32Array(FEW)

  /** The word is in the message at this place; places of a word come ascending. false: that was known. A new word has the next number. */
  add(word: number, place: number): boolean {
    if (word >= this.#sizes.length) this.#growWords()
    const last = this.#last[word]!
    if (last !== 0 && this.#places[last] === place) return false
    const posting = ++this.#count
    if (posting >= this.#places.length) this.#growPostings()
    this.#places[posting] = place
    this.#next[posting] = 0
    if (last === 0) this.#first[word] = posting
    else this.#next[last] = posting
    this.#last[word] = posting
    this.#sizes[word]!++
    return true
  }

  /** How many messages hold the word. */
  size(word: number): number {
    return this.#sizes[word]!
  }

  /** Writes the places of the word, a byte each. Returns where they end. */
  write(word: number, row: Uint8Array, at: number): number {
    for (let posting = this.#first[word]!; posting !== 0; posting = this.#next[posting]!) row[at++] = this.#places[posting]!
    return at
  }

  /** Sets a bit for each place of the word. */
  mark(word: number, set: Uint8Array): void {
    for (let posting = this.#first[word]!; posting !== 0; posting = this.#next[posting]!) setBit(set, this.#places[posting]!)
  }

  /** Forgets all of so many words. */
  clear(words: number): void {
    this.#count = 0
    this.#first.fill(0, 0, words)
    this.#last.fill(0, 0, words)
    this.#sizes.fill(0, 0, words)
  }

  #growWords(): void {
    this.#first = doubled(this.#first)
    this.#last = doubled(this.#last)
    this.#sizes = doubled(this.#sizes)
  }

  #growPostings(): void {
    const places = new Uint8Array(2 * this.#places.length)
    places.set(this.#places)
    this.#places = places
    this.#next = doubled(this.#next)
  }
}

export function setBit(set: Uint8Array, place: number): void {
  set[place >> 3]! |= 1 << (place & 7)
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length)
  larger.set(array)
  return larger
}
