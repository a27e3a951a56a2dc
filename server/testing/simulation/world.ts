/** Virtual time, and the things that wait for it. Nothing runs by itself: the simulator takes one step after the other. */
import type { Clock, Scheduler } from '../../shard/environment.js'
import type { Random } from './random.js'

interface Task {
  readonly dueMs: number
  /** Of two that are due at once the earlier one comes first out of the heap. */
  readonly number: number
  readonly run: () => void
}

export class World implements Clock, Scheduler {
  readonly random: Random
  #nowMs = 1_767_225_600_000
  /** What the server's clock shows beside the truth: it may jump. */
  clockErrorMs = 0
  /** The latest time that it has shown. */
  latestMs = 0
  /** Those that are due, in no order; and a heap of the others, the next one in front. */
  readonly #due: Task[] = []
  readonly #later: Task[] = []
  #count = 0

  constructor(random: Random) {
    this.random = random
  }

  nowMs(): number {
    const shownMs = this.#nowMs + this.clockErrorMs
    if (shownMs > this.latestMs) this.latestMs = shownMs
    return shownMs
  }

  defer(run: () => void): void {
    this.after(0, run)
  }

  after(delayMs: number, run: () => void): void {
    const task = { dueMs: this.#nowMs + delayMs, number: ++this.#count, run }
    if (delayMs <= 0) this.#due.push(task)
    else pushTo(this.#later, task)
  }

  /** Whether anything waits that is due within this time. What a server does once in a while for ever is not waited for. */
  hasTasksWithin(ms: number): boolean {
    return this.#due.length > 0 || (this.#later[0]?.dueMs ?? Infinity) <= this.#nowMs + ms
  }

  /** Runs one task that is due, any of them; without one time passes to the next. */
  runTask(): void {
    if (this.#due.length === 0) {
      this.passTime(Math.max(0, (this.#later[0]?.dueMs ?? this.#nowMs) - this.#nowMs))
      return
    }
    const index = this.random.below(this.#due.length)
    const task = this.#due[index]
    const last = this.#due.pop()
    if (last !== undefined && last !== task) this.#due[index] = last
    task?.run()
  }

  passTime(ms: number): void {
    this.#nowMs += ms
    while ((this.#later[0]?.dueMs ?? Infinity) <= this.#nowMs) this.#due.push(popFrom(this.#later))
  }
}

// A binary heap: it had to be searched from end to end for each task, and a cluster has hundreds that wait.

function pushTo(heap: Task[], task: Task): void {
  let at = heap.push(task) - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    if (isBefore(heap[above]!, task)) break
    heap[at] = heap[above]!
    at = above
  }
  heap[at] = task
}

function popFrom(heap: Task[]): Task {
  const first = heap[0]!
  const task = heap.pop()!
  if (heap.length === 0) return first
  let at = 0
  for (;;) {
    let below = 2 * at + 1
    if (below >= heap.length) break
    if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++
    if (isBefore(task, heap[below]!)) break
    heap[at] = heap[below]!
    at = below
  }
  heap[at] = task
  return first
}

function isBefore(one: Task, other: Task): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.number < other.number)
}

/** Until every promise that can go on has gone on: nothing here waits for more than that, so that no turn of the event loop is needed. */
export function settle(): Promise<void> {
  return new Promise((resolve) => { process.nextTick(resolve) })
}
