/**
 * How fast all uploads together may be. Each takes cores and disk that messages need, too, and a lower priority alone does not keep them from
 * being late: there is always an upload that runs when one of them is due.
 */

/** What a second may bring may also come at once. */
const BURST_MS = 1000

export class UploadPace {
  readonly #bytesPerMs: number
  readonly #nowMs: () => number
  /** When all that has come so far would have come at this rate; behind a burst. */
  #paidMs = -Infinity

  /** `bytesPerSecond`: 0: however fast. `nowMs`: some clock that only goes forwards. */
  constructor(bytesPerSecond: number, nowMs: () => number) {
    this.#bytesPerMs = bytesPerSecond / 1000
    this.#nowMs = nowMs
  }

  /** These bytes have come; their upload rests for so many milliseconds before more of it is read. First come, first served. */
  rest(bytes: number): number {
    if (this.#bytesPerMs === 0) return 0
    const nowMs = this.#nowMs()
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + bytes / this.#bytesPerMs
    return Math.max(0, this.#paidMs - nowMs)
  }
}
