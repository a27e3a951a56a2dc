/** When phones do what: seeded times at random, and the search for how many of them a server bears. Pure, apart from the clock given. */

/** Moments of a Poisson process: many people, none of whom knows of the others, do something at a known rate in sum. */
export class RandomTimes {
  readonly #meanMs: number
  readonly #random: () => number
  #nextMs: number

  constructor(perSecond: number, fromMs: number, random: () => number) {
    this.#meanMs = 1000 / perSecond
    this.#random = random
    this.#nextMs = fromMs + this.#pause()
  }

  /** The next moment that is not after `nowMs`, which then counts as over; null: none is due. */
  due(nowMs: number): number | null {
    const due = this.#nextMs
    if (due > nowMs) return null
    this.#nextMs = due + this.#pause()
    return due
  }

  #pause(): number {
    return -Math.log(1 - this.#random()) * this.#meanMs
  }
}

/**
 * The highest level for which `fits` holds, as far as it can be known in so many tries: doubles from `first` on, at most up to `max`,
 * and halves what is left between the last that fits and the first that does not. 0: not even the first.
 */
export async function highestLevel(
  { first, max, refinements }: { readonly first: number, readonly max: number, readonly refinements: number }, fits: (level: number) => Promise<boolean>,
): Promise<number> {
  let low = 0
  let high = first
  while (await fits(high)) {
    low = high
    if (high >= max) return high
    high = Math.min(max, 2 * high)
  }
  if (low === 0) return 0
  for (let n = 0; n < refinements; n++) {
    const middle = (low + high) / 2
    if (await fits(middle)) low = middle
    else high = middle
  }
  return low
}
