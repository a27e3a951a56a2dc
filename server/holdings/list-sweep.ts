/**
 * Works through a list of the store, a page at a time with pauses between, and sleeps while there is nothing to do. One run at a time; what
 * began before the store failed has no say any more.
 */
import type { Entry, KeyRange } from '../../storage/engine.js'
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

/** What a sweep does: `waiting` for what is due later, which a wake for something earlier ends, or for what has failed, which nothing does. */
type SweepState = 'asleep' | 'soon' | 'running' | 'waiting' | 'failed'

export class ListSweep {
  readonly #shard: Shard
  readonly #work: ListWork
  #state: SweepState = 'asleep'
  /** Counts runs, timers and starts: what belongs to an earlier one has no say. */
  #turn = 0
  #wasWoken = false
  /** Until when it waits. */
  #waitsUntilMs = 0
  #retryMs = RETRY_FIRST_MS

  constructor(shard: Shard, work: ListWork) {
    this.#shard = shard
    this.#work = work
  }

  /**
   * At the beginning, and when the store fails or is back: whatever was under way is over. What is to run soon stays so: a store that fails
   * again and again would put it off for ever.
   */
  start(): void {
    this.#retryMs = RETRY_FIRST_MS
    if (this.#state !== 'soon') this.#later('soon', FIRST_MS)
  }

  /** Something is listed that is due then, in the transaction that is open. Where it looks again by then anyway, that is soon enough. */
  wake(dueMs: number): void {
    if (this.#state === 'running') this.#wasWoken = true
    else if (this.#state === 'asleep' || (this.#state === 'waiting' && dueMs < this.#waitsUntilMs)) this.#later('soon', WAKE_MS)
  }

  #later(state: SweepState, pauseMs: number): void {
    const turn = ++this.#turn
    this.#state = this.#shard.isClosed ? 'asleep' : state
    if (!this.#shard.isClosed) this.#shard.environment.scheduler.after(pauseMs, () => { if (turn === this.#turn) this.#run() })
  }

  #run(): void {
    // While the store is away it sleeps: it is started again when the store is back.
    if (!this.#shard.isAvailable) {
      this.#state = 'asleep'
      return
    }
    this.#state = 'running'
    this.#wasWoken = false
    const turn = ++this.#turn
    const isCurrent = (): boolean => turn === this.#turn && this.#shard.isAvailable
    this.#pages(isCurrent).then((isDone) => {
      if (!isDone && isCurrent()) this.#backOff()
    }, (error: unknown) => {
      if (!isCurrent()) return
      this.#shard.environment.log.warn({ err: error }, `${this.#work.what} can't go on yet`)
      this.#backOff()
    })
  }

  #backOff(): void {
    const pauseMs = this.#retryMs
    this.#retryMs = Math.min(2 * pauseMs, RETRY_MAX_MS)
    this.#later('failed', pauseMs)
  }

  /** false: something has to be tried again. Otherwise the sweep sleeps, or waits for what comes next. */
  async #pages(isCurrent: () => boolean): Promise<boolean> {
    // What woke it is on disk then.
    await this.#shard.committed()
    let isDone = true
    for (let after: Uint8Array | null = null; isCurrent();) {
      const page: readonly Entry[] = await this.#shard.reading(this.#shard.engine.range({ ...this.#work.due(after), limit: PAGE_ROWS }))
      if (!isCurrent()) return true
      if (page.length > 0 && !await this.#work.carryOut(page, isCurrent)) isDone = false
      if (page.length < PAGE_ROWS) break
      after = page.at(-1)?.[0] ?? null
      await new Promise<void>((resolve) => { this.#shard.environment.scheduler.after(PAGE_PAUSE_MS, resolve) })
    }
    if (!isDone || !isCurrent()) return isDone
    const waitMs = await this.#work.waitMs()
    if (!isCurrent()) return true
    this.#retryMs = RETRY_FIRST_MS
    if (this.#wasWoken) this.#later('soon', WAKE_MS)
    else if (waitMs !== null) {
      this.#waitsUntilMs = this.#shard.nowMs + waitMs
      this.#later('waiting', waitMs)
    } else this.#state = 'asleep'
    return true
  }
}
