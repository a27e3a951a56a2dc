/**
 * Works through a list of the store, a page at a time with pauses between, and sleeps while there is nothing to do. One run at a time; what
 * began before the store failed has no say any more.
 */
import type { Entry } from '../../storage/engine.js'
import type { KeyRange } from '../../storage/engine.js'
import type { Shard } from '../shard/shard.js'

/** After the start: what was left from the life before can wait a moment. */
const FIRST_MS = 1000
/** Behind a wake: what comes within this goes together. */
const WAKE_MS = 50
const PAGE_ROWS = 64
const PAGE_PAUSE_MS = 20
/** Something could not be done: first and longest pause before it is tried again. */
const RETRY_FIRST_MS = 1000
const RETRY_MAX_MS = 300_000

/** What is to be done with a list. */
export interface ListWork {
  /** What it is called in the log. */
  readonly what: string
  /** What is due now, behind this key; null: from the beginning. */
  due(after: Uint8Array | null): KeyRange
  /**
   * Carries out what a page lists and takes it off the list. `isCurrent` has to be asked after every await, before anything is changed.
   * Returns false where something of it has to be tried again, later.
   */
  carryOut(page: readonly Entry[], isCurrent: () => boolean): Promise<boolean>
  /** Nothing is due: how long until something is, in ms; null: nothing is listed. */
  waitMs(): Promise<number | null>
}

export class ListSweep {
  readonly #shard: Shard
  readonly #work: ListWork
  /** Which run is the present one. */
  #run = 0
  /** Whether a run is under way or has a timer; and when that timer is due at the latest. */
  #isAwake = false
  #isRunning = false
  #wasWoken = false
  #retryMs = RETRY_FIRST_MS

  constructor(shard: Shard, work: ListWork) {
    this.#shard = shard
    this.#work = work
  }

  /** At the beginning, and when the store is back: whatever was under way is over. */
  start(): void {
    this.#run++
    this.#isRunning = false
    this.#later(FIRST_MS)
  }

  /** Something is listed, in the transaction that is open. */
  wake(): void {
    if (this.#isRunning) this.#wasWoken = true
    else if (!this.#isAwake) this.#later(WAKE_MS)
  }

  #later(pauseMs: number): void {
    if (this.#shard.isClosed) return
    this.#isAwake = true
    const run = this.#run
    this.#shard.environment.scheduler.after(pauseMs, () => { if (run === this.#run) this.#begin() })
  }

  #begin(): void {
    const run = this.#run
    // While the store is away it sleeps: it is started again when the store is back.
    if (!this.#shard.isAvailable) {
      this.#isAwake = false
      return
    }
    this.#isRunning = true
    this.#wasWoken = false
    const isCurrent = (): boolean => run === this.#run && this.#shard.isAvailable
    this.#pages(isCurrent).then((pauseMs) => {
      if (isCurrent()) this.#end(pauseMs)
    }, (error: unknown) => {
      if (!isCurrent()) return
      this.#shard.environment.log.warn({ err: error }, `${this.#work.what} can't go on yet`)
      this.#end(this.#backOff())
    })
  }

  #end(pauseMs: number | null): void {
    this.#isRunning = false
    this.#isAwake = false
    // What failed waits, whatever comes.
    if (this.#wasWoken && (pauseMs === null || this.#retryMs === RETRY_FIRST_MS)) this.#later(WAKE_MS)
    else if (pauseMs !== null) this.#later(pauseMs)
  }

  /** Returns how long to sleep; null: until it is woken. */
  async #pages(isCurrent: () => boolean): Promise<number | null> {
    // What woke it is on disk then.
    await this.#shard.committed()
    let isDone = true
    for (let after: Uint8Array | null = null; isCurrent();) {
      const page: readonly Entry[] = await this.#shard.reading(this.#shard.engine.range({ ...this.#work.due(after), limit: PAGE_ROWS }))
      if (!isCurrent()) return null
      if (page.length > 0 && !await this.#work.carryOut(page, isCurrent)) isDone = false
      if (page.length < PAGE_ROWS) break
      after = page.at(-1)?.[0] ?? null
      await new Promise<void>((resolve) => { this.#shard.environment.scheduler.after(PAGE_PAUSE_MS, resolve) })
    }
    if (!isDone) return this.#backOff()
    this.#retryMs = RETRY_FIRST_MS
    return isCurrent() ? this.#work.waitMs() : null
  }

  #backOff(): number {
    const pauseMs = this.#retryMs
    this.#retryMs = Math.min(2 * pauseMs, RETRY_MAX_MS)
    return pauseMs
  }
}
