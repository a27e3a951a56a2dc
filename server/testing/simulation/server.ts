/** One life of the server, with one shard or several: from its start to the crash that ends it. Of several each may die by itself. */
import { slotOf } from '../../../storage/slots.js'
import { CHANNEL_LIMITS, type ChannelLimits } from '../../channels/limits.js'
import { ERROR } from '../../../protocol/generated/registry.js'
import type { LocalRouter } from '../../router/local-router.js'
import type { Router } from '../../router/router.js'
import { ShardsRouter } from '../../router/shards-router.js'
import type { Scheduler, ShardLimits } from '../../shard/environment.js'
import { SHARD_LIMITS } from '../../shard/environment.js'
import type { Shard } from '../../shard/shard.js'
import type { SimConnection } from './connection.js'
import type { Disk } from './disk.js'
import type { Oracle } from './oracle.js'
import { simPeers } from './sim-peers.js'
import { SimShard } from './sim-shard.js'
import type { World } from './world.js'

/** Small, so that eviction, checkpoints, trims and windows happen within a short run. */
export const LIMITS: ShardLimits = {
  ...SHARD_LIMITS, residentUsersMax: 2, residentConversationsMax: 1, gatherOperations: 4, checkpointEvery: 3, trimEvery: 2,
  editAgeMs: 60_000, deleteAgeMs: 120_000, expirySweepMs: 2000,
  uploadAgeMs: 8000, blobHoldMs: 12_000, blobLoanMs: 2000,
}

/** With a queue so short that devices are told too old. */
export const SHORT_QUEUE: ShardLimits = { ...LIMITS, queueEntriesMax: 8 }

export const CHANNELS: ChannelLimits = { ...CHANNEL_LIMITS, windowEntries: 3, entriesMax: 12, resendMs: 200, trimEvery: 3, trimMs: 500, answerMs: 4000 }

const OWNER_WAIT_MS = 3000

/** Which shard owns a slot: another table for each number, so that users and conversations are at home now here, now there. */
export function simTable(shards: number, number: number): (slot: number) => number {
  return (slot) => ((Math.imul(slot + 1, 2 * number + 1) >>> 4) & 0xffff) % shards
}

export class SimServer {
  readonly router: Router
  readonly shards: SimShard[]
  readonly limits: ShardLimits
  readonly #oracle: Oracle
  readonly #world: World
  readonly #shardOf: (slot: number) => number
  readonly #disks: readonly Disk[]
  readonly #failures: unknown[]
  readonly #several: ShardsRouter | null
  isAlive = true
  readonly isHome = true

  /** @param disks one for each shard */
  constructor(world: World, disks: readonly Disk[], oracle: Oracle, failures: unknown[], limits: ShardLimits, shardOf: (slot: number) => number) {
    this.limits = limits
    this.#world = world
    this.#disks = disks
    this.#oracle = oracle
    this.#failures = failures
    this.#shardOf = shardOf
    this.shards = []
    for (const shard of disks.keys()) this.shards.push(this.#start(shard))
    this.#several = disks.length === 1 ? null : new ShardsRouter({
      routers: this.shards.map(({ mortalRouter }) => mortalRouter), shardOf, ownerWaitMs: OWNER_WAIT_MS,
      clock: { monotonicMs: () => world.nowMs() }, scheduler: this.#scheduler(),
    })
    this.router = this.#several ?? this.shards[0]!.router
  }

  /** The only one, or the first. */
  get shard(): Shard {
    return this.shards[0]!.shard
  }

  /** A dead process runs nothing. */
  #scheduler(): Scheduler {
    const whileAlive = (run: () => void) => (): void => { if (this.isAlive) run() }
    return { defer: (run) => { this.#world.defer(whileAlive(run)) }, after: (ms, run) => { this.#world.after(ms, whileAlive(run)) } }
  }

  #start(shard: number): SimShard {
    const disk = this.#disks[shard]!
    const routerOf = (other: number): LocalRouter | null => this.isAlive ? this.shards[other]?.mortalRouter ?? null : null
    return new SimShard({
      world: this.#world, disk, limits: this.limits, report: (breach) => { this.report(breach) },
      federation: this.#disks.length === 1 ? null : (isAlive) => ({
        shard, shards: this.#disks.length, shardOf: this.#shardOf, limits: CHANNELS,
        peers: simPeers(shard, this.#world, routerOf, isAlive, () => disk.isFaulty),
      }),
    })
  }

  /** The shard that is home to a user or conversation. */
  homeOf(name: string): number {
    return this.#shardOf(slotOf(name))
  }

  diskOf(conversation: string): Disk {
    return this.#disks[this.homeOf(conversation)]!
  }

  crash(): void {
    this.isAlive = false
    for (const shard of this.shards) shard.crash()
  }

  /** One of several dies and starts again. Its sessions are lost; those of others say again what it has not answered. */
  crashShard(shard: number): SimShard {
    const dead = this.shards[shard]!
    for (const session of [...dead.shard.sessions.visiting]) session.expel(ERROR.storageUnavailable)
    dead.crash()
    const next = this.shards[shard] = this.#start(shard)
    this.#several?.replace(shard, next.mortalRouter)
    return next
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
    this.#oracle.acked(outbox, clientId, from, to, text, seq, timeMs, (conversation) => this.diskOf(conversation).stored).catch((error: unknown) => {
      this.report(error)
    })
  }

  /** A breach found where nobody could catch it. */
  report(error: unknown): void {
    this.#failures.push(error)
  }
}
