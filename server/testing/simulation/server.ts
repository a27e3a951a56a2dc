/** One life of the server process: from its start to the crash that ends it. */
import { LocalRouter } from '../../router/local-router.js'
import type { Scheduler, ShardLimits } from '../../shard/environment.js'
import { SHARD_LIMITS } from '../../shard/environment.js'
import { Shard } from '../../shard/shard.js'
import { BlobStoreProcess } from '../blob-store.js'
import type { SimConnection } from './connection.js'
import type { Disk } from './disk.js'
import type { Oracle } from './oracle.js'
import type { World } from './world.js'

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** Small, so that eviction, checkpoints, trims and windows happen within a short run. */
export const LIMITS: ShardLimits = {
  ...SHARD_LIMITS, residentUsersMax: 2, residentConversationsMax: 1, gatherOperations: 4, checkpointEvery: 3, trimEvery: 2,
  editAgeMs: 60_000, deleteAgeMs: 120_000, expirySweepMs: 2000,
  uploadAgeMs: 8000, blobHoldMs: 12_000,
}

/** With a queue so short that devices are told too old. */
export const SHORT_QUEUE: ShardLimits = { ...LIMITS, queueEntriesMax: 8 }

export class SimServer {
  readonly router: LocalRouter
  readonly shard: Shard
  readonly limits: ShardLimits
  readonly #oracle: Oracle
  readonly disk: Disk
  readonly #world: World
  readonly #failures: unknown[]
  readonly #blobs: BlobStoreProcess
  isAlive = true

  constructor(world: World, disk: Disk, oracle: Oracle, failures: unknown[], limits: ShardLimits) {
    this.limits = limits
    this.#world = world
    this.disk = disk
    this.#oracle = oracle
    this.#failures = failures
    this.#blobs = new BlobStoreProcess(disk.blobs)
    this.shard = new Shard(disk.engine, {
      clock: world, scheduler: this.#scheduler(), random32: () => world.random.next32(), limits, log: SILENT, blobs: this.#blobs,
    })
    this.router = new LocalRouter(this.shard)
  }

  /** A dead process runs nothing. */
  #scheduler(): Scheduler {
    const whileAlive = (run: () => void) => (): void => { if (this.isAlive) run() }
    return {
      defer: (run) => { this.#world.defer(whileAlive(run)) },
      after: (delayMs, run) => { this.#world.after(delayMs, whileAlive(run)) },
    }
  }

  crash(): void {
    this.isAlive = false
    this.#blobs.die()
    this.disk.crash()
  }

  /** The connection broke; the server notices sooner or later, or not before its end. */
  lost(connection: SimConnection): void {
    this.#world.after(this.#world.random.below(200), () => {
      if (!this.isAlive || !connection.isServerOpen) return
      connection.isServerOpen = false
      if (connection.attachment !== null) this.router.detach(connection.attachment)
    })
  }

  checkAcked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number): void {
    this.#oracle.acked(outbox, clientId, from, to, text, seq, timeMs, this.disk.stored).catch((error: unknown) => {
      this.report(error)
    })
  }

  /** A breach found where nobody could catch it. */
  report(error: unknown): void {
    this.#failures.push(error)
  }
}
