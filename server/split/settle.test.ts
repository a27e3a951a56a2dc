/** What is between shards when they are split is taken first, or the split is refused. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { channelConfirmedKey, channelEntries, channelTakenKey } from '../../storage/channel-keys.js'
import { type Batch, StorageError } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { journalKey } from '../../storage/shard-keys.js'
import { encodeNumber } from '../channels/entries.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { SILENT_LOG } from '../log.js'
import type { ShardEnvironment } from '../shard/environment.js'
import { shardEnvironment } from '../run/shard-environment.js'
import { createGroup, SKIING } from '../testing/groups.js'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { Refusal } from './refusal.js'
import { settle } from './settle.js'
import { ShardStores } from './shard-stores.js'
import { splitData } from './split-data.js'
import { entriesUnderWay } from './under-way.js'

const MESSAGES = 40
const ENVIRONMENT: ShardEnvironment = shardEnvironment(configOf({}), SYSTEM_CLOCK, SILENT_LOG)

interface Stopped {
  readonly harness: ShardsHarness
  /** What was on the disks when it was stopped. */
  readonly stores: ShardStores
  readonly people: readonly TestDevice[]
}

/** People at home in each of the shards write to each other and in a group, and nothing has come over from shard to shard. */
async function stopped(shards = 3): Promise<Stopped> {
  const harness = new ShardsHarness({ shards, channels: { trimEvery: 4 } })
  const users = Array.from({ length: shards }, (_, shard) => harness.userAt(shard))
  await harness.addUsers(...users)
  const people: TestDevice[] = []
  for (const user of users) people.push(await harness.attach(user))
  await createGroup(harness, users[0]!, users.slice(1))
  await harness.pass(10_000)
  for (let from = 0; from < shards; from++) for (let to = 0; to < shards; to++) harness.hold(from, to)
  for (let number = 0; number < MESSAGES; number++) {
    for (const person of people) {
      person.send(SKIING, `${person.user} ${String(number)}`)
      for (const other of users) if (other !== person.user) person.send(other, `${person.user} ${String(number)}`)
    }
    await harness.settle()
  }
  return { harness, people, stores: new ShardStores(harness.engines.map((engine) => engine.copy())) }
}

function emptyStores(shards: number): ShardStores {
  return new ShardStores(Array.from({ length: shards }, () => new MemoryEngine()))
}

/** The server that starts on what came out. */
function startedOn({ engines, isOne }: ShardStores, nowMs: number): ShardHarness | ShardsHarness {
  const harness = isOne ? new ShardHarness({ engine: engines[0]! }) : new ShardsHarness({ shards: engines.length, engines: engines as readonly MemoryEngine[] })
  if (harness instanceof ShardHarness) harness.nowMs = nowMs
  else harness.time.nowMs = nowMs
  return harness
}

for (const [before, after] of [[2, 3], [3, 2], [3, 1]] as const) {
  test(`[MSG-1] [QUE-2] what ${String(before)} shards have for each other comes once and in order when there are ${String(after)}`, async () => {
    const { stores, people, harness } = await stopped(before)
    const waiting = await entriesUnderWay(stores.engines)
    assert.ok(waiting > MESSAGES)
    await assert.rejects(splitData(stores, emptyStores(after)), Refusal)
    assert.equal(await settle(stores, { ...ENVIRONMENT, clock: { nowMs: () => harness.nowMs } }), waiting)
    assert.equal(await settle(stores, ENVIRONMENT), 0)
    const to = emptyStores(after)
    await splitData(stores, to)
    const next = startedOn(to, harness.nowMs)
    for (const person of people) {
      const again: TestDevice = await next.reattach(person, person.lastIndex)
      await next.settle()
      const heard = [...person.texts, ...again.texts]
      for (const other of people) {
        if (other === person) continue
        const numbers = heard.filter((text) => text.startsWith(`${other.user} `)).map((text) => Number(text.split(' ')[1]))
        // In the pair and in the group.
        assert.equal(numbers.length, 2 * MESSAGES)
        assert.deepEqual([...new Set(numbers)], Array.from({ length: MESSAGES }, (_, number) => number))
      }
    }
  })
}

test('with nothing between the shards their stores are only read', async () => {
  const { harness } = await stopped()
  for (let from = 0; from < 3; from++) for (let to = 0; to < 3; to++) harness.hold(from, to, false)
  await harness.pass(20_000)
  let commits = 0
  const engines = harness.engines.map((engine) => engine.copy({ beforeCommit: () => { commits++ } }))
  assert.equal(await settle(new ShardStores(engines), ENVIRONMENT), 0)
  assert.equal(commits, 0)
})

async function changed(engine: MemoryEngine, fill: (batch: Batch) => void): Promise<void> {
  const batch = engine.batch()
  fill(batch)
  await engine.commit(batch)
}

test('a channel that is stopped, and an entry that can\'t be read, refuse the split and say what to do', async () => {
  const { stores } = await stopped()
  const refused = async (text: RegExp, spoil: (engines: readonly MemoryEngine[]) => Promise<void>): Promise<void> => {
    const engines = stores.engines.map((engine) => (engine as MemoryEngine).copy())
    await spoil(engines)
    const error: unknown = await settle(new ShardStores(engines), ENVIRONMENT).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof Refusal)
    assert.match(error.message, text)
  }
  await refused(/from shard 0 to shard 1 is stopped.*one backup/, ([, taker]) => changed(taker!, (batch) => { batch.put(channelTakenKey(0), encodeNumber(1_000_000)) }))
  await refused(/from shard 0 to shard 1 is stopped.*one backup/, ([giver, taker]) => changed(giver!, (batch) => {
    batch.put(channelConfirmedKey(1), encodeNumber(1))
    void changed(taker!, (other) => { other.delete(channelTakenKey(0)) })
  }))
  // No row, no entry, and an entry whose message ends too soon.
  for (const row of [Buffer.of(77), Buffer.of(2, 2, 9, 9), Buffer.of(2, 11, 3, 16, 1, 97, 1, 97, 1, 98, 1, 1, 0)]) {
    await refused(/entry from shard 0 to shard 1 can't be read: start the server/, async ([giver]) => {
      const [entry] = await giver!.range({ ...channelEntries(1, 1), limit: 1 })
      const last = (await giver!.range({ ...channelEntries(1, 1), limit: 10_000 })).at(-1)
      assert.ok(entry !== undefined && last !== undefined)
      await changed(giver!, (batch) => { batch.put(last[0], row) })
    })
  }
})

test('a store that fails while it takes what was under way refuses the split', async () => {
  const { stores } = await stopped(2)
  const engines = stores.engines.map((engine) => (engine as MemoryEngine).copy({ beforeCommit: () => { throw new Error('input/output error') } }))
  // Nobody waits for as long as an operator would.
  const scheduler = { ...ENVIRONMENT.scheduler, after: (delayMs: number, task: () => void) => { setTimeout(task, delayMs / 100) } }
  const error: unknown = await settle(new ShardStores(engines), { ...ENVIRONMENT, scheduler }).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof Refusal)
  assert.match(error.message, /a store has failed/)
})

test('a process that waits for its stores does not end for want of anything else to do', async () => {
  // Not here, where the test itself keeps the process alive.
  const program = `
    import { MemoryEngine } from './storage/memory-engine.js'
    import { journalKey } from './storage/shard-keys.js'
    import { SILENT_LOG } from './server/log.js'
    import { settle } from './server/split/settle.js'
    const engine = new MemoryEngine()
    const batch = engine.batch()
    batch.put(journalKey(1), Buffer.of(0))
    await engine.commit(batch)
    const slow = engine.copy({ beforeCommit: () => new Promise((resolve) => { setTimeout(resolve, 20).unref() }) })
    await settle({ engines: [slow] }, { log: SILENT_LOG })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: new URL('../..', import.meta.url), stdio: 'inherit' })
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('a store that fails while a journal is written out refuses the split, and says what its disk says', async () => {
  const engine = new MemoryEngine()
  await changed(engine, (batch) => { batch.put(journalKey(1), Buffer.of(0)) })
  const full = new StorageError('disk-full', 'no space left on the disk')
  const failing = (cause: Error): ShardStores => new ShardStores([engine.copy({ beforeCommit: () => { throw cause } })])
  const error: unknown = await settle(failing(full), ENVIRONMENT).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof Refusal)
  assert.match(error.message, /a store has failed.*no space left on the disk/)
  assert.equal(error.cause, full)
})
