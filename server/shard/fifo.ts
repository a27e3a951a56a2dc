/** A queue on a ring that grows by doubling: constant-time push and shift, no `Array.shift`. */
export class Fifo<T> {
  #items: (T | undefined)[]
  #mask: number
  #head = 0
  #length = 0

  constructor(capacity = 16) {
    let size = 1
    while (size < capacity) size *= 2
    this.#items = new Array<T | undefined>(size).fill(undefined)
    this.#mask = size - 1
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

  #grow(): void {
    const grown = new Array<T | undefined>(this.#items.length * 2).fill(undefined)
    for (let i = 0; i < this.#length; i++) grown[i] = this.#items[(this.#head + i) & this.#mask]
    this.#items = grown
    this.#mask = grown.length - 1
    this.#head = 0
  }
}
