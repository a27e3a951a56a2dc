/** Time that tests turn: deferred tasks run in later turns of the real event loop, timers when `pass` reaches them. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Scheduler } from '../shard/environment.js'

/** Idle turns of the event loop after which nothing more is on its way; an engine in memory needs none. */
const IDLE_TURNS = 3

interface Timer {
  readonly dueMs: number
  readonly run: () => void
  readonly isAlive: () => boolean
}

export class TestTime {
  nowMs = 1_767_225_600_000
  #deferred = 0
  #timers: Timer[] = []
  #elapsedMs = 0

  /** Timers of a process that is dead do nothing. */
  scheduler(isAlive: () => boolean): Scheduler {
    return {
      defer: (run) => {
        this.#deferred++
        setImmediate(() => {
          this.#deferred--
          run()
        })
      },
      after: (delayMs, run) => { this.#timers.push({ dueMs: this.#elapsedMs + delayMs, run, isAlive }) },
    }
  }

  /** Tasks and reads that are due have run; timers have not. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < IDLE_TURNS;) {
      await turn()
      idle = this.#deferred === 0 ? idle + 1 : 0
    }
  }

  /** Time passes, for the clock and for timers, one after the other. */
  async pass(ms: number): Promise<void> {
    await this.settle()
    const endMs = this.#elapsedMs + ms
    for (;;) {
      this.#timers = this.#timers.filter(({ isAlive }) => isAlive())
      const due = this.#timers.filter((timer) => timer.dueMs <= endMs).sort((one, other) => one.dueMs - other.dueMs)[0]
      if (due === undefined) break
      this.#timers.splice(this.#timers.indexOf(due), 1)
      this.#advance(Math.max(due.dueMs, this.#elapsedMs))
      due.run()
      await this.settle()
    }
    this.#advance(endMs)
  }

  #advance(elapsedMs: number): void {
    this.nowMs += elapsedMs - this.#elapsedMs
    this.#elapsedMs = elapsedMs
  }
}
