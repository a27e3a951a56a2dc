/** A seeded generator (mulberry32, Tommy Ettinger, public domain): the same seed gives the same run, on every machine. */
export class Random {
  #state = 0

  constructor(seed: number) {
    this.reseed(seed)
  }

  /** Goes on as a generator made with this seed, and this number of a step, would begin. */
  reseed(seed: number, step = 0): void {
    this.#state = (seed ^ Math.imul(step, 0x9e3779b1)) >>> 0
  }

  /** 32 random bits. */
  next32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let bits = this.#state
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return (bits ^ (bits >>> 14)) >>> 0
  }

  /** An integer from 0 up to, without, `bound`. */
  below(bound: number): number {
    return Math.floor(this.next32() / 2 ** 32 * bound)
  }

  chance(probability: number): boolean {
    return this.next32() < probability * 2 ** 32
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }
}
