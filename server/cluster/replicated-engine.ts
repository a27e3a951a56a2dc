/**
 * The engine of a shard whose commits are in its changelog before they are on the disk. Each one becomes a record: appended first, then
 * applied to the node's own engine, in one batch with the position it has in the changelog, synced, and only then resolved. So an engine is
 * never ahead of the changelog, and an owner recovers as a standby does: it reads on from its position.
 *
 * It belongs to one ownership. When that ends it refuses everything, also reads that are under way: what it would answer may be old news.
 * The engine inside goes on, for the follower that the node becomes.
 */
import { type Batch, type Engine, type Entry, type KeyRange, type ReadRange, StorageError } from '../../storage/engine.js'
import { OpBatch } from '../../storage/op-batch.js'
import { emptyRecord, encodeRecord } from './change-record.js'
import type { ClusterStore } from './cluster-store.js'
import { Follower } from './follower.js'
import type { OwnerLog } from './owner-log.js'
import type { Position } from './position.js'
import { packState, readState, STATE_KEY } from './shard-rows.js'

/** Entries that are read at a time. */
const READ_ENTRIES = 64

const NO_TRIMS: readonly KeyRange[] = []

interface Work {
  readonly batch: OpBatch | null
  readonly trim: KeyRange | null
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export interface ReplicatedEngineOptions {
  /** The node's own. */
  readonly engine: Engine
  readonly log: OwnerLog
  readonly store: ClusterStore
  readonly lineage: string
  /** What the engine is at. */
  readonly position: Position
  readonly partBytes: number
}

export class ReplicatedEngine implements Engine {
  readonly #options: ReplicatedEngineOptions
  readonly #inner: Engine
  readonly #log: OwnerLog
  #applied: Position
  #stored: Position
  #queue: Work[] = []
  #running: Promise<void> | null = null
  #reading = 0
  #whenRead: (() => void) | null = null
  #reopening: Promise<void> | null = null
  #hasFailed = false
  #isClosed = false
  readonly #whenApplied: { readonly number: number, readonly resolve: () => void }[] = []

  constructor(options: ReplicatedEngineOptions) {
    this.#options = options
    this.#inner = options.engine
    this.#log = options.log
    this.#applied = options.position
    this.#stored = options.position
  }

  get name(): Engine['name'] {
    return this.#inner.name
  }

  /** How far the engine inside has got. */
  get applied(): Position {
    return this.#applied
  }

  /** How far it says on its disk that it has got: from there a crash has it read on. Trims alone leave it where it is. */
  get stored(): Position {
    return this.#stored
  }

  batch(): Batch {
    return this.#inner.batch()
  }

  /**
   * Appends, applies and syncs; one at a time, in the order of the calls. Rejects with StorageError: 'disk-full' when Redis refuses to keep
   * more, 'lost' when the node does not own the shard any more, else what the engine inside said. Then it may be in the changelog or not,
   * and nothing is taken until `reopen`. The batch gets one row more.
   */
  commit(batch: Batch): Promise<void> {
    if (!(batch instanceof OpBatch)) return Promise.reject(new TypeError('a batch of another engine'))
    return this.#enqueue(batch, null)
  }

  /** Goes into the changelog with the next commit, or alone where there is none. */
  trim(range: KeyRange): Promise<void> {
    if (Buffer.compare(range.gte, range.lt) >= 0) return this.#hasRefused() ?? Promise.resolve()
    return this.#enqueue(null, range)
  }

  #enqueue(batch: OpBatch | null, trim: KeyRange | null): Promise<void> {
    const refused = this.#hasRefused()
    if (refused !== null) return refused
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, trim, resolve, reject })
      this.#run()
    })
  }

  #hasRefused(): Promise<never> | null {
    if (this.#isClosed || !this.#log.isSure) return Promise.reject(this.#closed)
    if (this.#hasFailed || this.#reopening !== null) return Promise.reject(new StorageError('closed', 'the store refuses after a failed commit until it has been reopened'))
    return null
  }

  /** What a closed engine says: whether its opener has closed it, or the shard has gone, tells who reads the log whether anything is wrong. */
  get #closed(): StorageError {
    return this.#log.isSure ? new StorageError('closed', 'the store is closed') : new StorageError('lost', 'this node does not own the shard any more')
  }

  #run(): void {
    if (this.#running === null && this.#queue.length > 0) this.#running = this.#drain()
  }

  /** Never rejects. Nothing is under way any more in the turn in which the last is told. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const works = this.#next()
      try {
        await this.#write(works)
      } catch (error) {
        this.#fail(works, error)
        break
      }
      for (const work of works) work.resolve()
    }
    this.#running = null
  }

  #fail(works: readonly Work[], error: unknown): void {
    this.#hasFailed = true
    const refused = this.#log.isSure ? new StorageError('closed', 'the store refuses after a failed commit until it has been reopened') : this.#closed
    const behind = this.#queue
    this.#queue = []
    for (const work of works) work.reject(error)
    for (const work of behind) work.reject(refused)
  }

  /** Trims, as many as there are, and the commit behind them: one record. */
  #next(): Work[] {
    const end = this.#queue.findIndex((work) => work.batch !== null)
    return this.#queue.splice(0, end < 0 ? this.#queue.length : end + 1)
  }

  async #write(works: readonly Work[]): Promise<void> {
    const batch = works.at(-1)?.batch ?? null
    const trims = works.length === 1 && batch !== null ? NO_TRIMS : works.flatMap((work) => work.trim ?? [])
    if (trims.length === 0 && (batch === null || batch.size === 0)) return
    const position = await this.#log.append(encodeRecord(trims, batch, this.#options.partBytes))
    for (const range of trims) await this.#inner.trim(range)
    // The position of trims alone goes with the next commit: a crash before it has them done once more, which changes nothing.
    if (batch !== null) {
      batch.put(STATE_KEY, packState(this.#options.lineage, position, null))
      await this.#inner.commit(batch)
      this.#hasStored(position)
    }
    this.#reached(position)
  }

  #hasStored(position: Position): void {
    this.#stored = position
    this.#log.stored(position)
  }

  #reached(position: Position): void {
    this.#applied = position
    for (let i = this.#whenApplied.length - 1; i >= 0; i--) {
      const waiter = this.#whenApplied[i]!
      if (waiter.number > position.number) continue
      this.#whenApplied.splice(i, 1)
      waiter.resolve()
    }
  }

  /** Resolves when everything up to this entry of the changelog is in the engine inside, or when that is closed. */
  whenApplied(number: number): Promise<void> {
    if (this.#applied.number >= number) return Promise.resolve()
    return new Promise((resolve) => { this.#whenApplied.push({ number, resolve }) })
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read(() => this.#inner.get(key))
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read(() => this.#inner.getMany(keys))
  }

  range(options: ReadRange): Promise<Entry[]> {
    return this.#read(() => this.#inner.range(options))
  }

  /** What is read counts only if the shard is still this node's when the answer is there. */
  async #read<T>(read: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw this.#closed
    this.#log.checkSure()
    this.#reading++
    try {
      const found = await read()
      this.#log.checkSure()
      return found
    } finally {
      this.#reading--
      if (this.#reading === 0) this.#whenRead?.()
    }
  }

  /**
   * Opens the engine inside again and reads on in the changelog from where that is. Rejects with StorageError as long as engine or changelog
   * can't, and 'lost' for good when the node does not own the shard any more: a new owner's shard begins with a new engine.
   */
  reopen(): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.#closed)
    this.#reopening ??= this.#reopen().finally(() => { this.#reopening = null })
    return this.#reopening
  }

  async #reopen(): Promise<void> {
    await this.#running
    this.#log.checkSure()
    await this.#inner.reopen()
    await this.#log.settle()
    await this.#catchUp()
    // Proof that the changelog takes something again, and that the engine does.
    const position = await this.#log.append(emptyRecord())
    const batch = this.#inner.batch()
    batch.put(STATE_KEY, packState(this.#options.lineage, position, null))
    await this.#inner.commit(batch)
    this.#hasStored(position)
    this.#reached(position)
    this.#hasFailed = false
  }

  async #catchUp(): Promise<void> {
    const state = await readState(this.#inner)
    if (state === null) throw new StorageError('corrupt', 'the store does not know its place in the changelog any more')
    const follower = new Follower(this.#inner, state)
    while (follower.reached.number < this.#log.last.number) {
      this.#log.checkSure()
      const entries = await this.#options.store.read(follower.reached, READ_ENTRIES, 0).catch((cause: unknown) => {
        throw new StorageError('io', 'the changelog can\'t be read', { cause })
      })
      if (entries.length === 0) throw new StorageError('io', 'the changelog lacks what was appended to it')
      await follower.take(entries)
    }
    this.#hasStored(follower.applied)
    this.#reached(follower.applied)
  }

  /** Waits for what is under way, and refuses what comes. The engine inside stays open. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#reopening !== null) await this.#reopening.catch(() => undefined)
    while (this.#running !== null) await this.#running
    for (const waiter of this.#whenApplied.splice(0)) waiter.resolve()
    if (this.#reading > 0) await new Promise<void>((resolve) => { this.#whenRead = resolve })
  }
}
