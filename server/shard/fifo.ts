/** A queue on a ring that grows by doubling: constant-time push and shift, no `Array.shift`. */

/** Items of the first ring, a power of two. */
const SIZE_FIRST = 4
/** Shared by all that have no ring yet; never written to. */
const NO_ITEMS: undefined[] = []

export class Fifo<T> {
  #items: (T | undefined)[]
  #mask: number
  #head = 0
  #length = 0

  /** There is no ring before the first push: an idle session's queues never see one. */
  constructor() {
    this.#items = NO_ITEMS
    this.#mask = -1
  }

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length > this.#mask) this.#grow()
    this.#items[(this.#head + this.#length) & this.#mask] = item
    this.#length++
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head]
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head] = undefined
    this.#head = (this.#head + 1) & this.#mask
    this.#length--
    return item
  }

  * [Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#length; i++) yield this.#items[(this.#head + i) & this.#mask]!
  }

  #grow(): void {
    const grown = new Array<T | undefined>(Math.max(SIZE_FIRST, this.#items.length * 2)).fill(undefined)
    for (let i = 0; i < this.#length; i++) grown[i] = this.#items[(this.#head + i) & this.#mask]
    this.#items = grown
    this.#mask = grown.length - 1
    this.#head = 0
  }
}
