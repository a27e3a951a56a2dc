/** The shard of a node while it owns it: opened on the engine that the cluster gives, reached by a local router, and closed again. */
import type { Federation } from '../channels/federation.js'
import { LocalRouter } from '../router/local-router.js'
import type { CallTargets } from '../router/calls.js'
import type { LinkServer } from '../router/link-server.js'
import type { OwnerRoutes } from '../router/owner-routes.js'
import type { PresenceLimits } from '../presence/limits.js'
import type { ShardEnvironment } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import type { ReplicatedEngine } from './replicated-engine.js'

const STAMPS_BY_EPOCH = 2 ** 32

export interface OwnedShardOptions {
  readonly environment: ShardEnvironment
  readonly presence: PresenceLimits
  /** Where sessions of other nodes come in, and how those of this one find it. */
  readonly linkServer: LinkServer
  readonly routes: OwnerRoutes
  /** The other shards; null: there are none. */
  readonly peers: OtherShards | null
}

/** The other shards as this one sees them, and what they see of it while it is open. */
export interface OtherShards {
  readonly federation: Federation
  serve(router: LocalRouter): void
  stopServing(): void
}

export class OwnedShard {
  readonly #options: OwnedShardOptions
  #shard: Shard | null = null
  #targets: CallTargets | null = null

  constructor(options: OwnedShardOptions) {
    this.#options = options
  }

  /** null: this node does not own it. */
  get shard(): Shard | null {
    return this.#shard
  }

  get targets(): CallTargets | null {
    return this.#targets
  }

  open(engine: ReplicatedEngine, epoch: number): void {
    const { environment, presence, linkServer, routes, peers } = this.#options
    // Of two sessions of a device the one of the later epoch counts, whatever the clocks of their nodes say.
    const firstStamp = epoch * STAMPS_BY_EPOCH
    this.#shard = new Shard(engine, { ...environment, firstStamp, ...peers === null ? {} : { federation: peers.federation } })
    const router = new LocalRouter(this.#shard, presence)
    // Each node answers what its own sessions ask about files.
    this.#targets = { router, desk: null }
    peers?.serve(router)
    linkServer.serve(this.#targets)
    routes.refresh()
  }

  /** Sessions go on to the next owner; what was handed in and can still be committed is. */
  async close(): Promise<void> {
    const { linkServer, routes, peers } = this.#options
    const shard = this.#shard
    this.#targets = null
    routes.refresh()
    linkServer.stopServing()
    peers?.stopServing()
    await shard?.close()
    if (this.#shard === shard) this.#shard = null
  }
}
