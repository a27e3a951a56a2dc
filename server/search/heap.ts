/** A binary heap: the first of many, again and again, while what they are ordered by changes one at a time. */
export class Heap<T> {
  readonly #items: T[] = []
  readonly #comesBefore: (one: T, other: T) => boolean

  constructor(comesBefore: (one: T, other: T) => boolean) {
    this.#comesBefore = comesBefore
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    let at = this.#items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#comesBefore(item, this.#items[parent]!)) break
      this.#items[at] = this.#items[parent]!
      at = parent
    }
    this.#items[at] = item
  }

  /** The first one now comes later, or goes. */
  replaceFirst(item: T | null): void {
    const last = item ?? this.#items.pop()
    if (last === undefined || this.#items.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#items.length) break
      if (child + 1 < this.#items.length && this.#comesBefore(this.#items[child + 1]!, this.#items[child]!)) child++
      if (!this.#comesBefore(this.#items[child]!, last)) break
      this.#items[at] = this.#items[child]!
      at = child
    }
    this.#items[at] = last
  }
}
