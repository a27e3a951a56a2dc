/** An engine that keeps everything in memory: for tests and simulations, where it also plays a disk that fails. */
import { BaseEngine } from './base-engine.js'
import type { Entry, KeyRange, ReadRange } from './engine.js'
import type { OpBatch } from './op-batch.js'
import { OrderedMap } from './ordered-map.js'

export interface MemoryEngineOptions {
  /** What is stored at first; see `copy`. */
  readonly from?: MemoryEngine
  /** Called before a batch is applied. A promise holds the commit; a throw fails it and nothing is stored. */
  readonly beforeCommit?: (operations: number) => void | Promise<void>
  /** Called when the batch is stored. A throw fails the commit all the same, as a disk can. */
  readonly afterCommit?: (operations: number) => void | Promise<void>
  /** Called by `reopen`; a throw fails it. */
  readonly beforeOpen?: () => void | Promise<void>
}

/** Ready at once, nothing to open. Keys and values are copied by a commit; what reads return must not be changed. */
export class MemoryEngine extends BaseEngine {
  readonly name = 'memory'
  readonly #options: MemoryEngineOptions
  readonly #rows: OrderedMap

  constructor(options: MemoryEngineOptions = {}) {
    super()
    this.#options = options
    this.#rows = options.from === undefined ? new OrderedMap() : options.from.#rows.copy()
  }

  /** What a disk would hold after a crash at this moment, as an engine of its own: all commits that were applied. */
  copy(options: Omit<MemoryEngineOptions, 'from'> = {}): MemoryEngine {
    return new MemoryEngine({ ...options, from: this })
  }

  /** Rows stored. */
  get size(): number {
    return this.#rows.size
  }

  protected async doCommit(batch: OpBatch): Promise<void> {
    await this.#options.beforeCommit?.(batch.size)
    for (let i = 0; i < batch.keys.length; i++) {
      const key = batch.keys[i]
      const value = batch.values[i]
      if (key === undefined || value === undefined) break
      if (value === null) this.#rows.delete(key)
      else this.#rows.set(Uint8Array.prototype.slice.call(key), Uint8Array.prototype.slice.call(value))
    }
    await this.#options.afterCommit?.(batch.size)
  }

  protected doGetMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return Promise.resolve(keys.map((key) => this.#rows.get(key)))
  }

  protected doRange(options: ReadRange): Promise<Entry[]> {
    return Promise.resolve(this.#rows.range(options))
  }

  protected doTrim(range: KeyRange): Promise<void> {
    for (const [key] of this.#rows.range({ gte: range.gte, lt: range.lt, limit: Infinity })) this.#rows.delete(key)
    return Promise.resolve()
  }

  protected async doOpen(): Promise<void> {
    await this.#options.beforeOpen?.()
  }

  protected doClose(): Promise<void> {
    return Promise.resolve()
  }
}
