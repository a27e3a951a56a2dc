/** The real engine with a fault in front of it, for one call at a time. Keeps the engine's own rule: after a failed commit none until `reopen`. */
import type { Batch, Engine, Entry, KeyRange, ReadRange } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'

/**
 * `lost`: fsync fails and nothing of the batch is on the disk. `stored`: fsync fails and all of it is: the two outcomes that an error
 * leaves open. `read`: a block can't be read.
 */
export type EngineFault = 'lost' | 'stored' | 'read'

export class FailingEngine implements Engine {
  readonly #engine: Engine
  #fault: EngineFault | null = null
  #reopenFailures = 0
  #hasFailed = false
  /** Faults that have struck. */
  struck = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get name(): Engine['name'] { return this.#engine.name }

  /** The next fitting call fails, and so many attempts to reopen after it. */
  arm(fault: EngineFault, reopenFailures: number): void {
    this.#fault = fault
    this.#reopenFailures = reopenFailures
  }

  batch(): Batch { return this.#engine.batch() }

  async commit(batch: Batch): Promise<void> {
    if (this.#hasFailed) throw new StorageError('closed', 'the store refuses after a failed commit until it has been reopened')
    const fault = this.#fault
    if (fault === 'lost' || fault === 'stored') {
      this.#strike()
      this.#hasFailed = true
      if (fault === 'stored') await this.#engine.commit(batch)
      throw broken('fsync')
    }
    await this.#engine.commit(batch)
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#read()
    return this.#engine.get(key)
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#read()
    return this.#engine.getMany(keys)
  }

  async range(options: ReadRange): Promise<Entry[]> {
    this.#read()
    return this.#engine.range(options)
  }

  trim(range: KeyRange): Promise<void> { return this.#engine.trim(range) }

  async reopen(): Promise<void> {
    if (this.#reopenFailures > 0) {
      this.#reopenFailures--
      throw broken('open')
    }
    await this.#engine.reopen()
    this.#hasFailed = false
  }

  close(): Promise<void> { return this.#engine.close() }

  #read(): void {
    if (this.#fault !== 'read') return
    this.#strike()
    throw broken('read')
  }

  #strike(): void {
    this.#fault = null
    this.struck++
  }
}

function broken(call: string): StorageError {
  return new StorageError('io', `the commit failed: ${call}: EIO: i/o error`, { cause: Object.assign(new Error(`EIO: i/o error, ${call}`), { code: 'EIO' }) })
}
