/** A rate with a burst, without a timer: time is looked at only when the bucket is empty. */
import type { Clock } from '../clock.js'

/** The clock need not be read for a bucket that is made and perhaps never emptied. */
const NEVER = -1

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #filledMs: number

  /** `perSecond` 0: no limit. The bucket begins full. */
  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
    this.#filledMs = NEVER
  }

  /** Takes `count` tokens, also when that many are not there: then it returns how many milliseconds they take to come; else 0. */
  take(count: number, clock: Clock): number {
    if (this.#perMs === 0) return 0
    if (this.#tokens < count) this.#fill(clock)
    this.#tokens -= count
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs)
  }

  /** Takes `count` tokens if they are there and returns 0; else takes none and returns when they will be. */
  tryTake(count: number, clock: Clock): number {
    const waitMs = this.take(count, clock)
    if (waitMs > 0) this.#tokens += count
    return waitMs
  }

  /** Whether at least this share of the burst is there. */
  isFilledTo(share: number, clock: Clock): boolean {
    if (this.#perMs === 0) return true
    this.#fill(clock)
    return this.#tokens >= share * this.#burst
  }

  #fill(clock: Clock): void {
    const now = clock.monotonicMs()
    // It was full when it began: what came in before the first look at the clock is not given twice.
    if (this.#filledMs !== NEVER) this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledMs) * this.#perMs)
    this.#filledMs = now
  }
}
