/** A clock that jumps ahead when it is told to: the command `advance`. What is due by then is called at once. */
import type { Platform } from '../../protocol/client/driver.js'

interface Timer {
  readonly dueMs: number
  readonly callback: () => void
  handle: NodeJS.Timeout
}

export class AdjustableClock {
  readonly #base: Pick<Platform, 'nowMs'>
  readonly #timers = new Set<Timer>()
  #aheadMs = 0

  constructor(base: Pick<Platform, 'nowMs'>) {
    this.#base = base
  }

  get #nowMs(): number {
    return this.#base.nowMs() + this.#aheadMs
  }

  advance(byMs: number): void {
    this.#aheadMs += byMs
    for (const timer of this.#timers) {
      clearTimeout(timer.handle)
      timer.handle = this.#set(timer)
    }
  }

  platform(): Pick<Platform, 'nowMs' | 'setTimer' | 'clearTimer'> {
    return {
      nowMs: () => this.#nowMs,
      setTimer: (callback, delayMs) => {
        const timer: Omit<Timer, 'handle'> & { handle?: NodeJS.Timeout } = { dueMs: this.#nowMs + delayMs, callback }
        timer.handle = this.#set(timer)
        this.#timers.add(timer as Timer)
        return timer
      },
      clearTimer: (timer) => {
        clearTimeout((timer as Timer | null)?.handle)
        this.#timers.delete(timer as Timer)
      },
    }
  }

  #set(timer: Pick<Timer, 'dueMs' | 'callback'>): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timers.delete(timer as Timer)
      timer.callback()
    }, Math.max(0, timer.dueMs - this.#nowMs))
  }
}
