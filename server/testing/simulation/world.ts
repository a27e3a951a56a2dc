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
    const due = this.#tasks.filter((task) => task.dueMs <= this.#nowMs)
    if (due.length === 0) {
      if (this.#tasks.length > 0) this.#nowMs = Math.min(...this.#tasks.map((task) => task.dueMs))
      return
    }
    const task = this.random.pick(due)
    this.#tasks.splice(this.#tasks.indexOf(task), 1)
    task.run()
  }

  passTime(ms: number): void {
    this.#nowMs += ms
  }
}

/** Until every promise that can go on has gone on: nothing here waits for more than that, so that no turn of the event loop is needed. */
export function settle(): Promise<void> {
  return new Promise((resolve) => { process.nextTick(resolve) })
}
