import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { StorageError } from './engine.js'
import type { OpBatch } from './op-batch.js'
import { changed, createMailbox, DONE, MAILBOX_BYTES, ON_PORT, OUTCOME, OUTCOME_FAILED, REQUEST, ROWS } from './rocks-mailbox.js'
import type { Mailbox } from './rocks-mailbox.js'
import { errorOf, packedBytes, packInto, packRows } from './rocks-messages.js'
import type { RocksFailure } from './rocks-messages.js'
import type { WriteRequest, WriteThreadData } from './rocks-write-worker.js'

/**
 * The engine's end of its writing thread. Requests are carried out one at a time, in order, and keep the process alive while they are
 * under way. They reject with the engine's error, or with 'io' when the thread has died.
 */
export class RocksWriter {
  readonly #mailbox: Mailbox = createMailbox()
  readonly #control = new Int32Array(this.#mailbox.control)
  readonly #port: MessagePort
  readonly #worker: Worker
  #last: Promise<void> | null = null
  #ended: StorageError | null = null

  constructor(handle: bigint) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    port1.unref()
    const data: WriteThreadData = { handle, mailbox: this.#mailbox, port: port2 }
    // No options of the program's: some, as --input-type, make sense for its main module alone.
    this.#worker = new Worker(new URL('./rocks-write-worker.js', import.meta.url), {
      name: 'store-writer', workerData: data, transferList: [port2], execArgv: [],
    })
    this.#worker.unref()
    this.#worker.on('error', (cause) => { this.#end(cause) })
    this.#worker.on('exit', () => { this.#end(undefined) })
  }

  /** Writes and syncs the batch; its rows have been copied when this returns, unless another request is under way. */
  commit(batch: OpBatch): Promise<void> {
    return this.#inTurn(() => {
      if (packedBytes(batch.size, batch.bytes) > MAILBOX_BYTES) {
        const rows = packRows(batch.keys, batch.values, batch.bytes)
        return this.#send({ kind: 'commit', rows, count: batch.size }, [rows])
      }
      packInto(this.#mailbox.rows, batch.keys, batch.values)
      return this.#request(batch.size)
    })
  }

  trim(gte: Uint8Array, lt: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#send({ kind: 'trim', gte, lt }))
  }

  /** Ends the thread behind the requests that were made. */
  async stop(): Promise<void> {
    if (this.#ended === null) {
      const exit = new Promise<void>((resolve) => this.#worker.once('exit', () => { resolve() }))
      await this.#inTurn(() => this.#send({ kind: 'stop' })).catch(() => undefined)
      this.#worker.ref()
      await exit
    }
    this.#port.close()
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const turn = this.#last === null ? run() : this.#last.then(run)
    const settled = turn.catch(() => undefined)
    this.#last = settled
    void settled.then(() => {
      if (this.#last === settled) this.#last = null
    })
    return turn
  }

  #send(request: WriteRequest, transfer: ArrayBuffer[] = []): Promise<void> {
    this.#port.postMessage(request, transfer)
    return this.#request(ON_PORT)
  }

  async #request(rows: number): Promise<void> {
    this.#assertAlive()
    const control = this.#control
    const done = Atomics.load(control, DONE)
    control[ROWS] = rows
    Atomics.add(control, REQUEST, 1)
    Atomics.notify(control, REQUEST)
    this.#worker.ref()
    try {
      await changed(control, DONE, done)
    } finally {
      this.#worker.unref()
    }
    this.#assertAlive()
    if (control[OUTCOME] === OUTCOME_FAILED) throw this.#failure()
  }

  #assertAlive(): void {
    if (this.#ended !== null) throw this.#ended
  }

  /** The thread is gone: whoever waits for it has to wake up. */
  #end(cause: unknown): void {
    this.#ended ??= new StorageError('io', 'a thread of the store has ended', { cause })
    Atomics.add(this.#control, DONE, 1)
    Atomics.notify(this.#control, DONE)
  }

  #failure(): Error {
    const message = receiveMessageOnPort(this.#port) as { message: RocksFailure } | undefined
    return message === undefined ? new StorageError('io', 'the store\'s thread failed and did not say why') : errorOf(message.message)
  }
}
