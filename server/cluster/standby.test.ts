/** A standby by itself: a clock that the test turns, and a changelog that grows with it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { OpBatch } from '../../storage/op-batch.js'
import { encodeRecord } from './change-record.js'
import type { ClusterStore, LogEntry } from './cluster-store.js'
import { BEGINNING, type Position } from './position.js'
import { Standby } from './standby.js'

const FOLLOW_EVERY_MS = 20
const TOKEN = 'a'.repeat(16)

function entryBehind(previous: Position): LogEntry {
  const number = previous.number + 1
  const batch = new OpBatch()
  batch.put(Buffer.from(`k${String(number)}`), Buffer.from('v'))
  return { position: { epoch: 1, number, token: TOKEN }, previousToken: previous.token, bytes: encodeRecord([], batch, 1 << 10)[0]! }
}

/** A changelog of entries, each of which is there from its time on. */
class Changelog {
  nowMs = 0
  readonly readsMs: number[] = []
  readonly #entries: { readonly entry: LogEntry, readonly fromMs: number }[] = []

  add(fromMs: number): void {
    this.#entries.push({ entry: entryBehind(this.#entries.at(-1)?.entry.position ?? BEGINNING), fromMs })
  }

  read(after: Position, countMax: number, blockMs: number): Promise<LogEntry[]> {
    this.readsMs.push(this.nowMs)
    const behind = this.#entries.filter(({ entry }) => entry.position.number > after.number)
    this.nowMs = Math.max(this.nowMs, Math.min(behind[0]?.fromMs ?? Infinity, this.nowMs + blockMs))
    return Promise.resolve(behind.filter(({ fromMs }) => fromMs <= this.nowMs).map(({ entry }) => entry).slice(0, countMax))
  }
}

async function follows(log: Changelog, followEveryMs = FOLLOW_EVERY_MS): Promise<Standby> {
  const store = { read: log.read.bind(log), confirm: () => Promise.resolve() } as Partial<ClusterStore> as ClusterStore
  const standby = await Standby.load({
    node: 'n1', engine: new MemoryEngine(), store, copySource: { page: () => Promise.reject(new Error('nothing is copied here')) },
    limits: { followEveryMs }, monotonicMs: () => log.nowMs, maySpeak: () => true,
    sleep: (delayMs) => {
      log.nowMs += delayMs
      return Promise.resolve()
    },
  })
  await standby.intend('lineage')
  standby.begin()
  return standby
}

function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((ms, at) => ms - times[at]!)
}

test('what comes while a standby waits is read together, and the first entry after a silence at once', async () => {
  const log = new Changelog()
  for (let ms = 1; ms <= 200; ms++) log.add(ms)
  log.add(1000)
  const standby = await follows(log)
  while (log.nowMs < 210) await standby.follow(50)
  assert.equal(standby.applied.number, 200)
  const busy = log.readsMs.filter((ms) => ms > 1 && ms <= 200)
  assert.ok(gaps(busy).every((ms) => ms >= FOLLOW_EVERY_MS), `read at ${busy.join(' ')}`)
  while (standby.applied.number < 201) await standby.follow(500)
  assert.equal(log.nowMs, 1000)
})

test('a standby that lags reads on without waiting', async () => {
  const log = new Changelog()
  for (let entry = 0; entry < 1000; entry++) log.add(0)
  const standby = await follows(log)
  await standby.follow(50)
  assert.deepEqual([standby.applied.number, log.nowMs], [1000, 0])
})

test('a standby does not wait for longer than it was given, and reads what is there by then', async () => {
  const log = new Changelog()
  log.add(0)
  log.add(200)
  const standby = await follows(log, 1000)
  await standby.follow(5)
  await standby.follow(105)
  assert.deepEqual([log.nowMs, standby.applied.number], [105, 1])
  await standby.follow(105)
  assert.deepEqual([log.nowMs, standby.applied.number], [210, 2])
})

test('where nothing comes a standby waits for as long as it was given, no longer', async () => {
  const log = new Changelog()
  log.add(0)
  const standby = await follows(log)
  await standby.follow(5)
  await standby.follow(50)
  assert.equal(log.nowMs, 50)
})
