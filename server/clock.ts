/** Time, handed in so that tests can turn it. */
export interface Clock {
  /** Unix time in milliseconds; may jump when the machine's clock is set. */
  nowMs(): number
  /** Milliseconds since some start; never runs backwards. For timeouts. */
  monotonicMs(): number
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
}
