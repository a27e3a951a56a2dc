/** Time, handed in so that tests can turn it. */
export interface Clock {
  /** Unix time in milliseconds; may jump when the machine's clock is set. */
  nowMs(): number
  /**
   * Whole milliseconds since some start; never runs backwards. For timeouts. A whole number lies in the object that keeps it, a
   * fraction in 16 bytes beside it, and every connection keeps five.
   */
  monotonicMs(): number
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
}
