/**
 * The event loop is everybody's: what searches and the index do with texts in one turn of it is bounded, for all of them together.
 * Work is counted in letters, which says as much as a clock and the same each time: of folded text that is not ASCII, ten or so take a
 * microsecond.
 */
import type { Scheduler } from '../shard/environment.js'
import { Fifo } from '../shard/fifo.js'

/** About a millisecond. */
const TURN_LETTERS = 10_000

export class WorkBudget {
  readonly #scheduler: Scheduler
  readonly #waiting = new Fifo<() => void>()
  #left = TURN_LETTERS
  #isRenewing = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** Whether to wait for `next` before more is done. */
  get isOver(): boolean {
    return this.#left <= 0
  }

  /** So much was done. */
  spend(letters: number): void {
    this.#left -= letters
    if (this.#left <= 0) this.#renew()
  }

  /** Resolves in a turn in which there is room; who waits has one after the other. */
  async next(): Promise<void> {
    while (this.isOver) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
  }

  #renew(): void {
    if (this.#isRenewing) return
    this.#isRenewing = true
    this.#scheduler.defer(() => {
      this.#isRenewing = false
      this.#left = TURN_LETTERS
      this.#waiting.shift()?.()
      if (this.#waiting.length > 0) this.#renew()
    })
  }
}
