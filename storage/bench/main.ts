/**
 * Puts a second and CPU for each, in batches as a shard writes them: node dist/storage/bench/main.js [rocksdb|leveldb …]
 * Every batch is synced; the next is sent when the one before is on disk. Prints a line of JSON for each engine and size.
 */
import { randomFillSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Engine } from '../engine.js'
import { userKeys } from '../user-keys.js'
import { openEngine } from '../open.js'

const SECONDS = 3
const VALUE_BYTES = 200
const USERS = 10_000

const users = Array.from({ length: USERS }, (_, n) => userKeys(`user${n}`))

interface Measured {
  readonly putsPerSecond: number
  readonly commitsPerSecond: number
  /** Of all threads. */
  readonly cpuMicrosPerPut: number
  /** Of the event loop: what connections have to wait for. */
  readonly loopMicrosPerPut: number
}

async function measure(engine: Engine, batchSize: number): Promise<Measured> {
  // Values that do not compress, as encrypted messages; views, so that making them costs nothing here.
  const noise = randomFillSync(Buffer.allocUnsafe(1 << 20))
  let puts = 0
  let commits = 0
  const startMs = performance.now()
  const cpu = process.cpuUsage()
  const loop = performance.eventLoopUtilization()
  while (performance.now() - startMs < SECONDS * 1000) {
    const batch = engine.batch()
    for (let i = 0; i < batchSize; i++) {
      const user = users[puts % USERS] ?? userKeys('nobody')
      const at = (puts * 64) % (noise.length - VALUE_BYTES)
      batch.put(user.entry(puts++), noise.subarray(at, at + VALUE_BYTES))
    }
    await engine.commit(batch)
    commits++
  }
  const elapsedMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  const { active } = performance.eventLoopUtilization(loop)
  return {
    putsPerSecond: Math.round(puts / elapsedMs * 1000),
    commitsPerSecond: Math.round(commits / elapsedMs * 1000),
    cpuMicrosPerPut: Number(((user + system) / puts).toFixed(2)),
    loopMicrosPerPut: Number((active * 1000 / puts).toFixed(2)),
  }
}

const chosen = process.argv.slice(2)
for (const name of ['rocksdb', 'leveldb'] as const) {
  if (chosen.length > 0 && !chosen.includes(name)) continue
  for (const batchSize of [1, 64, 1000]) {
    const directory = await mkdtemp(path.join(tmpdir(), 'chatd-bench-'))
    const engine = await openEngine({ directory, engine: name, create: true })
    const measured = await measure(engine, batchSize)
    await engine.close()
    await rm(directory, { recursive: true })
    process.stdout.write(JSON.stringify({ node: process.version, engine: name, batchSize, ...measured }) + '\n')
  }
}
