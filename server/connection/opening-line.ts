/**
 * Where connections that open wait for their user's shard. When a node dies thousands come at once: all together they would make turns of the
 * event loop at the shard so long that it might lose its lease, each would have its answer only when all have, and those who give up
 * meanwhile and come again would have made work for nothing. So a few are worked on at a time. Who is further comes first, so that what
 * has been begun gets done; who has gone is not worked on at all. Each shard has a line of its own: one that is away holds up nobody who is
 * at home elsewhere.
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

/** The lines of all shards. */
export class OpeningLines {
  readonly #lines: readonly OpeningLine[]

  /** @param max steps under way at all shards together; each has an equal part of them */
  constructor(max: number, shards: number) {
    this.#lines = Array.from({ length: shards }, () => new OpeningLine(Math.ceil(max / shards)))
  }

  get waiting(): number {
    return this.#lines.reduce((sum, { waiting }) => sum + waiting, 0)
  }

  /** In the line of this shard; see OpeningLine. */
  pass<T>(shard: number, who: object, step: OpeningStep, perform: () => Promise<T>): Promise<T> {
    return this.#lines[shard]!.pass(who, step, perform)
  }

  /** It waits no more, in whichever line it did. */
  leave(who: object): void {
    for (const line of this.#lines) line.leave(who)
  }
}
