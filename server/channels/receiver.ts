/**
 * The taking end of a channel: which entries were taken up, have taken effect, and are on disk with their effects. Pure.
 *
 *     stored ≤ applied ≤ taken
 */
export class Receiver {
  #taken: number
  #applied: number
  #stored: number

  /** @param cursor as it is found on disk */
  constructor(cursor: number) {
    this.#taken = this.#applied = this.#stored = cursor
  }

  /** Number of the last entry that has taken effect, at least in the open transaction. */
  get applied(): number {
    return this.#applied
  }

  /** Up to here everything is on disk: what may be confirmed. */
  get stored(): number {
    return this.#stored
  }

  /**
   * Entries from `first` on have come. Returns how many of them are known already, and takes the others up, which have to take effect in
   * their order; null: something is missing before them, so that they have to come again.
   */
  take(first: number, count: number): number | null {
    if (first > this.#taken + 1) return null
    const known = Math.min(count, this.#taken - first + 1)
    this.#taken += count - known
    return known
  }

  /** The next entry has taken effect in the open transaction, which has to write its number. Returns that. */
  apply(): number {
    return ++this.#applied
  }

  /** A transaction that holds the effects up to this entry is on disk. */
  store(number: number): void {
    this.#stored = number
  }
}
