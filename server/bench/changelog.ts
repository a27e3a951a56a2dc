/**
 * What a changelog costs: commits a second and CPU for each, with and without, in batches of 1 and of 200 rows on RocksDB, each synced before the next.
 *
 *     node dist/server/bench/changelog.js [SECONDS] [ROUNDS]
 *
 * Starts a redis-server of its own. With and without take turns in one process, so that what else the machine does falls on both; the first round does not
 * count, since a server runs for long. CPU is of this process with all its threads, until those that write behind have ended; Redis is told apart. Prints a
 * line of JSON for each: medians over the rounds, and how many times the CPU of a commit without one with a changelog costs.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Engine } from '../../storage/engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { openEngine } from '../../storage/open.js'
import { CLUSTER_LIMITS } from '../cluster/environment.js'
import { openClusterNode } from '../cluster/node.js'
import { connectRedis } from '../cluster/redis-connect.js'
import { RedisStore } from '../cluster/redis-store.js'
import { SILENT_LOG } from '../log.js'
import { quiet } from './measure.js'
import { type Figures, median, medians } from './statistics.js'

const SECONDS = Number(process.argv[2] ?? 1)
const ROUNDS = Number(process.argv[3] ?? 5)
const WARM_UPS = 1
const VALUE_BYTES = 200
const PORT = 7399
const users = Array.from({ length: 10_000 }, (_, n) => userKeys(`user${n}`))
// Values that do not compress, as encrypted messages.
const noise = randomFillSync(Buffer.allocUnsafe(1 << 20))

interface Cost extends Figures {
  readonly commitsPerSecond: number
  readonly cpuMicros: number
  readonly redisMicros: number
}

async function measure(engine: Engine, rows: number, redis: Redis): Promise<Cost> {
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
  // What RocksDB merges and writes later is part of it, and not of the turn of the other.
  await quiet(process.pid)
  const { user, system } = process.cpuUsage(cpu)
  return {
    commitsPerSecond: Math.round(commits / elapsedMs * 1000),
    cpuMicros: Math.round((user + system) / commits),
    redisMicros: Math.round((await redisCpuMicros(redis) - redisBefore) / commits),
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

function open(name: string): Promise<Engine> {
  return openEngine({ directory: path.join(directory, name), engine: 'rocksdb', create: true })
}

/** The engine of the owner of a cluster of one node. */
async function openOwner(engine: Engine, cluster: string): Promise<{ engine: Engine, close: () => Promise<void> }> {
  const store = new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster, shard: 0, shards: 1, timeoutMs: 1000, replicas: 0 })
  let owned: (engine: Engine) => void = () => undefined
  const owner = new Promise<Engine>((resolve) => { owned = resolve })
  const node = await openClusterNode({
    node: 'n1', address: 'n1:1', version: '1', life: '0000000000000001', shard: 0, engine, store, limits: { ...CLUSTER_LIMITS, founds: true, foundAfterMs: 0 },
    environment: {
      monotonicMs: () => performance.now(), scheduler: { defer: setImmediate, after: (delayMs, task) => { setTimeout(task, delayMs) } },
      randomToken: () => randomBytes(8).toString('hex'), log: SILENT_LOG,
    },
    copySource: { page: () => Promise.reject(new Error('nobody copies')) },
    onOwner: (one) => { owned(one) },
    onLost: () => undefined,
  })
  return { engine: await owner, close: () => node.close() }
}

async function compare(rows: number): Promise<void> {
  const [plain, inner] = [await open(`${String(rows)}-without`), await open(`${String(rows)}-with`)]
  const owner = await openOwner(inner, `bench${String(rows)}`)
  const costs: { readonly without: Cost[], readonly with: Cost[] } = { without: [], with: [] }
  for (let round = 0; round < WARM_UPS + ROUNDS; round++) {
    const without = await measure(plain, rows, redis)
    const withChangelog = await measure(owner.engine, rows, redis)
    if (round < WARM_UPS) continue
    costs.without.push(without)
    costs.with.push(withChangelog)
  }
  const times = costs.with.map(({ cpuMicros }, round) => cpuMicros / costs.without[round]!.cpuMicros)
  console.log(JSON.stringify({ rows, changelog: false, ...medians(costs.without) }))
  console.log(JSON.stringify({ rows, changelog: true, ...medians(costs.with), timesCpu: Number(median(times)!.toFixed(2)) }))
  await owner.close()
  await Promise.all([inner.close(), plain.close()])
}

try {
  await compare(1)
  await compare(200)
} finally {
  redis.disconnect()
  server.kill()
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
