/**
 * What all engines have in common: the public methods check the state, serialise commits and map errors; the protected ones do the
 * work. An engine that failed a commit may hold anything in its memory, so it takes no other until it has been closed and opened.
 */
import { StorageError } from './engine.js'
import type { Batch, Engine, Entry, KeyRange, ReadRange } from './engine.js'
import { OpBatch } from './op-batch.js'
import { toStorageError } from './storage-error.js'

/** How an engine on disk is opened. */
export interface EngineFiles {
  /** Whether missing files are made; otherwise they are an error. */
  readonly create: boolean
  /** Called by `close` when all work is done and the engine still holds its lock; must not reject. */
  readonly beforeClose?: (() => Promise<void>) | undefined
  /** Called by `close` at the very end, whether closing failed or not. */
  readonly afterClose?: (() => void) | undefined
}

const STATE_OPEN = 0
/** A commit failed: reads go on, commits are refused. */
const STATE_FAILED = 1
/** Closed inside, while it is reopened or after reopening failed. */
const STATE_DOWN = 2
const STATE_CLOSED = 3

/** The state machine around an engine; engines extend it. */
export abstract class BaseEngine implements Engine {
  abstract readonly name: Engine['name']
  #state = STATE_OPEN
  #lastCommit: Promise<void> | null = null
  #reopening: Promise<void> | null = null
  #closing: Promise<void> | null = null
  #pending = 0
  #whenIdle: (() => void) | null = null
  readonly #hooks: Omit<EngineFiles, 'create'>

  constructor(hooks: Omit<EngineFiles, 'create'> = {}) {
    this.#hooks = hooks
  }

  batch(): OpBatch {
    return new OpBatch()
  }

  commit(batch: Batch): Promise<void> {
    if (!(batch instanceof OpBatch)) return Promise.reject(new TypeError('a batch of another engine'))
    if (this.#state !== STATE_OPEN) return Promise.reject(this.#refusal())
    // One at a time and in order: an engine with several threads would otherwise be free to turn two commits around.
    const turn = this.#lastCommit === null ? this.#runCommit(batch) : this.#lastCommit.then(() => this.#runCommit(batch))
    const settled = turn.then(ignore, ignore)
    this.#lastCommit = settled
    void settled.then(() => {
      if (this.#lastCommit === settled) this.#lastCommit = null
    })
    return turn
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return (await this.getMany([key]))[0]
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#whileOpen(() => this.doGetMany(keys))
  }

  range(options: ReadRange): Promise<Entry[]> {
    if (options.limit <= 0 || isEmpty(options)) return this.#whileOpen(() => Promise.resolve([]))
    return this.#whileOpen(() => this.doRange(options))
  }

  trim(range: KeyRange): Promise<void> {
    if (this.#state !== STATE_OPEN) return Promise.reject(this.#refusal())
    return this.#whileOpen(() => isEmpty(range) ? Promise.resolve() : this.doTrim(range))
  }

  reopen(): Promise<void> {
    if (this.#state === STATE_CLOSED) return Promise.reject(this.#refusal())
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = null
    })
    return this.#reopening
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Applies and syncs; called for one batch at a time. Ranges that come here are not empty, limits not 0. */
  protected abstract doCommit(batch: OpBatch): Promise<void>
  protected abstract doGetMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  protected abstract doRange(options: ReadRange): Promise<Entry[]>
  protected abstract doTrim(range: KeyRange): Promise<void>
  protected abstract doOpen(): Promise<void>
  protected abstract doClose(): Promise<void>

  async #runCommit(batch: OpBatch): Promise<void> {
    if (this.#state !== STATE_OPEN) throw this.#refusal()
    if (batch.size === 0) return
    this.#pending++
    try {
      await this.doCommit(batch)
    } catch (error) {
      this.#state = STATE_FAILED
      throw toStorageError(error, 'the commit failed')
    } finally {
      this.#settle()
    }
  }

  async #whileOpen<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state >= STATE_DOWN) throw this.#refusal()
    this.#pending++
    try {
      return await work()
    } catch (error) {
      throw toStorageError(error, 'reading or trimming the store failed')
    } finally {
      this.#settle()
    }
  }

  async #reopen(): Promise<void> {
    const wasOpen = this.#state !== STATE_DOWN
    this.#state = STATE_DOWN
    try {
      await this.#idle()
      // A broken engine says so once more when it is closed; it lets go of its files all the same, and opening them is the proof.
      if (wasOpen) await this.doClose().catch(ignore)
      await this.doOpen()
    } catch (error) {
      throw toStorageError(error, 'the store could not be reopened')
    }
    // A close() during the reopening waits for it and then closes what it opened.
    this.#state = STATE_OPEN
  }

  async #close(): Promise<void> {
    if (this.#reopening !== null) await this.#reopening.catch(ignore)
    const before = this.#state
    this.#state = STATE_CLOSED
    await this.#idle()
    try {
      await this.#hooks.beforeClose?.()
      // What a failed engine still has to say was said by its commit.
      if (before === STATE_FAILED) await this.doClose().catch(ignore)
      else if (before !== STATE_DOWN) await this.doClose()
    } catch (error) {
      throw toStorageError(error, 'the store could not be closed')
    } finally {
      this.#hooks.afterClose?.()
    }
  }

  #idle(): Promise<void> {
    if (this.#pending === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#whenIdle = resolve
    })
  }

  #settle(): void {
    this.#pending--
    if (this.#pending > 0 || this.#whenIdle === null) return
    const whenIdle = this.#whenIdle
    this.#whenIdle = null
    whenIdle()
  }

  #refusal(): StorageError {
    if (this.#state === STATE_CLOSED) return new StorageError('closed', 'the store is closed')
    return new StorageError('closed', 'the store refuses after a failed commit until it has been reopened')
  }
}

// Bindings differ in what they make of a range that ends before it begins.
function isEmpty(range: KeyRange): boolean {
  return Buffer.compare(range.gte, range.lt) >= 0
}

function ignore(): void {}
