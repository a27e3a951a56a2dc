/** Runs: rows that hold many entries or many messages. What tests of queue and log say of one entry a row holds within a run as well. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { element } from '../../protocol/element.js'
import { encodeDelivery, encodeReceipt } from '../../protocol/generated/frames.js'
import { StorageError } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { ValueWriter } from '../../storage/value.js'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { EntryRun, readRun, RUN_ENTRIES_MAX, skipRun } from './entry-run.js'
import { LogHeads } from './log-heads.js'
import { encodeChangeRow, type LogRecord, LogRun, readLogRun, RUN_RECORDS_MAX, VERSION_OPERATION } from './log-run.js'

const NOTHING = new Uint8Array(0)

async function pair(limits: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness; ann: TestDevice; bob: TestDevice }> {
  const harness = new ShardHarness(limits)
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  bob.detach()
  await harness.pass(1000)
  return { harness, ann, bob }
}

/** In one commit. */
async function sendTogether(harness: ShardHarness, from: TestDevice, count: number): Promise<void> {
  for (let i = 0; i < count; i++) from.send('bob', String(i))
  await harness.settle()
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

void test('what one commit appends to a queue and to a log takes a row each, up to a bound', async () => {
  const { harness, ann } = await pair()
  await sendTogether(harness, ann, 3)
  await sendTogether(harness, ann, RUN_ENTRIES_MAX + 1)
  const entries = await harness.engine.range({ ...userKeys('bob').entries(0), limit: 100 })
  const log = await harness.engine.range({ ...conversationKeys('ann:bob').logRange(0), limit: 100 })
  assert.deepEqual(entries.map(([key]) => Buffer.from(key)), [3, 67, 68].map((index) => userKeys('bob').entry(index)))
  assert.deepEqual(log.map(([key]) => Buffer.from(key)), [3, 67, 68].map((seq) => conversationKeys('ann:bob').log(seq)))
})

void test('[QUE-2] [QUE-6] a device that acknowledges in the middle of a run goes on from there, in its window', async () => {
  const { harness, ann, bob } = await pair()
  await sendTogether(harness, ann, 10)
  const back = await harness.reattach(bob, 0, { window: 4 })
  assert.deepEqual(back.indexes, [1, 2, 3, 4])
  assert.equal(back.acknowledge(3), true)
  await harness.settle()
  assert.deepEqual(back.indexes, numbers(1, 7))
  assert.deepEqual(ann.receipts.at(-1), 'bob \'\' delivered 3')
  const again = await harness.reattach(back, 3, { window: 100 })
  assert.deepEqual(again.indexes, numbers(4, 10))
  assert.deepEqual(again.kinds.at(-1), 'done')
})

void test('[QUE-5] live entries of one run are acknowledged one by one', async () => {
  const { harness, ann, bob } = await pair()
  const back = await harness.reattach(bob, 0)
  await sendTogether(harness, ann, 5)
  assert.deepEqual(back.indexes, numbers(1, 5))
  for (const index of [1, 3, 5]) {
    assert.equal(back.acknowledge(index), true)
    await harness.pass(10)
    assert.deepEqual(ann.receipts.at(-1), `bob '' delivered ${String(index)}`)
  }
  assert.equal(back.acknowledge(4), false)
  await harness.pass(1000)
  harness.crash()
  assert.equal((await harness.attach('bob')).attached.cursor, 5)
})

void test('[QUE-6] a run that does not fit into the window of a live device is sent as far as it fits', async () => {
  const { harness, ann, bob } = await pair()
  const back = await harness.reattach(bob, 0, { window: 4 })
  await sendTogether(harness, ann, 6)
  assert.deepEqual(back.indexes, [1, 2, 3, 4])
  back.acknowledge()
  await harness.settle()
  assert.deepEqual(back.indexes, numbers(1, 6))
})

void test('[QUE-6] the window in bytes ends within a run, and at least one entry is sent', async () => {
  const { harness, ann, bob } = await pair({ limits: { windowBytesMax: 100 } })
  for (let i = 0; i < 6; i++) ann.send('bob', 'x'.repeat(40))
  await harness.settle()
  const back = await harness.reattach(bob, 0)
  assert.deepEqual(back.indexes, [1, 2])
  while (back.lastIndex < 6) {
    back.acknowledge()
    await harness.settle()
  }
  assert.deepEqual(back.indexes, numbers(1, 6))
})

void test('[MSG-3] [MSG-4] [MSG-5] retries of messages within runs are recognised, before and after a crash', async () => {
  const { harness, ann } = await pair()
  await sendTogether(harness, ann, 70)
  const acks = ann.acks.map(({ clientId, seq, timeMs }) => [clientId, seq, timeMs])
  await harness.restart()
  const again = await harness.reattach(ann, 0)
  for (const clientId of [70, 1, 64, 65, 2]) again.send('bob', String(clientId - 1), clientId)
  again.send('bob', 'another text', 33)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ clientId, seq, timeMs }) => [clientId, seq, timeMs]), [70, 1, 64, 65, 2].map((id) => acks[id - 1]))
  assert.equal(again.refusals.length, 1)
})

void test('[HIS-1] pages of history are the same whatever the runs: forwards, backwards, cut anywhere', async () => {
  const { harness, ann } = await pair()
  const sizes = [3, 1, 90, 2, 7]
  for (const size of sizes) await sendTogether(harness, ann, size)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: total + 2 }), fc.integer({ min: 1, max: 40 }), async (place, limit) => {
    const forwards = await harness.router.history('bob', 'ann', { after: place, limit })
    assert.deepEqual(forwards.messages.map(({ seq }) => seq), numbers(place + 1, Math.min(total, place + limit)))
    assert.equal(forwards.more, place + limit < total)
    const backwards = await harness.router.history('bob', 'ann', { before: place, limit })
    const last = Math.min(total, place - 1)
    assert.deepEqual(backwards.messages.map(({ seq }) => seq), numbers(Math.max(1, last - limit + 1), last))
    assert.equal(backwards.more, last - limit > 0)
  }), { numRuns: 60 })
})

void test('[RCP-5] an absent user\'s receipt is replaced without touching the entries beside it', async () => {
  const { harness, ann, bob } = await pair()
  ann.send('bob', 'one')
  await harness.settle()
  ann.detach()
  const back = await harness.reattach(bob, 0)
  back.acknowledge()
  back.send('ann', 'between')
  await harness.pass(1000)
  const another = await harness.attach('ann', 'tablet')
  another.detach()
  back.mark('ann', 1)
  back.send('ann', 'behind')
  await harness.pass(1000)
  const seen = await harness.attach('ann', 'laptop')
  assert.deepEqual(seen.indexes, numbers(1, seen.attached.cursor + seen.attached.pending))
  assert.deepEqual(seen.texts, ['between', 'behind'])
})

/** Of each entry where and what it counts as delivered. */
function counted(run: EntryRun): [string, number][] {
  return run.heads.slice(0, run.count).map(({ conversation, seq }) => [conversation, seq])
}

void test('[QUE-14] a row is a run only if its entries follow one another up to the index that its key says', () => {
  const frames = [encodeDelivery(6, 'ann', 1, 1000, NOTHING), encodeReceipt(7, 'ann', '', 1, 1), encodeDelivery(8, 'ann', 2, 1000, Buffer.from('x'))]
  const row = Buffer.concat(frames)
  const run = readRun(row, 8, 'bob')
  assert.ok(run !== null)
  assert.deepEqual([run.first, run.count, counted(run)], [6, 3, [['ann', 1], ['', 0], ['ann', 2]]])
  assert.deepEqual(Buffer.from(run.framesOf(1, 3)), Buffer.concat(frames.slice(1)))
  assert.equal(readRun(row, 7, 'bob'), null)
  assert.equal(readRun(row, 9, 'bob'), null)
  assert.equal(readRun(NOTHING, 8, 'bob'), null)
  for (let length = 0; length < row.length; length++) assert.equal(readRun(row.subarray(0, length), 8, 'bob'), null)
  assert.equal(readRun(Buffer.concat([frames[0]!, frames[2]!]), 8, 'bob'), null)
  // What one has written oneself counts nowhere as delivered.
  assert.deepEqual(counted(readRun(row, 8, 'ann')!), [['', 0], ['', 0], ['', 0]])
})

void test('a skip is a run of one entry', () => {
  const run = skipRun(300)
  assert.deepEqual([run.last, run.count, counted(run)], [300, 1, [['', 0]]])
})

void test('a run of entries is full by count or by bytes', () => {
  const run = new EntryRun()
  for (let index = 1; index <= RUN_ENTRIES_MAX; index++) {
    assert.equal(run.isFull, false)
    run.push(index, 'ann', index)
  }
  assert.equal(run.isFull, true)
})

void test('a log row reads back as what was appended, whatever the numbers', () => {
  const uint = fc.maxSafeNat()
  const record = fc.record({
    from: fc.stringMatching(/^[a-z0-9]{1,64}$/), device: uint, outboxEpoch: uint, clientId: uint, previousSeq: uint,
    timeMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }), text: fc.uint8Array({ maxLength: 300 }), extensions: fc.uint8Array({ maxLength: 20 }),
  })
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: RUN_RECORDS_MAX }), fc.integer({ min: 0, max: 2 ** 40 }), (records, before) => {
    const run = new LogRun()
    records.forEach((each, i) => {
      run.append(before + i + 1, each.from, each.device, each.outboxEpoch, each.clientId, each.previousSeq, each.timeMs, each.text, each.extensions)
    })
    const read = readLogRun(run.row(), run.last)
    assert.deepEqual(
      read.map((each) => ({ ...each, text: [...each.text], extensions: [...each.extensions] })),
      records.map((each, i) => ({ ...each, seq: before + i + 1, change: null, operation: null, present: null, text: [...each.text], extensions: [...each.extensions] })),
    )
    assert.deepEqual(walked(run.row(), run.last), read.map(headOf))
  }))
})

type Head = Pick<LogRecord, 'seq' | 'from' | 'timeMs' | 'text' | 'extensions'>

function headOf({ seq, from, timeMs, text, extensions }: Head): unknown {
  return { seq, from, timeMs, text: [...text], extensions: [...extensions] }
}

/** What a walk over the row comes by. */
function walked(row: Uint8Array, last: number): unknown[] {
  const found: unknown[] = []
  const heads = new LogHeads(row, last)
  while (heads.next()) found.push(headOf(heads))
  return found
}

void test('a walk over a log comes by changes and operations as well, which say nothing', () => {
  const change = encodeChangeRow('ann', 1000, element('group-left'))
  const operation = new ValueWriter().uint(VERSION_OPERATION).string('bob').uint(1).uint(1).uint(7).uint(0).time(2000).uint(3).uint(1).take()
  for (const row of [change, operation]) assert.deepEqual(walked(row, 5), readLogRun(row, 5).map(headOf))
})

void test('a log row of the first format holds one record', () => {
  const row = new ValueWriter().uint(1).string('ann').uint(1).uint(1).uint(7).uint(0).time(1000).bytes(Buffer.from('hi')).bytes(NOTHING).take()
  const [record, ...others] = readLogRun(row, 9)
  assert.deepEqual([record?.seq, record?.from, record?.clientId, others], [9, 'ann', 7, []])
  assert.deepEqual(walked(row, 9), [headOf(record!)])
})

void test('bytes that are no log row are damage', () => {
  const run = new LogRun()
  run.append(1, 'ann', 1, 1, 1, 0, 1000, Buffer.from('hi'), NOTHING)
  const row = Buffer.from(run.row())
  const corrupt = (error: unknown): boolean => error instanceof StorageError && error.code === 'corrupt'
  for (let length = 0; length < row.length; length++) {
    assert.throws(() => readLogRun(row.subarray(0, length), 1), corrupt)
    assert.throws(() => walked(row.subarray(0, length), 1), corrupt)
  }
  for (const [at, value] of [[0, 3], [1, 0], [1, 2], [1, 65]] as const) {
    const damaged = Buffer.from(row)
    damaged[at] = value
    assert.throws(() => readLogRun(damaged, 1), corrupt)
    // Whether the element of a change makes sense is nothing to who walks by.
    if (value !== 3) assert.throws(() => walked(damaged, 1), corrupt)
  }
})
