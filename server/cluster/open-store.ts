/** The Redis of a configuration, as the store that a cluster shares. */
import { readOwnFile } from '../config/own-file.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import { connectRedis, type RedisTarget } from './redis-connect.js'
import { RedisStore } from './redis-store.js'

/** Throws ConfigError. Whether Redis is there is seen later: a node waits for it. */
export function openClusterStore({ cluster }: Config, shard: number, shards: number, log: Log): RedisStore {
  const target: RedisTarget = {
    mode: cluster.sentinelMaster !== '' ? 'sentinel' : cluster.redis.length > 1 ? 'cluster' : 'standalone',
    urls: cluster.redis,
    sentinelName: cluster.sentinelMaster,
    user: cluster.redisUser,
    password: cluster.redisPasswordFile === '' ? '' : readOwnFile('cluster.redisPasswordFile', cluster.redisPasswordFile).toString('utf8').trim(),
  }
  return new RedisStore({
    connect: () => connectRedis(target, log), cluster: cluster.name, shard, shards, replicas: cluster.redisReplicas,
    // An owner asks a few times before it gives its lease up.
    timeoutMs: Math.ceil(cluster.leaseMs / 3),
  })
}
