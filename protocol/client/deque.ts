/** A first-in, first-out queue over an array that is cut once half of it is spent: pushes and shifts cost the same however long it is. */

/** Shorter arrays are not worth the copy. */
const CUT_FROM = 64

export class Deque<T> {
  #items: T[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  peek(): T | undefined {
    return this.#items[this.#head]
  }

  shift(): T | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#head++
    if (this.#head >= CUT_FROM && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  /** Replaces the whole content. The array becomes the queue's. */
  reset(items: T[]): void {
    this.#items = items
    this.#head = 0
  }

  /** All items in order; a new array. */
  toArray(): T[] {
    return this.#items.slice(this.#head)
  }
}
