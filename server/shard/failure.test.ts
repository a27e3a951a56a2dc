import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { DamagedEngine } from '../testing/damaged-engine.js'
import type { HistoryRequest } from '../router/router.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'

/** To bob in a commit of its own, so that its entry has a row of its own. */
async function sendAlone(harness: ShardHarness, from: TestDevice, text: string): Promise<void> {
  from.send('bob', text)
  await harness.settle()
}

void test('[MSG-1] [MSG-3] a failed commit ends the sessions, acks nothing, and what was acked before is there afterwards', async () => {
  let isBroken = false
  const engine = new MemoryEngine({ beforeCommit: () => { if (isBroken) throw new Error('no space') } })
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  ann.send('bob', 'one')
  await harness.settle()
  isBroken = true
  ann.send('bob', 'two')
  await harness.settle()
  assert.deepEqual(ann.acks.map(({ seq }) => seq), [1])
  assert.deepEqual([ann.endedWith, bob.endedWith], [ERROR.storageUnavailable, ERROR.storageUnavailable])
  assert.deepEqual(bob.texts, ['one'])
  isBroken = false
  await harness.pass(10_000)
  const again = await harness.reattach(ann, 0)
  again.send('bob', 'one', 1)
  again.send('bob', 'two', 2)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ clientId, seq }) => [clientId, seq]), [[1, 1], [2, 2]])
  assert.equal(again.acks[0]?.timeMs, ann.acks[0]?.timeMs)
  assert.deepEqual((await harness.reattach(bob, 0)).texts, ['one', 'two'])
})

void test('[MSG-3] a commit that failed although it was stored is recognised when the client tries again', async () => {
  let isBroken = false
  const engine = new MemoryEngine({ afterCommit: () => { if (isBroken) throw new Error('input/output error') } })
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  isBroken = true
  ann.send('bob', 'one')
  await harness.settle()
  assert.deepEqual(ann.acks, [])
  isBroken = false
  await harness.pass(10_000)
  const again = await harness.reattach(ann, 0)
  again.send('bob', 'one', 1)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [1])
  assert.deepEqual((await harness.attach('bob')).texts, ['one'])
})

void test('everything asked while the store is away is refused with storage-unavailable', async () => {
  const engine = new MemoryEngine({ beforeCommit: () => { if (isBroken) throw new Error('gone') }, beforeOpen: () => { if (isBroken) throw new Error('gone') } })
  let isBroken = false
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  isBroken = true
  ann.send('bob', 'one')
  await harness.settle()
  const refused = routerError(ERROR.storageUnavailable)
  assert.equal(harness.shard.isAvailable, false)
  await assert.rejects(harness.attach('ann'), refused)
  await assert.rejects(harness.router.account('ann'), refused)
  await assert.rejects(harness.router.history('ann', 'bob', { limit: 1 }), refused)
  await assert.rejects(harness.router.conversations('ann', '', 1), refused)
  await assert.rejects(harness.router.receipts('ann', 'bob'), refused)
  isBroken = false
  await harness.pass(20_000)
  assert.equal(harness.shard.isAvailable, true)
  assert.deepEqual(harness.events.slice(-1), ['storage-back'])
})

void test('[MSG-6] what was read while a commit hung is not believed once the commit has landed after all', async () => {
  let release: (() => void) | null = null
  let isHanging = false
  const engine = new MemoryEngine({
    beforeCommit: () => isHanging ? new Promise<void>((resolve) => { release = resolve }) : undefined,
  })
  const harness = new ShardHarness({ engine, limits: { residentConversationsMax: 1, residentUsersMax: 1 } })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  ann.send('bob', 'one')
  await harness.settle()
  isHanging = true
  ann.send('bob', 'two')
  await harness.pass(2 * harness.limits.commitTimeoutMs)
  assert.equal(harness.shard.isAvailable, false)
  await harness.router.history('ann', 'bob', { limit: 10 }).catch(() => undefined)
  await harness.router.account('bob').catch(() => undefined)
  isHanging = false
  assert.ok(release)
  ;(release as () => void)()
  await harness.pass(10_000)
  assert.equal(harness.shard.isAvailable, true)
  const again = await harness.reattach(ann, 0)
  again.send('bob', 'three', 3)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [3])
  const page = await harness.router.history('bob', 'ann', { limit: 10 })
  assert.deepEqual(page.messages.map(({ text }) => Buffer.from(text).toString()), ['one', 'two', 'three'])
})

void test('[QUE-14] an entry whose row is damaged is skipped; the rest comes, and its message is still in the history', async () => {
  const engine = new DamagedEngine()
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  for (const text of ['one', 'two', 'three']) await sendAlone(harness, ann, text)
  engine.damage(userKeys('bob').entry(2))
  const bob = await harness.attach('bob')
  assert.deepEqual(bob.kinds, ['delivery', 'skip', 'delivery', 'done'])
  assert.deepEqual(bob.texts, ['one', 'three'])
  assert.equal(ann.endedWith, 0)
  const page = await harness.router.history('bob', 'ann', { limit: 10 })
  assert.deepEqual(page.messages.map(({ seq }) => seq), [1, 2, 3])
})

void test('[QUE-14] an entry that is not what its key says, and one that is missing, are skipped', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  for (const text of ['one', 'two', 'three', 'four', 'five', 'six']) await sendAlone(harness, ann, text)
  const batch = harness.engine.batch()
  batch.put(userKeys('bob').entry(1), Buffer.from([5, 24, 9, 1, 1]))
  batch.delete(userKeys('bob').entry(3))
  // Of a conversation whose name is longer than the entry, and of one that breaks off within a number.
  batch.put(userKeys('bob').entry(5), Buffer.from([4, 24, 5, 9, 1]))
  batch.put(userKeys('bob').entry(6), Buffer.from([4, 24, 6, 0, 0x80]))
  await harness.engine.commit(batch)
  const bob = await harness.attach('bob')
  assert.deepEqual(bob.kinds, ['skip', 'delivery', 'skip', 'delivery', 'skip', 'skip', 'done'])
  assert.deepEqual(bob.indexes, [1, 2, 3, 4, 5, 6])
  assert.deepEqual(bob.texts, ['two', 'four'])
})

void test('a conversation whose row is damaged is refused alone; the shard serves the others', async () => {
  const engine = new DamagedEngine()
  const harness = new ShardHarness({ engine, limits: { residentConversationsMax: 0 } })
  await harness.addUsers('ann', 'bob', 'cy', 'dan')
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  ann.send('bob', 'one')
  await harness.settle()
  engine.damage(conversationKeys('ann:bob').meta())
  // Until it has left the memory it is whole.
  for (const other of ['cy', 'dan', 'cy', 'dan']) {
    ann.send(other, 'hello')
    await harness.settle()
  }
  const clientId = ann.send('bob', 'two')
  bob.acknowledge()
  bob.mark('ann', 1)
  await harness.settle()
  assert.deepEqual(ann.refusals.map((refusal) => [refusal.clientId, refusal.error]), [[clientId, ERROR.unavailable]])
  assert.deepEqual(bob.refusals.map((refusal) => refusal.error), [ERROR.unavailable])
  await assert.rejects(harness.router.history('ann', 'bob', { limit: 1 }), routerError(ERROR.internalError))
  ann.send('cy', 'still here')
  await harness.settle()
  assert.equal(ann.acks.at(-1)?.seq, 3)
  assert.deepEqual([ann.endedWith, bob.endedWith, harness.shard.isAvailable], [0, 0, true])
  // What the poison row kept from taking effect holds up no cursor.
  await harness.pass(1000)
  assert.equal((await harness.attach('bob')).attached.cursor, 1)
})

void test('[QUE-14] a long stretch of damaged entries is skipped as a whole', async () => {
  const engine = new DamagedEngine()
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  for (let i = 0; i < 202; i++) await sendAlone(harness, ann, String(i))
  engine.damage(...Array.from({ length: 200 }, (_, i) => userKeys('bob').entry(i + 2)))
  const bob = await harness.attach('bob')
  assert.deepEqual(bob.kinds, ['delivery', 'skip', 'delivery', 'done'])
  assert.deepEqual(bob.indexes, [1, 201, 202])
  // What lies in between counts as delivered only where it could be read.
  const again = await harness.reattach(bob, 202)
  await harness.settle()
  assert.deepEqual([again.kinds, ann.receipts], [['done'], ['bob \'\' delivered 202']])
})

void test('a queue that can\'t be read for another reason is the store\'s failure: sessions end and come back', async () => {
  const engine = new DamagedEngine()
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  ann.send('bob', 'one')
  await harness.settle()
  const coming = harness.attach('bob')
  engine.isUnreadable = true
  const bob = await coming.catch(() => null)
  engine.isUnreadable = false
  await harness.settle()
  assert.equal(bob?.endedWith ?? ERROR.storageUnavailable, ERROR.storageUnavailable)
  assert.equal(ann.endedWith, ERROR.storageUnavailable)
  await harness.pass(1000)
  assert.deepEqual((await harness.attach('bob')).texts, ['one'])
})

void test('[RCP-1] a bind that has a delivery to settle is refused, not left hanging, when the store fails meanwhile', async () => {
  let release = (): void => undefined
  let isReading = false
  class SlowEngine extends MemoryEngine {
    override async range(...options: Parameters<MemoryEngine['range']>): ReturnType<MemoryEngine['range']> {
      if (isReading) await new Promise<void>((resolve) => { release = resolve })
      return super.range(...options)
    }
  }
  let isBroken = false
  const engine = new SlowEngine({ beforeCommit: () => { if (isBroken) throw new Error('gone') }, beforeOpen: () => { if (isBroken) throw new Error('gone') } })
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  ann.send('bob', 'one')
  await harness.settle()
  bob.detach()
  await harness.pass(1000)
  isReading = true
  let outcome = 'hangs'
  harness.reattach(bob, 1).then(() => { outcome = 'attached' }, () => { outcome = 'refused' })
  await harness.settle()
  isBroken = true
  ann.send('bob', 'two')
  await harness.settle()
  isReading = false
  release()
  await harness.settle()
  assert.equal(outcome, 'refused')
})

void test('[HIS-1] a damaged row of the log hides its own messages, not the history around them nor the conversation in the list', async () => {
  const engine = new DamagedEngine()
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  for (const text of ['one', 'two', 'three', 'four', 'five']) await sendAlone(harness, ann, text)
  const seqs = async (request: Omit<HistoryRequest, 'limit'>, limit: number): Promise<[number[], boolean]> => {
    const page = await harness.router.history('bob', 'ann', { ...request, limit })
    return [page.messages.map(({ seq }) => seq), page.more]
  }
  engine.damage(conversationKeys('ann:bob').log(3))
  assert.deepEqual(await seqs({ after: 0 }, 10), [[1, 2, 4, 5], false])
  assert.deepEqual(await seqs({}, 3), [[2, 4, 5], true])
  assert.deepEqual(await seqs({ before: 4 }, 1), [[2], true])
  assert.deepEqual(await seqs({ before: 4, after: 2 }, 1), [[], false])
  engine.damage(conversationKeys('ann:bob').log(5))
  assert.deepEqual(await seqs({}, 2), [[2, 4], true])
  const [listed] = (await harness.router.conversations('bob', '', 10)).conversations
  assert.deepEqual([listed?.tail, listed?.last], [5, null])
})

void test('[RCP-2] a watermark that a query tells is on disk', async () => {
  let release: (() => void) | null = null
  let isHeld = false
  const engine = new MemoryEngine({ beforeCommit: () => isHeld ? new Promise<void>((resolve) => { release = resolve }) : undefined })
  const harness = new ShardHarness({ engine })
  await harness.addUsers('ann', 'bob')
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  await sendAlone(harness, ann, 'one')
  isHeld = true
  bob.acknowledge()
  const told: unknown[] = []
  void harness.router.receipts('ann', 'bob').then((members) => told.push(members[0]?.delivered))
  void harness.router.conversations('ann', '', 10).then(({ conversations }) => told.push(conversations[0]?.others[0]?.delivered))
  await harness.settle()
  assert.deepEqual(told, [])
  isHeld = false
  ;(release as (() => void) | null)?.()
  await harness.settle()
  assert.deepEqual(told, [1, 1])
})
