/**
 * What a changelog costs: commits a second and CPU for each, with and without, in batches of 1 and of 200 rows on RocksDB, each synced before the next.
 *
 *     node dist/server/bench/changelog.js [SECONDS]
 *
 * Starts a redis-server of its own. CPU is of this process with all its threads; Redis is told apart. Prints a line of JSON for each.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Engine } from '../../storage/engine.js'
import { userKeys } from '../../storage/keyspace.js'
import { openEngine } from '../../storage/open.js'
import { CLUSTER_LIMITS } from '../cluster/environment.js'
import { openClusterNode } from '../cluster/node.js'
import { connectRedis } from '../cluster/redis-connect.js'
import { RedisStore } from '../cluster/redis-store.js'
import { SILENT_LOG } from '../log.js'

const SECONDS = Number(process.argv[2] ?? 3)
const VALUE_BYTES = 200
const PORT = 7399
const users = Array.from({ length: 10_000 }, (_, n) => userKeys(`user${n}`))
// Values that do not compress, as encrypted messages.
const noise = randomFillSync(Buffer.allocUnsafe(1 << 20))

async function measure(engine: Engine, rows: number, redis: Redis): Promise<{ commitsPerSecond: number, cpuMicrosPerCommit: number, redisMicrosPerCommit: number }> {
  let [puts, commits] = [0, 0]
  const redisBefore = await redisCpuMicros(redis)
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  while (performance.now() - startMs < SECONDS * 1000) {
    const batch = engine.batch()
    for (let i = 0; i < rows; i++) {
      const at = (puts * 64) % (noise.length - VALUE_BYTES)
      batch.put(users[puts % users.length]!.entry(puts++), noise.subarray(at, at + VALUE_BYTES))
    }
    await engine.commit(batch)
    commits++
  }
  const elapsedMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  return {
    commitsPerSecond: Math.round(commits / elapsedMs * 1000),
    cpuMicrosPerCommit: Math.round((user + system) / commits),
    redisMicrosPerCommit: Math.round((await redisCpuMicros(redis) - redisBefore) / commits),
  }
}

async function redisCpuMicros(redis: Redis): Promise<number> {
  const info = await redis.info('cpu')
  const seconds = [...info.matchAll(/used_cpu_(?:sys|user):([\d.]+)/g)].map((match) => Number(match[1]))
  return seconds.reduce((sum, one) => sum + one, 0) * 1e6
}

const directory = await mkdtemp(path.join(tmpdir(), 'chatd-changelog-'))
const server = spawn('redis-server', ['--port', String(PORT), '--bind', '127.0.0.1', '--save', '', '--dir', directory], { stdio: 'ignore' })
await pause(500)
const redis = new Redis(PORT, '127.0.0.1')
const target = { mode: 'standalone', urls: [`redis://127.0.0.1:${String(PORT)}`], sentinelName: '', user: '', password: '' } as const
try {
  for (const rows of [1, 200, 1, 200]) {
    for (const hasChangelog of [false, true]) {
      await redis.flushall()
      const engine = await openEngine({ directory: path.join(directory, `${String(rows)}-${String(hasChangelog)}-${randomBytes(2).toString('hex')}`), engine: 'rocksdb', create: true })
      if (hasChangelog) {
        const store = new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster: 'bench', shard: 0, shards: 1, timeoutMs: 1000, replicas: 0 })
        let owned: (engine: Engine) => void = () => undefined
        const owner = new Promise<Engine>((resolve) => { owned = resolve })
        const node = await openClusterNode({
          node: 'n1', address: 'n1:1', version: '1', shard: 0, engine, store, limits: { ...CLUSTER_LIMITS, founds: true, foundAfterMs: 0 },
          environment: {
            monotonicMs: () => performance.now(), scheduler: { defer: setImmediate, after: (delayMs, task) => { setTimeout(task, delayMs) } },
            randomToken: () => randomBytes(8).toString('hex'), log: SILENT_LOG,
          },
          copySource: { page: () => Promise.reject(new Error('nobody copies')) },
          onOwner: (one) => { owned(one) },
          onLost: () => undefined,
        })
        console.log(JSON.stringify({ rows, changelog: true, ...await measure(await owner, rows, redis) }))
        await node.close()
      } else {
        console.log(JSON.stringify({ rows, changelog: false, ...await measure(engine, rows, redis) }))
      }
      await engine.close()
    }
  }
} finally {
  redis.disconnect()
  server.kill()
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
