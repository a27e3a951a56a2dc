/**
 * The worker processes of a server: each has a place, and one that dies is started anew at the same place. They share the listening
 * sockets (node:cluster gives each new connection to the next worker). One at a time in a process: node:cluster has one.
 */
import cluster, { type Worker } from 'node:cluster'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import { RepeatedLines } from '../repeated-lines.js'
import { CounterSum } from './counter-sum.js'
import { errorOfFailure } from './failure.js'
import { heapOptions } from './worker-heap.js'
import type { FromWorker, ToWorker, WorkerOrder } from './messages.js'

/** A worker that dies sooner than this after its start is started anew later each time. */
const STABLE_MS = 10_000
const RESTART_MS_FIRST = 100
const RESTART_MS_MAX = 5000
/** Beyond the time that clients get. */
const STOP_GRACE_MS = 5000

export interface WorkerPoolOptions {
  readonly count: number
  /** What calls `runWorker`. */
  readonly program: string
  /** What the worker at this place is to do; `starts` counts all starts of workers, from 1. */
  readonly order: (place: number, starts: number) => WorkerOrder
  /** Has what all of them count on top of its own. */
  readonly counters: Counters
  readonly drainTimeoutMs: number
  readonly log: Log
  /** What a worker says of its shard, and (null) that it is gone. */
  readonly shardTold?: (place: number, message: FromWorker & { kind: 'shard' } | null) => void
}

export class WorkerPool {
  readonly #options: WorkerPoolOptions
  readonly #sum: CounterSum
  readonly #lines: RepeatedLines
  readonly #workers = new Set<Worker>()
  /** Those that have seen their clients off. */
  readonly #drained = new Set<Worker>()
  #starts = 0
  /** By place. */
  readonly #restartMs: number[]
  #isStopping = false
  #isClosing = false

  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.#sum = new CounterSum(options.counters)
    this.#lines = new RepeatedLines(options.log, () => performance.now())
    this.#restartMs = Array.from({ length: options.count }, () => RESTART_MS_FIRST)
  }

  /** Resolves to the listeners, with real ports, once every worker serves; rejects when one ends before. */
  async start(): Promise<readonly string[]> {
    const { program, count } = this.#options
    cluster.setupPrimary({ exec: program, args: [], execArgv: [...process.execArgv, ...heapOptions()], serialization: 'advanced', silent: false })
    // One after the other: the first one to listen on a port that is any settles which it is.
    let listeners: readonly string[] = []
    for (let place = 0; place < count; place++) listeners = await this.#startOne(place)
    return listeners
  }

  renewTls(): void {
    this.#tellAll({ kind: 'renew-tls' })
  }

  /** All of them see their clients off, and when they have, they end. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const gone = [...this.#workers].map((worker) => new Promise<void>((resolve) => { worker.once('exit', () => resolve()) }))
    this.#tellAll({ kind: 'stop' })
    const timer = setTimeout(() => { for (const worker of this.#workers) worker.process.kill('SIGKILL') }, this.#options.drainTimeoutMs + STOP_GRACE_MS)
    await Promise.all(gone)
    clearTimeout(timer)
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#workers) tell(worker, message)
  }

  /** What they serve each other is closed when no client needs it any more. */
  #closeWhenDrained(): void {
    if (!this.#isStopping || this.#isClosing || [...this.#workers].some((worker) => !this.#drained.has(worker))) return
    this.#isClosing = true
    this.#tellAll({ kind: 'close' })
  }

  /** Resolves once it serves; rejects when it ends before, or can't even begin. */
  async #startOne(place: number): Promise<readonly string[]> {
    const { log } = this.#options
    const order = this.#options.order(place, ++this.#starts)
    const { node } = order
    const startedMs = performance.now()
    const worker = cluster.fork()
    this.#workers.add(worker)
    return new Promise((resolve, reject) => {
      let failure: Error | null = null
      let isReady = false
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'hello':
            tell(worker, { kind: 'start', order })
            return
          case 'ready':
            isReady = true
            log.info({ worker: node, workerPid: worker.process.pid }, 'worker-started')
            resolve(message.listeners)
            return
          case 'failed':
            failure = errorOfFailure(message.failure)
            return
          case 'counters':
            this.#sum.report(worker.id, message.values)
            return
          case 'shard':
            this.#options.shardTold?.(place, message)
            return
          case 'drained':
            this.#drained.add(worker)
            this.#closeWhenDrained()
        }
      })
      // What there is no process for has no end either. Of any other error its end tells.
      worker.on('error', (error) => {
        if (worker.process.pid !== undefined) {
          log.error({ worker: node, error }, 'worker-error')
          return
        }
        this.#workers.delete(worker)
        delete cluster.workers?.[worker.id]
        this.#closeWhenDrained()
        reject(error)
      })
      worker.on('exit', (code, signal) => {
        this.#workers.delete(worker)
        this.#sum.gone(worker.id)
        this.#options.shardTold?.(place, null)
        if (!isReady) reject(failure ?? new Error(`a worker ended before it served: ${signal ?? String(code)}`))
        this.#closeWhenDrained()
        if (this.#isStopping) return
        log.error({ worker: node, code, signal }, 'worker-died')
        if (isReady) this.#restart(place, performance.now() - startedMs)
      })
    })
  }

  /** At once after a long life; after a short one later each time, so that a fault that comes with the start does not keep a core busy. */
  #restart(place: number, livedMs: number): void {
    if (livedMs > STABLE_MS) this.#restartMs[place] = RESTART_MS_FIRST
    const waitMs = this.#restartMs[place]!
    this.#restartMs[place] = Math.min(RESTART_MS_MAX, 2 * waitMs)
    setTimeout(() => {
      if (this.#isStopping) return
      this.#startOne(place).catch((error: unknown) => {
        // It was told to stop before it served.
        if (this.#isStopping) return
        this.#lines.error({ error: error instanceof Error ? error : new Error(String(error)) }, 'worker-not-restarted')
        this.#restart(place, 0)
      })
    }, waitMs)
  }
}

/** One that has just died hears nothing: its end says all. */
function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {})
}
