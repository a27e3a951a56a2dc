/**
 * Where connections that open wait for the shard. When a node dies thousands come at once: all together they would make turns of the
 * event loop at the shard so long that it might lose its lease, each would have its answer only when all have, and those who give up
 * meanwhile and come again would have made work for nothing. So a few are worked on at a time. Who is further comes first, so that what
 * has been begun gets done; who has gone is not worked on at all.
 */

/** What waits: an account or a token to be looked up, or, authenticated, a place. */
export const OPENING_STEP = { authenticate: 0, bind: 1 } as const
export type OpeningStep = (typeof OPENING_STEP)[keyof typeof OPENING_STEP]

export class OpeningLine {
  readonly #max: number
  #underWay = 0
  /** By step; in the order in which they came. */
  readonly #waiting: readonly Map<object, () => void>[] = [new Map(), new Map()]

  /** @param max steps under way at one process; enough to fill commits and links: each takes the shard a tenth of a millisecond */
  constructor(max: number) {
    this.#max = max
  }

  get waiting(): number {
    return this.#waiting.reduce((sum, { size }) => sum + size, 0)
  }

  /** Performs when it is `who`'s turn, at once if there is room; settles as that does. Never settles once `who` has left. */
  pass<T>(who: object, step: OpeningStep, perform: () => Promise<T>): Promise<T> {
    if (this.#underWay < this.#max) return this.#perform(perform)
    return new Promise((resolve) => {
      this.#waiting[step]!.set(who, () => { resolve(this.#perform(perform)) })
    })
  }

  /** It waits no more. */
  leave(who: object): void {
    for (const line of this.#waiting) line.delete(who)
  }

  #perform<T>(perform: () => Promise<T>): Promise<T> {
    this.#underWay++
    return perform().finally(() => {
      this.#underWay--
      this.#next()
    })
  }

  #next(): void {
    const line = this.#waiting[OPENING_STEP.bind]!.size > 0 ? this.#waiting[OPENING_STEP.bind]! : this.#waiting[OPENING_STEP.authenticate]!
    for (const [who, begin] of line) {
      line.delete(who)
      begin()
      return
    }
  }
}
