/** Virtual time, and the things that wait for it. Nothing runs by itself: the simulator takes one step after the other. */
import type { Clock, Scheduler } from '../../shard/environment.js'
import type { Random } from './random.js'

interface Task {
  readonly dueMs: number
  readonly run: () => void
}

export class World implements Clock, Scheduler {
  readonly random: Random
  #nowMs = 1_767_225_600_000
  /** What the server's clock shows beside the truth: it may jump. */
  clockErrorMs = 0
  /** The latest time that it has shown. */
  latestMs = 0
  readonly #tasks: Task[] = []

  constructor(random: Random) {
    this.random = random
  }

  nowMs(): number {
    const shownMs = this.#nowMs + this.clockErrorMs
    if (shownMs > this.latestMs) this.latestMs = shownMs
    return shownMs
  }

  defer(run: () => void): void {
    this.#tasks.push({ dueMs: this.#nowMs, run })
  }

  after(delayMs: number, run: () => void): void {
    this.#tasks.push({ dueMs: this.#nowMs + delayMs, run })
  }

  /** Whether anything waits that is due within this time. What a server does once in a while for ever is not waited for. */
  hasTasksWithin(ms: number): boolean {
    return this.#tasks.some((task) => task.dueMs <= this.#nowMs + ms)
  }

  /** Runs one task that is due, any of them; without one time passes to the next. */
  runTask(): void {
    let dueCount = 0
    let nextMs = Infinity
    for (const { dueMs } of this.#tasks) {
      if (dueMs <= this.#nowMs) dueCount++
      if (dueMs < nextMs) nextMs = dueMs
    }
    if (dueCount === 0) {
      if (this.#tasks.length > 0) this.#nowMs = nextMs
      return
    }
    let left = this.random.below(dueCount)
    const index = this.#tasks.findIndex(({ dueMs }) => dueMs <= this.#nowMs && left-- === 0)
    const [task] = this.#tasks.splice(index, 1)
    task?.run()
  }

  passTime(ms: number): void {
    this.#nowMs += ms
  }
}

/** Until every promise that can go on has gone on: nothing here waits for more than that, so that no turn of the event loop is needed. */
export function settle(): Promise<void> {
  return new Promise((resolve) => { process.nextTick(resolve) })
}
