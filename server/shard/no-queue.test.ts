/** Sessions that take nothing off the queue: what they are spared, and what they leave to the others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RESUME } from '../../protocol/generated/registry.js'
import { storedEntries } from '../testing/entries.js'
import { ShardHarness } from '../testing/shard-harness.js'
import type { TestDevice } from '../testing/shard-harness.js'

const JOURNAL_MS = 500
const NO_QUEUE = { noQueue: true } as const

async function world(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness, ann: TestDevice }> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob')
  return { harness, ann: await harness.attach('ann') }
}

async function send(harness: ShardHarness, from: TestDevice, to: string, count: number): Promise<void> {
  for (let i = 1; i <= count; i++) from.send(to, String(i))
  await harness.settle()
}

test('[QUE-17] it is sent no entry and no done, neither of what waits nor of what comes, and speaks as any other', async () => {
  const { harness, ann } = await world()
  await send(harness, ann, 'bob', 3)
  const logger = await harness.attach('bob', 'logger', NO_QUEUE)
  assert.deepEqual([logger.attached.resume, logger.attached.pending], [RESUME.fresh, 3])
  await send(harness, ann, 'bob', 2)
  logger.send('ann', 'line')
  await harness.settle()
  assert.deepEqual([logger.kinds, logger.acks.map(({ seq }) => seq)], [[], [6]])
  assert.deepEqual(ann.texts, ['line'])
})

test('[QUE-5] [QUE-17] there is nothing that it could acknowledge, and nobody is told that anything was delivered', async () => {
  const { harness, ann } = await world()
  await send(harness, ann, 'bob', 3)
  const logger = await harness.attach('bob', 'logger', NO_QUEUE)
  await send(harness, ann, 'bob', 2)
  assert.deepEqual([logger.acknowledge(1), logger.acknowledge(logger.attached.cursor)], [false, true])
  await harness.pass(1000)
  assert.deepEqual(ann.receipts, [])
})

test('[QUE-18] it holds nothing back: what the others have is gone', async () => {
  const { harness, ann } = await world({ limits: { trimEvery: 4 } })
  await harness.attach('bob', 'logger', NO_QUEUE)
  const phone = await harness.attach('bob')
  await harness.pass(3 * JOURNAL_MS)
  await send(harness, ann, 'bob', 2)
  // All who take entries are there: these stand in the journal alone.
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
  await harness.pass(3 * JOURNAL_MS)
  await send(harness, ann, 'bob', 6)
  phone.acknowledge()
  await harness.pass(3 * JOURNAL_MS)
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
})

for (const [when, away] of [['at once', async () => {}], ['after a restart', (harness: ShardHarness) => harness.restart()]] as const) {
  test(`[QUE-18] once it takes entries it begins like a new device, with all that the queue holds: ${when}`, async () => {
    const { harness, ann } = await world({ limits: { trimEvery: 4 } })
    await send(harness, ann, 'bob', 3)
    const logger = await harness.attach('bob', 'laptop', NO_QUEUE)
    logger.detach()
    await send(harness, ann, 'bob', 2)
    await harness.pass(1000)
    await away(harness)
    const phone = await harness.attach('bob')
    assert.deepEqual(phone.texts, ['1', '2', '3', '1', '2'])
    phone.acknowledge(4)
    await harness.pass(1000)
    const laptop = await harness.attach('bob', 'laptop')
    assert.deepEqual([laptop.attached.resume, laptop.indexes], [RESUME.fresh, [5]])
    phone.acknowledge(5)
    await harness.pass(1000)
    phone.detach()
    // From here on it has its place.
    await harness.restart()
    assert.equal(await storedEntries(harness.engine, 'bob') > 0, true)
    assert.deepEqual((await harness.reattach(laptop, 4)).indexes, [5])
  })
}

test('[QUE-17] a device that has a place keeps it, and holds the queue back as one that is away', async () => {
  const { harness, ann } = await world({ limits: { trimEvery: 4, queueEntriesMax: 10 } })
  const phone = await harness.attach('bob')
  await send(harness, ann, 'bob', 4)
  phone.acknowledge(2)
  const asking = await harness.reattach(phone, 2, NO_QUEUE)
  await send(harness, ann, 'bob', 4)
  await harness.pass(1000)
  assert.deepEqual([asking.attached.resume, asking.attached.pending, asking.indexes], [RESUME.resumed, 2, []])
  const back = await harness.reattach(phone, 2)
  assert.deepEqual([back.attached.resume, back.indexes], [RESUME.resumed, [3, 4, 5, 6, 7, 8]])
})

test('[QUE-8] [QUE-17] where its device falls too far behind the session goes on, and the device is told when it takes entries again', async () => {
  const { harness, ann } = await world({ limits: { trimEvery: 4, queueEntriesMax: 10 } })
  const phone = await harness.attach('bob')
  const asking = await harness.reattach(phone, 0, NO_QUEUE)
  await send(harness, ann, 'bob', 30)
  await harness.pass(1000)
  assert.equal(asking.endedWith, 0)
  assert.equal((await harness.reattach(phone, 0, NO_QUEUE)).attached.resume, RESUME.tooOld)
  const back = await harness.reattach(phone, 0)
  assert.deepEqual([back.attached.resume, back.attached.cursor], [RESUME.tooOld, 30])
})

test('[QUE-17] it goes on at another owner wherever the queue is by then', async () => {
  const { harness, ann } = await world({ limits: { trimEvery: 1 } })
  const logger = await harness.attach('bob', 'logger', NO_QUEUE)
  const phone = await harness.attach('bob')
  await send(harness, ann, 'bob', 4)
  phone.acknowledge()
  await harness.restart()
  const { stamp: resumes, cursor } = logger.attached
  const again = await harness.reattach(logger, cursor, { ...NO_QUEUE, resumes })
  assert.deepEqual([again.attached.resume, again.attached.cursor], [RESUME.resumed, cursor])
})

test('[QUE-17] at another owner, too, it acknowledges nothing: nobody is told that anything was delivered, and what waits waits', async () => {
  const { harness, ann } = await world({ limits: { queueEntriesMax: 10 } })
  const phone = await harness.attach('bob')
  await send(harness, ann, 'bob', 30)
  // The phone is too far behind, so that the welcome of both names a cursor ahead of its own.
  const goesOn = async (session: TestDevice): Promise<void> => {
    const { stamp: resumes, cursor } = session.attached
    await harness.restart()
    const again = await harness.reattach(session, cursor, { ...NO_QUEUE, resumes })
    assert.equal(again.attached.resume, RESUME.resumed)
  }
  await goesOn(await harness.reattach(phone, 0, NO_QUEUE))
  await goesOn(await harness.attach('bob', 'logger', NO_QUEUE))
  await harness.pass(1000)
  assert.deepEqual((await harness.attach('ann')).receipts, [])
  assert.equal((await harness.attach('bob', 'tablet')).texts.length, 10)
})

test('[RCP-5] what stands for the last of its kind is replaced while no session takes it', async () => {
  const { harness, ann } = await world()
  const logger = await harness.attach('bob', 'logger', NO_QUEUE)
  for (let i = 1; i <= 3; i++) {
    logger.send('ann', 'line')
    await harness.settle()
    ann.acknowledge()
    await harness.settle()
  }
  assert.equal((await harness.attach('bob')).receipts.length, 1)
})

test('what stands for the last of its kind is forgotten once it is trimmed, however long nobody takes it', async () => {
  const limits = { queueEntriesMax: 8, trimEvery: 4, strangerPerSecond: 0 }
  const { harness, ann } = await world({ limits })
  const others = Array.from({ length: 40 }, (_, i) => `u${String(i)}`)
  await harness.addUsers(...others)
  const logger = await harness.attach('bob', 'logger', NO_QUEUE)
  const receiptOf = async (device: TestDevice): Promise<void> => {
    logger.send(device.user, 'line')
    await harness.settle()
    device.acknowledge()
    await harness.settle()
  }
  for (const name of others) await receiptOf(await harness.attach(name))
  const kept = harness.shard.life.users.get('bob')?.unsentEntries
  assert.ok(kept !== null && kept !== undefined && kept.size > 0 && kept.size <= limits.queueEntriesMax + 2 * limits.trimEvery, String(kept?.size))
  // One that is kept though its entry is trimmed already, and comes again, is behind the others then.
  const bob = harness.shard.life.users.get('bob')!
  const [first] = kept.keys()
  await send(harness, ann, 'bob', 2 * limits.queueEntriesMax)
  await harness.pass(1000)
  assert.ok(kept.get(first!)! <= bob.trimmedTo)
  await receiptOf(await harness.attach(first!.split('/').at(-1)!))
  assert.equal([...kept.keys()].at(-1), first)
})
