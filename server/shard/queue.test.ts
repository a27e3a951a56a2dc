import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, RESUME } from '../../protocol/generated/registry.js'
import type { KeyRange } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { storedEntries, storedMessages } from '../testing/entries.js'
import { routerError, ShardHarness } from '../testing/shard-harness.js'
import type { TestDevice } from '../testing/shard-harness.js'

/** Ann is online; bob's phone was, and went with an empty queue. */
async function absent(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness; ann: TestDevice; bob: TestDevice }> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob', 'cy')
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  bob.detach()
  await harness.pass(1000)
  return { harness, ann, bob }
}

async function send(harness: ShardHarness, from: TestDevice, to: string, count: number, text = 'text'): Promise<void> {
  for (let i = 0; i < count; i++) from.send(to, text)
  await harness.settle()
}

void test('[QUE-1] [QUE-2] [QUE-7] the backlog comes in order from the cursor on, then done once, then what is live', async () => {
  const { harness, ann, bob } = await absent()
  await send(harness, ann, 'bob', 3)
  const back = await harness.reattach(bob, 0)
  assert.deepEqual([back.attached.resume, back.attached.cursor, back.attached.pending], [RESUME.resumed, 0, 3])
  await send(harness, ann, 'bob', 2)
  assert.deepEqual(back.kinds, ['delivery', 'delivery', 'delivery', 'done', 'delivery', 'delivery'])
  assert.deepEqual(back.indexes, [1, 2, 3, 4, 5])
  // Without an acknowledgement nothing has happened.
  assert.deepEqual((await harness.reattach(bob, 0)).indexes, [1, 2, 3, 4, 5])
  assert.deepEqual((await harness.reattach(bob, 3)).indexes, [4, 5])
})

void test('[QUE-7] an entry that comes between the bind and its welcome is live: done comes before it', async () => {
  const { harness, ann, bob } = await absent()
  const coming = harness.reattach(bob, 0)
  // In the very turns in which the bind is carried out.
  for (let i = 0; i < 6; i++) {
    ann.send('bob', 'just now')
    await new Promise((resolve) => setImmediate(resolve))
  }
  const back = await coming
  await harness.settle()
  const { pending } = back.attached
  assert.ok(back.texts.length > pending)
  assert.equal(back.kinds.indexOf('done'), pending)
  assert.equal(back.kinds.filter((kind) => kind === 'done').length, 1)
})

void test('[QUE-7] with nothing waiting done names the cursor', async () => {
  const { harness, bob } = await absent()
  const back = await harness.reattach(bob, 0)
  assert.deepEqual(back.frames.map((frame) => 'index' in frame && frame.index), [0])
})

void test('[QUE-6] no more than the window is unacknowledged; what is acknowledged makes room, and nothing is left out', async () => {
  const { harness, ann, bob } = await absent()
  await send(harness, ann, 'bob', 10)
  const back = await harness.reattach(bob, 0, { window: 4 })
  assert.equal(back.attached.window, 4)
  assert.deepEqual(back.indexes, [1, 2, 3, 4])
  back.acknowledge(1)
  await harness.settle()
  back.acknowledge(3)
  await harness.settle()
  assert.deepEqual(back.indexes, [1, 2, 3, 4, 5, 6, 7])
  await send(harness, ann, 'bob', 3)
  while (back.acknowledge() && back.lastIndex < 13) await harness.settle()
  assert.deepEqual(back.indexes, Array.from({ length: 13 }, (_, i) => i + 1))
  assert.equal(back.kinds.indexOf('done'), 10)
})

void test('[QUE-6] the window is the smaller of what the device asks for and the limit', async () => {
  const { harness, bob } = await absent({ limits: { windowDefault: 8, windowMax: 16 } })
  assert.equal((await harness.reattach(bob, 0)).attached.window, 8)
  assert.equal((await harness.reattach(bob, 0, { window: 500 })).attached.window, 16)
})

void test('[QUE-6] bytes count too: large entries stop before the window is full, and at least one is sent', async () => {
  const { harness, ann, bob } = await absent({ limits: { windowBytesMax: 1500 } })
  await send(harness, ann, 'bob', 5, 'x'.repeat(600))
  const back = await harness.reattach(bob, 0)
  assert.deepEqual(back.indexes, [1, 2, 3])
  back.acknowledge(1)
  await harness.settle()
  assert.deepEqual(back.indexes, [1, 2, 3, 4])
  back.acknowledge(4)
  await harness.settle()
  assert.deepEqual(back.indexes, [1, 2, 3, 4, 5])
})

void test('[QUE-2] a device that falls behind while entries come is fed from the store without a gap', async () => {
  const { harness, ann, bob } = await absent()
  const back = await harness.reattach(bob, 0, { window: 4 })
  for (let round = 0; round < 30; round++) {
    ann.send('bob', String(round))
    if (round % 3 === 0) await harness.settle()
    if (round % 7 === 0) back.acknowledge()
  }
  while (back.lastIndex < 30) {
    back.acknowledge()
    await harness.settle()
  }
  assert.deepEqual(back.texts, Array.from({ length: 30 }, (_, i) => String(i)))
})

void test('[QUE-5] an acknowledgement of what was never sent, or backwards, is refused', async () => {
  const { harness, ann, bob } = await absent()
  await send(harness, ann, 'bob', 3)
  const back = await harness.reattach(bob, 0, { window: 2 })
  assert.deepEqual([back.acknowledge(3), back.acknowledge(2), back.acknowledge(2), back.acknowledge(1)], [false, true, true, false])
})

void test('[QUE-10] the queue is trimmed behind the slowest cursor only', async () => {
  const { harness, ann, bob } = await absent({ limits: { trimEvery: 4 } })
  const tablet = await harness.attach('bob', 'tablet')
  for (let i = 0; i < 10; i++) await send(harness, ann, 'bob', 2)
  tablet.acknowledge()
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 20)
  const phone = await harness.reattach(bob, 0)
  phone.acknowledge(10)
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 10)
  phone.detach()
  assert.deepEqual((await harness.reattach(phone, 10)).indexes.slice(0, 2), [11, 12])
})

void test('[QUE-8] [QUE-10] a device further behind than the queue may hold is told too old and goes on from the end', async () => {
  const { harness, ann, bob } = await absent({ limits: { queueEntriesMax: 10, trimEvery: 4 } })
  for (let i = 0; i < 15; i++) await send(harness, ann, 'bob', 2)
  await harness.pass(1000)
  assert.ok(await storedEntries(harness.engine, 'bob') <= 14)
  const back = await harness.reattach(bob, 0)
  assert.deepEqual([back.attached.resume, back.attached.cursor, back.attached.pending], [RESUME.tooOld, 30, 0])
  assert.deepEqual(back.kinds, ['done'])
  await send(harness, ann, 'bob', 1)
  assert.deepEqual(back.indexes, [31])
  // All of it is in the conversation.
  assert.equal((await harness.router.history('bob', 'ann', { after: 0, limit: 100 })).messages.length, 31)
  // A device that is new takes what the queue holds.
  const tablet = await harness.attach('bob', 'tablet')
  assert.equal(tablet.attached.resume, RESUME.fresh)
  assert.equal(tablet.indexes.at(-1), 31)
  assert.deepEqual(tablet.kinds.includes('skip'), false)
})

void test('[QUE-8] a cursor beyond the end or of another epoch is too old', async () => {
  const { harness, ann, bob } = await absent()
  await send(harness, ann, 'bob', 3)
  assert.deepEqual((await harness.reattach(bob, 9)).attached.resume, RESUME.tooOld)
  const other = await harness.reattach(bob, 3, { queueEpoch: bob.attached.queueEpoch + 1 })
  assert.deepEqual([other.attached.resume, other.attached.cursor], [RESUME.tooOld, 3])
})

void test('[QUE-8] a session that is to go on at another owner, and can not, moves nothing of its device', async () => {
  const { harness, ann, bob } = await absent({ limits: { trimEvery: 1 } })
  await send(harness, ann, 'bob', 4)
  const phone = await harness.reattach(bob, 0)
  await send(harness, ann, 'bob', 2)
  phone.acknowledge(4)
  phone.detach()
  await harness.pass(1000)
  // A node that slept wants to go on with a session that the device has left behind.
  await assert.rejects(harness.reattach(bob, 1, { resumes: bob.attached.stamp }), routerError(ERROR.replaced))
  // Nor with an outbox that nobody here has given it.
  const { stamp, outboxEpoch } = phone.attached
  await assert.rejects(harness.reattach(phone, 4, { resumes: stamp, outboxEpoch: outboxEpoch + 1 }), routerError(ERROR.replaced))
  const back = await harness.reattach(phone, 4)
  assert.deepEqual([back.attached.resume, back.indexes, back.attached.outboxEpoch], [RESUME.resumed, [5, 6], outboxEpoch])
})

void test('[QUE-10] a connected device that falls too far behind is ended as a slow consumer and told too old when it comes back', async () => {
  const { harness, ann, bob } = await absent({ limits: { queueEntriesMax: 10, trimEvery: 4 } })
  const slow = await harness.reattach(bob, 0, { window: 2 })
  await send(harness, ann, 'bob', 30)
  await harness.pass(1000)
  assert.equal(slow.endedWith, ERROR.slowConsumer)
  assert.equal((await harness.reattach(bob, 2)).attached.resume, RESUME.tooOld)
})

void test('[QUE-10] a device away for longer than its age no longer holds the queue of the others back', async () => {
  const { harness, ann, bob } = await absent({ limits: { trimEvery: 4, queueAgeMs: 86_400_000 } })
  const tablet = await harness.attach('bob', 'tablet')
  await harness.pass(86_400_001)
  await send(harness, ann, 'bob', 8)
  tablet.acknowledge()
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
  assert.equal((await harness.reattach(bob, 0)).attached.resume, RESUME.tooOld)
})

void test('[QUE-10] a device that acknowledges is not away, however long its connection has lasted when the server crashes', async () => {
  const { harness, ann, bob } = await absent({ limits: { trimEvery: 4, queueAgeMs: 86_400_000 } })
  let phone = await harness.reattach(bob, 0)
  await harness.attach('bob', 'tablet')
  await harness.pass(86_400_001)
  await send(harness, ann, 'bob', 4)
  phone.acknowledge(2)
  await harness.pass(1000)
  harness.crash()
  const writer = await harness.reattach(ann, 0)
  const tablet = await harness.attach('bob', 'tablet')
  writer.send('bob', 'more', 50)
  await harness.settle()
  tablet.acknowledge()
  await harness.pass(1000)
  phone = await harness.reattach(phone, 2)
  assert.equal(phone.attached.resume, RESUME.resumed)
  assert.deepEqual(phone.indexes, [3, 4, 5])
})

void test('[QUE-8] too old names a position that is on disk, also while a commit is under way that fails', async () => {
  let isFailing = false
  let release = (): void => undefined
  const engine = new MemoryEngine({
    beforeCommit: async () => {
      if (!isFailing) return
      await new Promise<void>((resolve) => { release = resolve })
      throw new Error('input/output error')
    },
  })
  const { harness, ann, bob } = await absent({ engine })
  isFailing = true
  ann.send('bob', 'never stored')
  await harness.settle()
  const outcome = harness.reattach(bob, 99).then(() => 'attached', () => 'refused')
  await harness.settle()
  isFailing = false
  release()
  assert.equal(await outcome, 'refused')
  await harness.pass(10_000)
  const back = await harness.reattach(bob, 0)
  const writer = await harness.reattach(ann, 0)
  writer.send('bob', 'stored', 2)
  await harness.settle()
  assert.deepEqual(back.texts, ['stored'])
})

void test('[QUE-2] the cursor of a device that has gone is not lost with its user\'s place in memory', async () => {
  const { harness, ann, bob } = await absent({ limits: { residentUsersMax: 1 } })
  const back = await harness.reattach(bob, 0)
  back.send('ann', 'one')
  await harness.settle()
  ann.acknowledge()
  await harness.settle()
  assert.deepEqual(back.receipts, ['ann \'\' delivered 1'])
  // Nothing but the cursor is to be written, and nobody waits for that.
  back.acknowledge(1)
  back.detach()
  for (const user of ['cy', 'nobody', 'cy', 'nobody', 'cy']) {
    await harness.router.account(user)
    await harness.settle()
  }
  // A device that has lost its state goes on from its last acknowledgement.
  const fresh = await harness.attach('bob')
  assert.deepEqual([fresh.attached.resume, fresh.attached.cursor], [RESUME.fresh, 1])
  assert.deepEqual(fresh.indexes, [])
})

void test('[QUE-10] a queue to be trimmed is not forgotten with its user\'s place in memory', async () => {
  const { harness, ann, bob } = await absent({ limits: { queueEntriesMax: 8, trimEvery: 4, residentUsersMax: 0, residentConversationsMax: 0 } })
  for (let round = 0; round < 30; round++) {
    ann.send('bob', String(round))
    await harness.settle()
    await harness.router.account('cy')
    await harness.router.account('bob')
    await harness.settle()
  }
  await harness.pass(1000)
  const back = await harness.reattach(bob, 0)
  // Too old, or everything: never a hole.
  assert.equal(back.attached.resume, RESUME.tooOld)
  assert.deepEqual(back.kinds, ['done'])
  assert.ok(await storedEntries(harness.engine, 'bob') <= 12)
})

void test('[QUE-15] removing the slowest device lets the queue go', async () => {
  const { harness, ann } = await absent({ limits: { trimEvery: 4 } })
  const tablet = await harness.attach('bob', 'tablet')
  await send(harness, ann, 'bob', 8)
  tablet.acknowledge()
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 8)
  await harness.router.removeDevice('bob', 'phone')
  await harness.settle()
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
  // Numbers go on where they were, also after a restart.
  await harness.restart()
  const writer = await harness.reattach(ann, 0)
  writer.send('bob', 'next', 99)
  await harness.settle()
  assert.deepEqual((await harness.reattach(tablet, 8)).indexes, [9])
})

void test('a cursor alone is written within the second, also when its time comes while another commit is under way', async () => {
  let release: (() => void) | null = null
  let isSlow = false
  const engine = new MemoryEngine({ beforeCommit: () => isSlow ? new Promise<void>((resolve) => { release = resolve }) : undefined })
  const { harness, ann, bob } = await absent({ engine })
  await send(harness, ann, 'bob', 1)
  const back = await harness.reattach(bob, 0)
  back.acknowledge()
  await harness.pass(1000)
  isSlow = true
  ann.send('cy', 'slow')
  await harness.settle()
  back.detach()
  await harness.pass(600)
  isSlow = false
  ;(release as (() => void) | null)?.()
  await harness.pass(600)
  const seen = (await harness.router.devices('bob')).find(({ device }) => device === 'phone')?.lastActiveMs
  harness.crash()
  assert.equal((await harness.router.devices('bob')).find(({ device }) => device === 'phone')?.lastActiveMs, seen)
})

void test('a sink that leaves while it is offered an entry takes none from the user\'s other devices', async () => {
  const { harness, ann, bob } = await absent()
  const devices = [await harness.reattach(bob, 0), await harness.attach('bob', 'tablet'), await harness.attach('bob', 'laptop')]
  const leaving = devices[0]
  assert.ok(leaving)
  const entries = leaving.entries.bind(leaving)
  leaving.entries = (frames, last, count) => {
    entries(frames, last, count)
    leaving.detach()
  }
  await send(harness, ann, 'bob', 1)
  assert.deepEqual(devices.map(({ texts }) => texts.length), [1, 1, 1])
})

void test('[MSG-6] the log keeps what the queue has let go', async () => {
  const { harness, ann, bob } = await absent({ limits: { trimEvery: 1 } })
  const back = await harness.reattach(bob, 0)
  await send(harness, ann, 'bob', 4)
  back.acknowledge()
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
  assert.equal(await storedMessages(harness.engine, 'ann:bob'), 4)
})

void test('[QUE-10] a trim that failed is made good by the next, and one that succeeded is not walked over again', async () => {
  const ranges: string[] = []
  let isBroken = true
  class RecordingEngine extends MemoryEngine {
    override async trim(range: KeyRange): Promise<void> {
      ranges.push(`${String(numberAt(range.gte))} ${String(numberAt(range.lt))}`)
      if (isBroken) throw new Error('input/output error')
      return super.trim(range)
    }
  }
  const { harness, ann, bob } = await absent({ engine: new RecordingEngine(), limits: { trimEvery: 2 } })
  for (let i = 0; i < 3; i++) await send(harness, ann, 'bob', 2)
  const back = await harness.reattach(bob, 0)
  back.acknowledge(2)
  await harness.pass(1000)
  assert.equal(await storedEntries(harness.engine, 'bob'), 6)
  isBroken = false
  back.acknowledge(4)
  await harness.pass(1000)
  back.acknowledge(6)
  await harness.pass(1000)
  assert.deepEqual(ranges, ['0 3', '0 5', '5 7'])
  assert.equal(await storedEntries(harness.engine, 'bob'), 0)
})
