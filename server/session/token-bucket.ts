/** A rate with a burst, without a timer: time is looked at only when it may matter. */
import type { Clock } from '../clock.js'

/** Tokens taken in advance of the rate by this much say that more is taken than the rate gives; a few at once do not. */
const AHEAD_MS = 100
/** Nothing taken yet. */
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
    // It was full until now, however long ago it was made.
    if (this.#filledMs === NEVER) this.#filledMs = clock.monotonicMs()
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

  /** What was taken was not needed. */
  giveBack(count: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + count)
  }

  /** How many milliseconds it takes until what was taken in advance is there; 0: nothing was. */
  waitMs(clock: Clock): number {
    if (this.#tokens >= 0) return 0
    this.#fill(clock)
    return this.#tokens >= 0 ? 0 : Math.ceil(-this.#tokens / this.#perMs)
  }

  /** Whether more than the rate of the last AHEAD_MS has been taken in advance. */
  isAboveRate(clock: Clock): boolean {
    const floor = this.#burst - this.#perMs * AHEAD_MS
    if (this.#tokens >= floor || this.#perMs === 0) return false
    this.#fill(clock)
    return this.#tokens < floor
  }

  /** Whether at least this share of the burst is there. */
  isFilledTo(share: number, clock: Clock): boolean {
    if (this.#perMs === 0) return true
    this.#fill(clock)
    return this.#tokens >= share * this.#burst
  }

  #fill(clock: Clock): void {
    const now = clock.monotonicMs()
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledMs) * this.#perMs)
    this.#filledMs = now
  }
}
