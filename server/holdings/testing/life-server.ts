/** The server of a life with blobs: of one shard, or of several that die by themselves. */
import { MemoryEngine } from '../../../storage/memory-engine.js'
import type { Router } from '../../router/router.js'
import type { ShardLimits } from '../../shard/environment.js'
import type { Shard } from '../../shard/shard.js'
import type { TestBlobStore } from '../../testing/blob-store.js'
import { ShardHarness, type TestDevice } from '../../testing/shard-harness.js'
import { ShardsHarness } from '../../testing/shards-harness.js'
import { type Audit, auditBlobs, auditShards, checkShares } from './audit.js'

export interface LifeServerOptions {
  readonly shards: number
  readonly limits: Partial<ShardLimits>
  /** Called with the shard of each life before anything else is. */
  readonly plant: (shard: Shard, blobs: TestBlobStore) => void
  readonly beforeCommit: (shard: number) => void
  readonly afterCommit: (shard: number) => void
}

export interface LifeServer {
  readonly router: Router
  readonly blobs: TestBlobStore
  readonly limits: ShardLimits
  readonly nowMs: number
  addUsers(...names: string[]): Promise<void>
  attach(user: string): Promise<TestDevice>
  pass(ms: number): Promise<void>
  /** From now on nothing that the shard does is seen by anybody: it has died, and nobody has noticed. Returns what is on its disk. */
  die(shard: number): MemoryEngine
  /** It starts again on that, or on what it has stored. */
  crash(shard: number, stored?: MemoryEngine): void
  /** What shards ask each other about blobs is answered so much later from now on. */
  answerLate(ms: number): void
  /** What each shard has stored by now, as copies. */
  disks(): readonly MemoryEngine[]
  /** Of each shard. Throws BlobBreach. */
  audit(): Promise<readonly Audit[]>
  /** When nothing is on its way any more. Throws BlobBreach. */
  checkAtRest(audits: readonly Audit[]): void
}

export function openLifeServer(options: LifeServerOptions): LifeServer {
  return options.shards === 1 ? new OneShard(options) : new SeveralShards(options)
}

/** What both kinds of harness have. */
class OnHarness<Harness extends ShardHarness | ShardsHarness> {
  protected readonly harness: Harness

  constructor(harness: Harness) {
    this.harness = harness
  }

  get router(): Router { return this.harness.router }
  get blobs(): TestBlobStore { return this.harness.blobs }
  get limits(): ShardLimits { return this.harness.limits }
  get nowMs(): number { return this.harness.nowMs }
  addUsers(...names: string[]): Promise<void> { return this.harness.addUsers(...names) }
  attach(user: string): Promise<TestDevice> { return this.harness.attach(user) }
  pass(ms: number): Promise<void> { return this.harness.pass(ms) }
}

class OneShard extends OnHarness<ShardHarness> implements LifeServer {
  constructor({ limits, plant, beforeCommit, afterCommit }: LifeServerOptions) {
    super(new ShardHarness({ limits, plant, beforeCommit: () => { beforeCommit(0) }, afterCommit: () => { afterCommit(0) } }))
  }

  die(): MemoryEngine {
    const stored = this.#stored.copy()
    this.harness.endStore()
    return stored
  }

  crash(_shard: number, stored?: MemoryEngine): void { this.harness.crash(stored) }

  answerLate(): void { /* there is nobody to ask */ }

  disks(): readonly MemoryEngine[] { return [this.#stored.copy()] }

  async audit(): Promise<readonly Audit[]> {
    return [await auditBlobs(this.#stored, this.blobs.objects)]
  }

  checkAtRest(): void { /* there is nobody else */ }

  get #stored(): MemoryEngine {
    const { engine } = this.harness
    if (!(engine instanceof MemoryEngine)) throw new TypeError('not an engine in memory')
    return engine
  }
}

/** What shards ask each other all the time about presence costs more than all the rest, where days pass. */
const RENEW_MS = 3_600_000
/** Of late answers some come in time. */
const BLOB_ANSWER_MS = 600_000

class SeveralShards extends OnHarness<ShardsHarness> implements LifeServer {
  constructor(options: LifeServerOptions) {
    super(new ShardsHarness({ ...options, limits: { ...options.limits, blobAnswerMs: BLOB_ANSWER_MS }, keepsBlobs: true, presence: { renewMs: RENEW_MS } }))
  }

  die(shard: number): MemoryEngine {
    const stored = this.harness.engines[shard]!.copy()
    this.harness.cutOff.add(shard)
    this.harness.endStore(shard)
    return stored
  }

  crash(shard: number, stored?: MemoryEngine): void {
    this.harness.cutOff.delete(shard)
    this.harness.crashOn(shard, stored)
  }

  answerLate(ms: number): void {
    for (const name of ['lendBlob', 'heldBlobs', 'awaitsLoan']) this.harness.lateMs.set(name, ms)
  }

  disks(): readonly MemoryEngine[] { return this.harness.engines.map((engine) => engine.copy()) }

  audit(): Promise<readonly Audit[]> {
    return auditShards(this.disks(), new Set(this.blobs.objects))
  }

  checkAtRest(audits: readonly Audit[]): void {
    checkShares(audits, (name) => this.harness.homeOf(name))
  }
}
