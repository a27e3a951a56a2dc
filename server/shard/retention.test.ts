import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import type { KeyRange } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { DamagedEngine } from '../testing/damaged-engine.js'
import { storedMessages } from '../testing/entries.js'
import { ShardHarness } from '../testing/shard-harness.js'
import type { TestDevice } from '../testing/shard-harness.js'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000

async function talk(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness; ann: TestDevice; bob: TestDevice }> {
  const harness = new ShardHarness({ ...options, limits: { retentionMs: 10 * DAY_MS, ...options.limits } })
  await harness.addUsers('ann', 'bob')
  return { harness, ann: await harness.attach('ann'), bob: await harness.attach('bob') }
}

async function send(harness: ShardHarness, from: TestDevice, to: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) from.send(to, `text ${String(i)}`)
  await harness.settle()
}

async function records(harness: ShardHarness, name: string): Promise<number> {
  return storedMessages(harness.engine, name)
}

async function summary(harness: ShardHarness, user: string): Promise<[number, number, number | null] | null> {
  const [first] = (await harness.router.conversations(user, '', 1)).conversations
  return first === undefined ? null : [first.tail, first.unread, first.last?.seq ?? null]
}

void test('messages older than the retention are gone, the younger ones stay, and unread counts what exists', async () => {
  const { harness, ann, bob } = await talk()
  await send(harness, ann, 'bob', 5)
  await send(harness, bob, 'ann', 1)
  await harness.pass(6 * DAY_MS)
  await send(harness, ann, 'bob', 3)
  assert.deepEqual(await summary(harness, 'bob'), [9, 8, 9])
  await harness.pass(4 * DAY_MS + 2 * HOUR_MS)
  assert.equal(await records(harness, 'ann:bob'), 3)
  assert.deepEqual((await harness.router.history('bob', 'ann', { after: 0, limit: 100 })).messages.map(({ seq }) => seq), [7, 8, 9])
  assert.deepEqual((await harness.router.history('bob', 'ann', { limit: 3 })).more, false)
  assert.deepEqual([await summary(harness, 'bob'), await summary(harness, 'ann')], [[9, 3, 9], [9, 0, 9]])
  harness.crash()
  assert.deepEqual([await summary(harness, 'bob'), await summary(harness, 'ann')], [[9, 3, 9], [9, 0, 9]])
})

void test('[MSG-6] [MSG-3] where every message is gone the numbers go on, and a retry of the last is still recognised', async () => {
  const { harness, ann } = await talk()
  await send(harness, ann, 'bob', 3)
  const first = ann.acks.slice()
  await harness.pass(11 * DAY_MS)
  assert.equal(await records(harness, 'ann:bob'), 0)
  assert.deepEqual(await summary(harness, 'bob'), [3, 0, null])
  await harness.restart()
  assert.deepEqual(await summary(harness, 'bob'), [3, 0, null])
  const again = await harness.reattach(ann, 0)
  again.send('bob', 'text 2', 3)
  again.send('bob', 'text 1', 2)
  again.send('bob', 'next', 4)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ clientId, seq }) => [clientId, seq]), [[3, 3], [4, 4]])
  assert.equal(again.acks[0]?.timeMs, first[2]?.timeMs)
  assert.deepEqual(again.refusals.map(({ clientId, error }) => [clientId, error]), [[2, ERROR.staleClientId]])
  assert.deepEqual(await summary(harness, 'bob'), [4, 1, 4])
})

void test('[RCP-8] a mark among messages that are gone leaves the truth', async () => {
  const { harness, ann, bob } = await talk()
  await send(harness, ann, 'bob', 4)
  await harness.pass(6 * DAY_MS)
  await send(harness, ann, 'bob', 3)
  await harness.pass(5 * DAY_MS)
  bob.mark('ann', 2)
  await harness.settle()
  assert.deepEqual(await summary(harness, 'bob'), [7, 3, 7])
  bob.mark('ann', 5)
  await harness.settle()
  assert.deepEqual(await summary(harness, 'bob'), [7, 2, 7])
})

void test('every conversation is swept, a few at a time, also long ones in several steps and those not in memory', async () => {
  const { harness, ann } = await talk({ limits: { residentConversationsMax: 1, residentUsersMax: 1 } })
  const names = Array.from({ length: 50 }, (_, i) => `user${String(i)}`)
  await harness.addUsers(...names)
  for (const name of names) await send(harness, ann, name, 2)
  await send(harness, ann, 'bob', 10_000)
  await harness.pass(10 * DAY_MS + 2 * HOUR_MS)
  assert.equal(await records(harness, 'ann:bob'), 0)
  for (const name of names) assert.equal(await records(harness, `ann:${name}`), 0)
  assert.deepEqual(await summary(harness, 'bob'), [10_000, 0, null])
  assert.equal((await harness.router.conversations('ann', '', 100)).conversations.length, 51)
})

void test('records go only after that they are gone is on disk, and a sweep cut short is finished by the next', async () => {
  const order: string[] = []
  class RecordingEngine extends MemoryEngine {
    override async trim(range: KeyRange): Promise<void> {
      order.push('trim')
      if (isBroken) throw new Error('input/output error')
      return super.trim(range)
    }
  }
  let isBroken = true
  const engine = new RecordingEngine({ afterCommit: () => { order.push('commit') } })
  const { harness, ann } = await talk({ engine })
  await send(harness, ann, 'bob', 3)
  // That they were seen is written meanwhile.
  await harness.pass(HOUR_MS)
  order.length = 0
  await harness.pass(10 * DAY_MS + 2 * HOUR_MS)
  assert.deepEqual(order.slice(0, 2), ['commit', 'trim'])
  assert.equal(await records(harness, 'ann:bob'), 3)
  assert.deepEqual(await summary(harness, 'bob'), [3, 0, null])
  assert.ok(harness.events.includes('retention can\'t go on yet'))
  isBroken = false
  await harness.pass(2 * HOUR_MS)
  assert.equal(await records(harness, 'ann:bob'), 0)
})

void test('a store that fails while messages are being forgotten takes no record away, and the sweep goes on when it is back', async () => {
  let isFailing = false
  const engine = new MemoryEngine({ beforeCommit: () => { if (isFailing) throw new Error('no space') } })
  const { harness, ann } = await talk({ engine })
  await send(harness, ann, 'bob', 3)
  await harness.pass(10 * DAY_MS - HOUR_MS)
  isFailing = true
  await harness.pass(3 * HOUR_MS)
  assert.equal(await records(harness, 'ann:bob'), 3)
  isFailing = false
  await harness.pass(2 * HOUR_MS)
  assert.equal(await records(harness, 'ann:bob'), 0)
})

void test('without a retention nothing is ever forgotten, and with one a closed shard rests', async () => {
  const { harness, ann } = await talk({ limits: { retentionMs: 0 } })
  await send(harness, ann, 'bob', 3)
  await harness.pass(1000 * DAY_MS)
  assert.equal(await records(harness, 'ann:bob'), 3)
  const other = await talk()
  await send(other.harness, other.ann, 'bob', 3)
  await other.harness.shard.close()
  await other.harness.pass(20 * DAY_MS)
  assert.equal(await records(other.harness, 'ann:bob'), 3)
})

void test('a damaged row stops the sweep in its own conversation alone', async () => {
  const engine = new DamagedEngine()
  const { harness, ann } = await talk({ engine, limits: { residentConversationsMax: 0 } })
  const names = Array.from({ length: 12 }, (_, i) => `user${String(i)}`)
  await harness.addUsers(...names)
  for (const name of ['bob', ...names]) await send(harness, ann, name, 1)
  // One that the walk stumbles over, and one that is found when the first record is read.
  engine.damage(conversationKeys('ann:user1').meta(), conversationKeys('ann:user2').log(1))
  await harness.pass(10 * DAY_MS + 2 * HOUR_MS)
  const left = []
  for (const name of ['bob', ...names]) {
    const rows = await records(harness, `ann:${name}`).catch(() => 1)
    if (rows > 0) left.push(name)
  }
  assert.deepEqual(left, ['user1', 'user2'])
  assert.equal(harness.shard.isAvailable, true)
})
