/**
 * Deadlines that all lie the same time ahead: the order in which they were set is the order in which they pass, so that looking for
 * those that have passed costs nothing for those that have not, and nobody needs a timer of its own.
 */
export class DeadlineQueue<T> {
  readonly #delayMs: number
  /** A Map remembers the order of insertion. */
  readonly #deadlines = new Map<T, number>()

  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  get size(): number {
    return this.#deadlines.size
  }

  /** Sets the item's deadline to `delayMs` from now, in place of the one it had. */
  set(item: T, nowMs: number): void {
    this.#deadlines.delete(item)
    this.#deadlines.set(item, nowMs + this.#delayMs)
  }

  delete(item: T): void {
    this.#deadlines.delete(item)
  }

  /** Takes out the items whose deadline has passed, one after another. An item that is set again meanwhile waits its full time. */
  * passed(nowMs: number): Generator<T> {
    for (const [item, deadline] of this.#deadlines) {
      if (deadline > nowMs) return
      this.#deadlines.delete(item)
      yield item
    }
  }
}
