/** The shards of a data directory in one process, while no server runs on it. What goes from one to another and is not done by the end goes on in the server. */
import type { Engine } from '../../storage/engine.js'
import type { EngineName } from '../../storage/metadata.js'
import { openStores } from '../../storage/open-stores.js'
import { evenTable } from '../channels/federation.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import { localPeers } from '../channels/local-peers.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import type { Config } from '../config/settings.js'
import { SILENT_LOG } from '../log.js'
import { LocalRouter } from '../router/local-router.js'
import type { Router } from '../router/router.js'
import { ShardsRouter } from '../router/shards-router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { shardEnvironment } from '../run/shard-environment.js'

export interface OfflineShards {
  readonly router: Router
  close(): Promise<void>
}

/** Rejects with StorageError, 'locked' where a server runs or starts, and with ConfigError where they belong to a cluster. */
export async function openOfflineShards(config: Config, shards: number): Promise<OfflineShards> {
  const { directory, engine: name } = config.data
  const stores = await openStores(shards, { directory, engine: name as 'auto' | EngineName, create: true })
  try {
    for (const engine of stores.engines) await refuseClusterData(engine, directory)
  } catch (error) {
    await stores.close()
    throw error
  }
  const environment = shardEnvironment(config, SYSTEM_CLOCK, SILENT_LOG)
  const shardOf = evenTable(shards)
  const routers = startShards(stores.engines, shardOf, environment)
  const { scheduler } = environment
  return {
    router: new ShardsRouter({ routers, shardOf, clock: SYSTEM_CLOCK, scheduler, ownerWaitMs: config.limits.ownerWaitMs }),
    close: async () => {
      for (const { shard } of routers) await shard.close()
      await stores.close()
    },
  }
}

/** A shard on each of these stores, which call each other. */
export function startShards(engines: readonly Engine[], shardOf: (slot: number) => number, environment: ShardEnvironment): readonly LocalRouter[] {
  const shards = engines.length
  const routers: LocalRouter[] = []
  for (const [shard, engine] of engines.entries()) {
    const peers = localPeers(shard, (other) => routers[other] ?? null, environment.scheduler)
    routers.push(new LocalRouter(new Shard(engine, { ...environment, federation: { shard, shards, shardOf, limits: CHANNEL_LIMITS, peers } })))
  }
  return routers
}
