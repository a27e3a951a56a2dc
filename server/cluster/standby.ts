/** A node without the shard: it follows the changelog, or copies the shard's content first, and says how far it has got. */
import type { Engine } from '../../storage/engine.js'
import { everything } from '../../storage/owner-keys.js'
import type { ClusterStore } from './cluster-store.js'
import { isEnd, packRequest, unpackPage } from './copy-page.js'
import type { ShardOwner } from './directory.js'
import type { ClusterLimits } from './environment.js'
import { Follower } from './follower.js'
import { BEGINNING, type Position } from './position.js'
import { packState, readState, type ShardState, STATE_KEY } from './shard-rows.js'

/** Entries read at a time: with the largest there are this is some MiB. */
const READ_ENTRIES = 64
/** A standby that follows confirms no more often than this: entries come by the hundred in a second. */
const CONFIRM_EVERY_MS = 100
/** How long the last changes of a copy are waited for at a time. */
const FINISH_MS = 100

/** Brings a request to the owner of the shard, and its answer back: bytes of `copy-page.ts`. */
export interface CopySource {
  page(owner: ShardOwner, request: Uint8Array): Promise<Uint8Array>
}

export interface StandbyOptions {
  readonly node: string
  readonly engine: Engine
  readonly store: ClusterStore
  readonly copySource: CopySource
  readonly monotonicMs: () => number
  readonly sleep: (delayMs: number) => Promise<void>
  readonly limits: Pick<ClusterLimits, 'followEveryMs'>
  /** Whether what is said under the node's name is this process's to say. */
  readonly maySpeak: () => boolean
}

export class Standby {
  readonly #options: StandbyOptions
  #state: ShardState | null
  readonly hasForeignRows: boolean
  #follower: Follower | null
  /** Before this it reads no more entries: what comes meanwhile is read and applied together. */
  #readDueMs = -Infinity
  #confirmedMs = -Infinity
  #confirmed: Position | null = null
  /** The changelog does not continue what the engine has. */
  #mustCopy = false

  private constructor(options: StandbyOptions, state: ShardState | null, hasRows: boolean) {
    this.#options = options
    this.#state = state
    this.#follower = state === null || state.position.number === 0 ? null : new Follower(options.engine, state)
    this.hasForeignRows = hasRows && this.#follower === null
  }

  /** Reads from the engine what it is a state of. Rejects with StorageError. */
  static async load(options: StandbyOptions): Promise<Standby> {
    const state = await readState(options.engine)
    const rows = await options.engine.range({ ...everything(), limit: 2 })
    return new Standby(options, state, rows.some(([key]) => Buffer.compare(key, STATE_KEY) !== 0))
  }

  /** Which founding the engine belongs to; of one that never began it is only what was meant. null: none. */
  get lineage(): string | null {
    return this.#state?.lineage ?? null
  }

  /** Whether nothing of a cluster is in the engine. */
  get isNew(): boolean {
    return this.#follower === null
  }

  /** Whether the engine is a state of the shard at some position. */
  get isWhole(): boolean {
    return this.#follower?.copy === null && !this.#mustCopy
  }

  /** Whether it reads on behind what it has, whole or a part of a copy. */
  get isFollowing(): boolean {
    return this.#follower !== null && !this.#mustCopy
  }

  get applied(): Position {
    return this.#follower?.applied ?? BEGINNING
  }

  get reached(): Position {
    return this.#follower?.reached ?? BEGINNING
  }

  get sawRelease(): boolean {
    return this.#follower?.sawRelease ?? false
  }

  get follower(): Follower | null {
    return this.#follower
  }

  /** The engine has to be copied over before it can follow. */
  forkFound(): void {
    this.#mustCopy = true
  }

  /** Notes on disk that a founding under this lineage is meant, so that a crash in the middle can be taken up again. */
  async intend(lineage: string): Promise<void> {
    const { engine } = this.#options
    const batch = engine.batch()
    batch.put(STATE_KEY, packState(lineage, BEGINNING, null))
    await engine.commit(batch)
    this.#state = { lineage, position: BEGINNING, copy: null }
  }

  /**
   * Its node has the shard: it reads on behind what is on disk. What it has read beyond that, of a record that was not whole yet, the changelog
   * may have lost. One that is new begins before the first entry: its node founds the shard, or had begun to.
   */
  begin(): void {
    const follower = this.#follower
    if (follower !== null) this.#follower = new Follower(this.#options.engine, { lineage: follower.lineage, position: follower.applied, copy: follower.copy })
    else if (this.#state !== null) this.#follower = new Follower(this.#options.engine, this.#state)
  }

  /**
   * Waits up to `blockMs` for entries and applies them, and those behind them, for about as long: who lags far behind has other things to do, too.
   * Who has caught up reads again after `followEveryMs`. Rejects with LogGap, ClusterStoreError, StorageError.
   */
  async follow(blockMs: number): Promise<void> {
    const { monotonicMs, limits } = this.#options
    const follower = this.#follower
    if (follower === null) return
    const beganMs = monotonicMs()
    const endMs = beganMs + Math.max(blockMs, FINISH_MS)
    await this.#untilReadDue(blockMs)
    let waitMs = Math.max(0, beganMs + blockMs - monotonicMs())
    let read = 0
    do {
      const entries = await this.#options.store.read(follower.reached, READ_ENTRIES, waitMs)
      await follower.take(entries)
      await follower.finishCopy()
      await this.confirm(false)
      read = entries.length
      waitMs = 0
      if (read > 0 && read < READ_ENTRIES) this.#readDueMs = monotonicMs() + limits.followEveryMs
    } while (read === READ_ENTRIES && monotonicMs() < endMs)
  }

  async #untilReadDue(blockMs: number): Promise<void> {
    const leftMs = Math.min(this.#readDueMs - this.#options.monotonicMs(), blockMs)
    if (leftMs > 0) await this.#options.sleep(leftMs)
  }

  /**
   * Follows without waiting until this number has been read. Rejects like `follow`, and with what `mayGoOn` throws, which is called before each page;
   * resolves with false where the changelog ends before.
   */
  async followTo(number: number, mayGoOn: () => void): Promise<boolean> {
    if (this.#follower === null) return number === 0
    while (this.#follower.reached.number < number) {
      mayGoOn()
      const entries = await this.#options.store.read(this.#follower.reached, READ_ENTRIES, 0)
      if (entries.length === 0) return false
      await this.#follower.take(entries)
    }
    return true
  }

  /** What the changelog has by now, and one page of a copy from the owner. Rejects like `follow`, and with whatever the source says. */
  async copy(lineage: string, owner: ShardOwner): Promise<void> {
    const { engine, copySource } = this.#options
    const copy = this.#follower?.copy ?? null
    const isNew = copy === null || this.#mustCopy || this.#follower?.lineage !== lineage
    if (!isNew) {
      // Before more is asked for: where the changelog does not go on from what is here, no page belongs to it either.
      await this.follow(isEnd(copy.after) ? FINISH_MS : 0)
      if (isEnd(copy.after)) return
    }
    const request = isNew ? { lineage, position: null, after: new Uint8Array(0) } : { lineage, position: this.applied, after: copy.after }
    const page = unpackPage(await copySource.page(owner, packRequest(request)))
    if (isNew) {
      const begun: ShardState = { lineage, position: page.position, copy: { after: new Uint8Array(0), seen: 0 } }
      const batch = engine.batch()
      batch.put(STATE_KEY, packState(begun.lineage, begun.position, begun.copy))
      await engine.commit(batch)
      this.#state = begun
      this.#follower = new Follower(engine, begun)
      this.#mustCopy = false
    }
    await this.#follower!.takePage(page)
  }

  /** Tells the owner that this node does not follow any more: it is as one that copies, and nothing is kept for it. */
  async withdraw(): Promise<void> {
    const { store, node } = this.#options
    if (this.isFollowing && this.#options.maySpeak()) await store.confirm(node, { position: this.applied, isCopying: true })
  }

  /** Tells the owner what need not be kept for this node; seldom, unless `isDue`. */
  async confirm(isDue: boolean): Promise<void> {
    const { store, node, monotonicMs } = this.#options
    const follower = this.#follower
    if (follower === null || this.#mustCopy || !this.#options.maySpeak()) return
    const nowMs = monotonicMs()
    if (!isDue && (follower.applied === this.#confirmed || nowMs - this.#confirmedMs < CONFIRM_EVERY_MS)) return
    this.#confirmedMs = nowMs
    this.#confirmed = follower.applied
    await store.confirm(node, { position: follower.applied, isCopying: follower.copy !== null })
  }
}
