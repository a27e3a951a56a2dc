import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { ShardHarness } from '../testing/shard-harness.js'

async function pair(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<ShardHarness> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob')
  return harness
}

void test('[MSG-3] a message sent again gets the seq and time of the first, also after a restart, and is delivered once', async () => {
  const harness = await pair()
  let ann = await harness.attach('ann')
  for (const text of ['one', 'two', 'three']) ann.send('bob', text)
  await harness.settle()
  const first = ann.acks.slice()
  harness.nowMs += 5000
  ann.send('bob', 'two', 2)
  await harness.restart()
  ann = await harness.reattach(ann, 0)
  for (const [i, text] of ['one', 'two', 'three'].entries()) ann.send('bob', text, i + 1)
  await harness.settle()
  assert.deepEqual(ann.acks, first)
  assert.deepEqual((await harness.attach('bob')).texts, ['one', 'two', 'three'])
})

void test('[MSG-4] [MSG-5] [MSG-11] another text under a used id is a conflict, a lower id never used is stale; neither takes a seq', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  ann.send('bob', 'five', 5)
  ann.send('bob', 'other', 5)
  ann.send('bob', 'four', 4)
  ann.send('bob', 'six', 6)
  await harness.settle()
  assert.deepEqual(ann.refusals.map(({ clientId, error }) => [clientId, error]), [[5, ERROR.conflict], [4, ERROR.staleClientId]])
  assert.deepEqual(ann.acks.map(({ clientId, seq }) => [clientId, seq]), [[5, 1], [6, 2]])
  assert.deepEqual((await harness.attach('bob')).texts, ['five', 'six'])
})

void test('[MSG-3] client ids of another outbox epoch or another device are other messages', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  ann.send('bob', 'one', 1)
  await harness.settle()
  const anew = await harness.attach('ann')
  assert.notEqual(anew.attached.outboxEpoch, ann.attached.outboxEpoch)
  anew.send('bob', 'one', 1)
  await harness.settle()
  const tablet = await harness.attach('ann', 'tablet')
  tablet.send('bob', 'one', 1)
  await harness.settle()
  assert.deepEqual([anew.acks[0]?.seq, tablet.acks[0]?.seq], [2, 3])
  const old = await harness.reattach(ann, 0)
  old.send('bob', 'one', 1)
  await harness.settle()
  assert.deepEqual(old.acks.map(({ seq }) => seq), [1])
})

void test('[OPN-17] an epoch that was never given to the device is not taken, a larger one is issued', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  const invented = await harness.attach('ann', 'phone', { outboxEpoch: 77 })
  assert.equal(invented.attached.outboxEpoch, ann.attached.outboxEpoch + 1)
})

void test('[MSG-3] a long run of retries costs one read each, not the whole way back for every one', async () => {
  let reads = 0
  class CountingEngine extends MemoryEngine {
    override async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
      reads++
      return super.getMany(keys)
    }
  }
  const harness = await pair({ engine: new CountingEngine() })
  const ann = await harness.attach('ann')
  for (let i = 0; i < 300; i++) ann.send('bob', String(i))
  await harness.settle()
  reads = 0
  for (let i = 0; i < 300; i++) ann.send('bob', String(i), i + 1)
  await harness.settle()
  assert.deepEqual(ann.acks.slice(300), ann.acks.slice(0, 300))
  assert.ok(reads < 700, `${String(reads)} reads`)
})

void test('[MSG-14] [MSG-6] a clock set back does not set a conversation back', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  ann.send('bob', 'one')
  await harness.settle()
  harness.nowMs -= 60_000
  ann.send('bob', 'two')
  await harness.restart()
  const again = await harness.reattach(ann, 0)
  again.send('bob', 'three', 3)
  await harness.settle()
  const times = (await harness.router.history('ann', 'bob', { limit: 10 })).messages.map(({ timeMs }) => timeMs)
  assert.equal(times.length, 3)
  assert.deepEqual(times, times.slice().sort((one, other) => one - other))
})

void test('[MSG-7] [MSG-8] [MSG-9] [ADR-1] what is not a message is refused by name and reaches nobody', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  const { attachment } = ann.attached
  ann.send('bob', 'x'.repeat(701))
  ann.send('bob', '')
  ann.send('no one', 'hello')
  ann.send('#team', 'hello')
  ann.send('nobody', 'hello')
  harness.router.message(attachment, 6, 'bob', Buffer.from([0xff]), new Uint8Array(0))
  harness.router.message(attachment, 7, 'bob', Buffer.from('hi'), Buffer.from([4, 0]))
  ann.send('BOB', 'hello', 8)
  await harness.settle()
  assert.deepEqual(ann.refusals.map(({ clientId, error }) => [clientId, error]).sort(([one = 0], [other = 0]) => one - other), [
    [1, ERROR.textTooLong], [2, ERROR.emptyMessage], [3, ERROR.malformedAddress], [4, ERROR.noSuchConversation],
    [5, ERROR.noSuchUser], [6, ERROR.malformedText], [7, ERROR.unsupportedExtension],
  ])
  assert.deepEqual(ann.acks.map(({ clientId, seq }) => [clientId, seq]), [[8, 1]])
  assert.deepEqual((await harness.attach('bob')).texts, ['hello'])
})

void test('[QUE-11] one\'s own messages are entries only where there is another device', async () => {
  const harness = await pair()
  const phone = await harness.attach('ann')
  phone.send('bob', 'alone')
  await harness.settle()
  assert.deepEqual(phone.kinds, ['done'])
  const tablet = await harness.attach('ann', 'tablet')
  phone.send('bob', 'together')
  await harness.settle()
  assert.deepEqual([phone.texts, tablet.texts], [['together'], ['together']])
  assert.equal(tablet.kinds.at(-1), 'deliveryFrom')
  const entry = tablet.frames.at(-1)
  assert.ok(entry !== undefined && 'from' in entry)
  assert.deepEqual([entry.from, entry.conversation], ['ann', 'bob'])
})

void test('[MSG-17] [QUE-11] [RCP-8] a note to oneself reaches the other devices as one\'s own, is never unread and has no receipts', async () => {
  const harness = await pair()
  const phone = await harness.attach('ann')
  const tablet = await harness.attach('ann', 'tablet')
  phone.send('ann', 'milk')
  await harness.settle()
  assert.deepEqual(tablet.kinds, ['done', 'deliveryFrom'])
  tablet.acknowledge()
  phone.acknowledge()
  await harness.pass(1000)
  const { conversations } = await harness.router.conversations('ann', '', 10)
  assert.deepEqual(conversations.map(({ conversation, tail, unread, others }) => [conversation, tail, unread, others]), [['ann', 1, 0, []]])
  assert.deepEqual([...phone.receipts, ...tablet.receipts], [])
})

void test('[MSG-1] an ack comes only after the commit, and the entry with it', async () => {
  let release = (): void => undefined
  let isSlow = false
  const engine = new MemoryEngine({ beforeCommit: () => isSlow ? new Promise<void>((resolve) => { release = resolve }) : undefined })
  const harness = await pair({ engine })
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  isSlow = true
  ann.send('bob', 'one')
  await harness.settle()
  assert.deepEqual([ann.acks, bob.texts], [[], []])
  assert.deepEqual((await harness.router.history('bob', 'ann', { limit: 5 })), { messages: [], more: false, tail: 0 })
  isSlow = false
  release()
  await harness.settle()
  assert.deepEqual([ann.acks.length, bob.texts], [1, ['one']])
})

void test('what a session whose end has come still says is not heard', async () => {
  const harness = await pair()
  const ann = await harness.attach('ann')
  ann.detach()
  ann.send('bob', 'late')
  ann.mark('bob', 1)
  assert.equal(ann.acknowledge(99), true)
  await harness.settle()
  assert.deepEqual([ann.acks, ann.refusals], [[], []])
  assert.deepEqual((await harness.attach('bob')).texts, [])
})

void test('[FLW-1] commands that wait are bounded: one too many is refused with unavailable and says when to come back', async () => {
  const harness = await pair({ limits: { waitingCommandsMax: 2 } })
  const ann = await harness.attach('ann')
  for (const text of ['one', 'two', 'three']) ann.send('bob', text)
  await harness.settle()
  assert.deepEqual(ann.acks.map(({ clientId }) => clientId), [1, 2])
  assert.deepEqual(ann.refusals, [{ clientId: 3, error: ERROR.unavailable, retryAfterMs: 1000 }])
  ann.send('bob', 'three', 4)
  await harness.settle()
  assert.equal(ann.acks.at(-1)?.seq, 3)
  assert.equal(harness.shard.waiting, 0)
})

void test('[FLW-1] commands that wait at the gates make the shard crowded, until they are through', async () => {
  const harness = await pair({ limits: { crowdedOperations: 4 } })
  const ann = await harness.attach('ann')
  const rooms: boolean[] = []
  for (const text of ['one', 'two', 'three', 'four']) ann.send('bob', text)
  assert.equal(harness.shard.waiting, 4)
  assert.ok(harness.shard.isCrowded)
  harness.shard.whenRoom(() => { rooms.push(harness.shard.isCrowded) })
  ann.detach()
  await harness.settle()
  assert.equal(harness.shard.waiting, 0, 'gone without a word, and without a commit')
  await harness.pass(2)
  assert.deepEqual(rooms, [false])
})
