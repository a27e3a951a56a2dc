/** Waiting for anything to happen: whoever waits looks again at what it waits for. */
export class Signal {
  #waiting: (() => void)[] = []

  notify(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves when something happened, or at the deadline (`performance.now()`). */
  wait(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      // Where this process stood still its timers run first, and what came in time meanwhile is read behind them.
      const timer = setTimeout(() => { setImmediate(wake) }, Math.max(0, Math.min(deadlineMs - performance.now(), 2 ** 30)))
      function wake(): void {
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.push(wake)
    })
  }

  /** Looks until the answer is not null, or the deadline has passed: then null. */
  async until<T>(deadlineMs: number, look: () => T | null): Promise<T | null> {
    for (;;) {
      const found = look()
      if (found !== null) return found
      if (performance.now() >= deadlineMs) return null
      await this.wait(deadlineMs)
    }
  }
}
