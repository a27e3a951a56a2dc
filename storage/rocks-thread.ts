import { Worker } from 'node:worker_threads'
import { StorageError } from './engine.js'
import { errorOf } from './rocks-messages.js'
import type { RocksAnswer, RocksRequest, RocksThreadData, RocksWork } from './rocks-messages.js'

interface Waiting {
  readonly resolve: (answer: RocksAnswer) => void
  readonly reject: (error: unknown) => void
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

/** The engine's end of its reading thread. Keeps the process alive only while a request is under way. */
export class RocksThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #ended: StorageError | null = null

  constructor(name: string, data: RocksThreadData) {
    // No options of the program's: some, as --input-type, make sense for its main module alone.
    this.#worker = new Worker(new URL('./rocks-worker.js', import.meta.url), { name, workerData: data, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (answer: RocksAnswer) => { this.#onAnswer(answer) })
    this.#worker.on('error', (cause) => { this.#onEnd(cause) })
    this.#worker.on('exit', () => { this.#onEnd(undefined) })
  }

  /** Sends a request; rejects with the engine's error, or with 'io' when the thread has died. Requests are answered in order. */
  request(request: WithoutId<RocksWork>): Promise<RocksAnswer> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) this.#worker.ref()
      this.#waiting.set(id, { resolve, reject })
      const message = { ...request, id } as RocksRequest
      this.#worker.postMessage(message)
    })
  }

  /** Ends the thread behind the requests that were sent. */
  async stop(): Promise<void> {
    if (this.#ended !== null) return
    const exit = new Promise<void>((resolve) => this.#worker.once('exit', () => { resolve() }))
    const message: RocksRequest = { kind: 'stop' }
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
  }
}
