import { Worker } from 'node:worker_threads'
import { StorageError } from './engine.js'
import { errorOf } from './rocks-messages.js'
import type { RocksAnswer, RocksRequest, RocksThreadData, RocksWork } from './rocks-messages.js'

interface Waiting {
  readonly resolve: (answer: RocksAnswer) => void
  readonly reject: (error: unknown) => void
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

/** Requests in one message, and so at most that wait for each other's answers. */
const BATCH_MAX = 64

/**
 * The engine's end of its reading thread. Keeps the process alive only while a request is under way. A message to another thread and its
 * answer cost several times what most reads do, so requests that are made together share theirs, and while the thread
 * is busy all those of one turn of the event loop.
 */
export class RocksThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  /** Not sent yet. */
  #batch: RocksWork[] = []
  #lastId = 0
  #ended: StorageError | null = null
  readonly #send = (): void => {
    if (this.#batch.length === 0) return
    const message: RocksRequest = this.#batch
    this.#batch = []
    this.#worker.postMessage(message)
  }

  constructor(name: string, data: RocksThreadData) {
    // No options of the program's: some, as --input-type, make sense for its main module alone.
    this.#worker = new Worker(new URL('./rocks-worker.js', import.meta.url), { name, workerData: data, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (answers: readonly RocksAnswer[]) => { for (const answer of answers) this.#onAnswer(answer) })
    this.#worker.on('error', (cause) => { this.#onEnd(cause) })
    this.#worker.on('exit', () => { this.#onEnd(undefined) })
  }

  /** Sends a request; rejects with the engine's error, or with 'io' when the thread has died. Requests are answered in order. */
  request(request: WithoutId<RocksWork>): Promise<RocksAnswer> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const isIdle = this.#waiting.size === 0
      if (isIdle) this.#worker.ref()
      this.#waiting.set(id, { resolve, reject })
      this.#batch.push({ ...request, id })
      if (isIdle) queueMicrotask(this.#send)
      else if (this.#batch.length === 1) setImmediate(this.#send)
      else if (this.#batch.length === BATCH_MAX) this.#send()
    })
  }

  /** Ends the thread behind the requests that were sent. */
  async stop(): Promise<void> {
    if (this.#ended !== null) return
    const exit = new Promise<void>((resolve) => this.#worker.once('exit', () => { resolve() }))
    this.#send()
    const message: RocksRequest = 'stop'
    this.#worker.ref()
    this.#worker.postMessage(message)
    await exit
  }

  #onAnswer(answer: RocksAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    this.#waiting.delete(answer.id)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (answer.error === null) waiting.resolve(answer)
    else waiting.reject(errorOf(answer.error))
  }

  #onEnd(cause: unknown): void {
    this.#ended ??= new StorageError('io', 'a thread of the store has ended', { cause })
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
    this.#batch = []
  }
}
