/** Entries whose devices are all there stand in the journal: what becomes of them, whatever becomes of the devices and of the process. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RESUME } from '../../protocol/generated/registry.js'
import { type Engine, type Entry, type KeyRange, type ReadRange, StorageError } from '../../storage/engine.js'
import { everything } from '../../storage/owner-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { journal, journaledAt, journalKey } from '../../storage/shard-keys.js'
import { storedEntries } from '../testing/entries.js'
import { largestCommit } from '../testing/largest-commit.js'
import { recoverJournal } from './journal-recovery.js'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'

const JOURNAL_MS = 500

async function world(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness, ann: TestDevice, bob: TestDevice }> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob')
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  await harness.pass(3 * JOURNAL_MS)
  return { harness, ann, bob }
}

async function send(harness: ShardHarness, from: TestDevice, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) from.send('bob', text)
  await harness.settle()
}

async function journalRows(engine: Engine): Promise<number> {
  return (await engine.range({ ...journal(), limit: 1000 })).length
}

test('[QUE-2] what a device that is there acknowledges never has a row in its queue, and its numbers go on', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one', 'two')
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [1, 0])
  bob.acknowledge()
  await harness.settle()
  // The receipt.
  ann.acknowledge()
  await harness.pass(2 * JOURNAL_MS)
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 0])
  const [, again] = await harness.restartWith(ann, bob)
  assert.deepEqual([again.attached.resume, again.indexes], [RESUME.resumed, []])
  await send(harness, await harness.attach('ann', 'tablet'), 'three')
  assert.deepEqual([again.indexes, again.texts], [[3], ['three']])
})

test('[QUE-2] what is not acknowledged before long gets its row, and the journal lets it go', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one', 'two')
  await harness.pass(3 * JOURNAL_MS)
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 2])
  // What comes behind it is in the journal again; a page never leaves out what the other place holds.
  await send(harness, ann, 'three')
  bob.detach()
  await send(harness, ann, 'four')
  assert.deepEqual((await harness.reattach(bob, 0)).texts, ['one', 'two', 'three', 'four'])
  assert.deepEqual((await harness.reattach(bob, 2)).texts, ['three', 'four'])
})

test('[MSG-1] [QUE-2] after a crash everything that the journal held is there, and it is empty', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one', 'two')
  await send(harness, ann, 'three')
  harness.crash()
  const again = await harness.reattach(bob, 0)
  assert.deepEqual([again.texts, again.indexes], [['one', 'two', 'three'], [1, 2, 3]])
  assert.equal(await journalRows(harness.engine), 0)
})

test('[QUE-2] a journal that can\'t be written out at first is, when the store is well', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one')
  let isBroken = true
  harness.crash((harness.engine as MemoryEngine).copy({ beforeCommit: () => { if (isBroken) throw new Error('input/output error') } }))
  const { engine } = harness
  harness.engine = engine
  await harness.pass(1000)
  isBroken = false
  await harness.pass(60_000)
  assert.deepEqual((await harness.reattach(bob, 0)).texts, ['one'])
})

test('[QUE-14] a row of the journal that is damaged holds nothing else up', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one')
  const batch = harness.engine.batch()
  batch.put(journalKey(1), Buffer.from([9, 9, 9]))
  await harness.engine.commit(batch)
  harness.crash()
  assert.deepEqual((await harness.reattach(bob, 0)).texts, ['one'])
  assert.ok(harness.events.some((event) => event.includes('journal')))
})

test('[QUE-14] rows of the journal that the engine can\'t read hold nothing else up, and what lies around them is there', async () => {
  class DamagedEngine extends MemoryEngine {
    damaged: readonly number[] = []
    override async range(options: ReadRange): Promise<Entry[]> {
      const rows = await super.range(options)
      const isDamaged = ([key]: Entry): boolean => this.damaged.some((commit) => Buffer.compare(journalKey(commit), key) === 0)
      if (rows.some(isDamaged)) throw new StorageError('corrupt', 'a row of the store is damaged')
      return rows
    }
  }
  const { harness, ann, bob } = await world()
  for (let at = 0; at < 30; at++) await send(harness, ann, `text ${String(at)}`)
  const numbers = (await harness.engine.range({ ...journal(), limit: 100 })).map(([key]) => journaledAt(key))
  assert.equal(numbers.length, 30)
  const engine = new DamagedEngine()
  const batch = engine.batch()
  for (const [key, row] of await harness.engine.range({ ...everything(), limit: 10_000 })) batch.put(key, row)
  await engine.commit(batch)
  engine.damaged = [numbers[4]!, numbers[5]!, numbers[20]!, numbers[29]!]
  await recoverJournal(engine, { info: () => undefined, warn: () => undefined, error: () => undefined }, () => false)
  engine.damaged = []
  harness.crash(engine)
  const texts = Array.from({ length: 29 }, (_, at) => `text ${String(at)}`).filter((_, at) => ![4, 5, 20].includes(at))
  assert.deepEqual((await harness.reattach(bob, 0)).texts, texts)
  assert.equal(await journalRows(harness.engine), 0)
})

test('a journal of many commits is written out by few', async () => {
  const { harness, ann, bob } = await world({ limits: { strangerPerSecond: 0 } })
  for (let at = 0; at < 200; at++) await send(harness, ann, String(at))
  let commits = 0
  const engine = (harness.engine as MemoryEngine).copy({ beforeCommit: () => { commits++ } })
  await recoverJournal(engine, { info: () => undefined, warn: () => undefined, error: () => undefined }, () => false)
  assert.ok(commits > 0 && commits < 10, String(commits))
  harness.crash(engine)
  assert.equal((await harness.reattach(bob, 0, { window: 1024 })).texts.length, 200)
})

test('[QUE-6] a device with a full window is sent the rest from the journal', async () => {
  const { harness, ann, bob } = await world()
  const slow = await harness.reattach(bob, 0, { window: 2 })
  for (const text of ['one', 'two', 'three', 'four', 'five']) await send(harness, ann, text)
  assert.deepEqual(slow.texts, ['one', 'two'])
  while (slow.acknowledge() && slow.lastIndex < 5) await harness.settle()
  assert.deepEqual(slow.texts, ['one', 'two', 'three', 'four', 'five'])
  assert.equal((await harness.reattach(slow, 3)).texts.length, 2)
})

test('[QUE-10] a device that names less than it has acknowledged is told too old, not sent a hole', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one')
  await send(harness, ann, 'two')
  bob.acknowledge(1)
  const back = await harness.reattach(bob, 0)
  assert.equal(back.attached.resume, RESUME.tooOld)
  const again = await harness.reattach(bob, 1)
  assert.deepEqual([again.attached.resume, again.texts], [RESUME.resumed, ['two']])
})

test('[QUE-15] the numbers of a queue go on when the device that had all of it is removed', async () => {
  const { harness, ann, bob } = await world()
  await send(harness, ann, 'one', 'two')
  bob.acknowledge()
  await harness.router.removeDevice('bob', bob.id)
  await harness.pass(3 * JOURNAL_MS)
  await harness.restart()
  const tablet = await harness.attach('bob', 'tablet')
  await send(harness, await harness.attach('ann', 'desk'), 'three')
  assert.deepEqual([tablet.indexes, tablet.texts], [[3], ['three']])
})

test('of a user who is removed nothing is written out, nor after a crash', async () => {
  const { harness, ann } = await world()
  await send(harness, ann, 'one', 'two')
  await harness.router.removeUser('bob')
  const before = (harness.engine as MemoryEngine).copy({})
  await harness.pass(3 * JOURNAL_MS)
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 0])
  harness.crash(before)
  await harness.attach('ann')
  await harness.pass(1000)
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 0])
})

test('of a user who is removed in the very commit that brings it something nothing stays', async () => {
  const { harness, ann } = await world()
  ann.send('bob', 'one')
  await harness.router.removeUser('bob')
  await harness.pass(4 * JOURNAL_MS)
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 0])
})

test('[QUE-15] what was in rows goes with a device that is removed, however few there are', async () => {
  const { harness, ann, bob } = await world({ limits: { trimEvery: 64 } })
  await harness.router.removeDevice('bob', bob.id)
  for (let at = 0; at < 5; at++) {
    for (const text of ['one', 'two', 'three']) await send(harness, ann, text)
    const web = await harness.attach('bob', `web${String(at)}`)
    web.acknowledge()
    await send(harness, ann, 'live')
    web.acknowledge()
    await harness.router.removeDevice('bob', web.id)
    await harness.settle()
  }
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
})

test('[QUE-10] a trim that failed is made good also for a device that has stayed since', async () => {
  let isBroken = true
  class TrimEngine extends MemoryEngine {
    override async trim(range: KeyRange): Promise<void> {
      if (isBroken) throw new Error('input/output error')
      return super.trim(range)
    }
  }
  const { harness, ann, bob } = await world({ engine: new TrimEngine(), limits: { trimEvery: 4 } })
  bob.detach()
  for (let at = 0; at < 6; at++) await send(harness, ann, 'away')
  const back = await harness.reattach(bob, 0)
  back.acknowledge()
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 6)
  isBroken = false
  for (let at = 0; at < 8; at++) {
    await send(harness, ann, 'live')
    back.acknowledge()
    await harness.pass(1000)
  }
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
})

test('with a second device that is away entries have rows of their own from the beginning', async () => {
  const { harness, ann, bob } = await world()
  const tablet = await harness.attach('bob', 'tablet')
  tablet.detach()
  await send(harness, ann, 'one')
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 1])
  assert.deepEqual(bob.texts, ['one'])
})

test('much that is not acknowledged is written out some at a time', async () => {
  const { harness, ann } = await world({ limits: { windowDefault: 1024, strangerPerSecond: 0 } })
  for (let at = 0; at < 30; at++) await send(harness, ann, ...Array.from({ length: 30 }, () => 'x'.repeat(400)))
  const { engine } = harness
  const largest = largestCommit(engine)
  await harness.pass(4 * JOURNAL_MS)
  assert.deepEqual([await journalRows(engine), await storedEntries(engine, 'bob')], [0, 900])
  assert.ok(largest() > 0 && largest() < 256 * 1024, `${String(largest())} bytes in a commit`)
})

test('a shard that is closed leaves nothing in the journal, however much there was', async () => {
  const { harness, ann } = await world({ limits: { windowDefault: 1024, strangerPerSecond: 0 } })
  for (let at = 0; at < 30; at++) await send(harness, ann, ...Array.from({ length: 30 }, () => 'x'.repeat(600)))
  ann.send('bob', 'under way')
  await harness.shard.close()
  assert.deepEqual([await journalRows(harness.engine), await storedEntries(harness.engine, 'bob')], [0, 901])
})
