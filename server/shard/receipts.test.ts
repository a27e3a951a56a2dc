import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Entry } from '../../storage/engine.js'
import type { ReadRange } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { routerError, ShardHarness, tokenHash } from '../testing/shard-harness.js'
import type { TestDevice } from '../testing/shard-harness.js'

async function talk(texts: number, options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<{ harness: ShardHarness; ann: TestDevice; bob: TestDevice }> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  for (let i = 1; i <= texts; i++) ann.send('bob', String(i))
  await harness.settle()
  return { harness, ann, bob }
}

async function unread(harness: ShardHarness, user: string): Promise<number | undefined> {
  return (await harness.router.conversations(user, '', 10)).conversations[0]?.unread
}

void test('[RCP-1] [RCP-5] delivered follows from the cursor, read from the mark; each is told to the other', async () => {
  const { harness, ann, bob } = await talk(3)
  assert.deepEqual(ann.receipts, [])
  bob.acknowledge(2)
  await harness.settle()
  bob.mark('ann', 3)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 2', 'bob \'\' read 3'])
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [3])
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 3, read: 3 }])
})

void test('[RCP-2] [RCP-10] a mark at or below the watermark is acked and changes nothing', async () => {
  const { harness, ann, bob } = await talk(3)
  bob.mark('ann', 2)
  bob.mark('ann', 1)
  bob.mark('ann', 2)
  await harness.settle()
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [2, 1, 2])
  assert.deepEqual(ann.receipts, ['bob \'\' read 2'])
  assert.equal(await unread(harness, 'bob'), 1)
})

void test('[RCP-3] a mark beyond the end is refused, as is one in a conversation that is not there or with a seq or mark of 0', async () => {
  const { harness, bob } = await talk(1)
  bob.mark('ann', 2)
  bob.mark('cy', 1)
  bob.mark('ann', 0)
  bob.mark('ann', 1, 1)
  bob.mark('a b', 1)
  await harness.settle()
  assert.deepEqual(bob.refusals.map(({ clientId, error }) => [clientId, error]).sort(([one = 0], [other = 0]) => one - other), [
    [1, ERROR.invalidWatermark], [2, ERROR.noSuchConversation], [3, ERROR.badRequest], [4, ERROR.badRequest], [5, ERROR.malformedAddress],
  ])
})

void test('[RCP-6] one\'s own read watermark is told to one\'s other devices', async () => {
  const { harness, bob } = await talk(2)
  const tablet = await harness.attach('bob', 'tablet')
  bob.mark('ann', 2)
  await harness.settle()
  assert.deepEqual(tablet.receipts, ['ann \'bob\' read 2'])
  // Its own is no delivery of anything.
  tablet.acknowledge()
  await harness.pass(1000)
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 2, read: 2 }])
})

void test('[RCP-7] who turns read receipts off tells nobody what was read, and is told nothing', async () => {
  const { harness, ann, bob } = await talk(2)
  assert.deepEqual(await harness.router.changeSettings('bob', { readReceipts: false }), { readReceipts: false })
  bob.mark('ann', 2)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 2'])
  assert.equal(await unread(harness, 'bob'), 0)
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 2, read: 0 }])
  bob.send('ann', 'hello')
  await harness.settle()
  ann.mark('bob', 3)
  await harness.settle()
  assert.deepEqual(bob.receipts, ['ann \'\' delivered 3'])
  assert.deepEqual(await harness.router.receipts('bob', 'ann'), [{ member: 'ann', delivered: 3, read: 0 }])
  await harness.restart()
  assert.deepEqual(await harness.router.settings('bob'), { readReceipts: false })
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 2, read: 0 }])
  assert.deepEqual(await harness.router.changeSettings('bob', {}), { readReceipts: false })
  await harness.router.changeSettings('bob', { readReceipts: true })
  assert.deepEqual(await harness.router.receipts('bob', 'ann'), [{ member: 'ann', delivered: 3, read: 3 }])
})

void test('[RCP-5] 10,000 messages drained make one receipt for a sender who is away', async () => {
  const { harness, ann, bob } = await talk(0)
  ann.detach()
  bob.detach()
  const writer = await harness.attach('ann')
  for (let i = 0; i < 10_000; i++) writer.send('bob', 'x')
  await harness.settle()
  writer.detach()
  const reader = await harness.reattach(bob, 0)
  reader.acknowledgesAtOnce = true
  reader.acknowledge()
  while (reader.lastIndex < 10_000) await harness.pass(1)
  await harness.settle()
  assert.equal(reader.texts.length, 10_000)
  reader.mark('ann', 10_000)
  await harness.settle()
  const back = await harness.reattach(ann, 0)
  assert.deepEqual(back.receipts, ['bob \'\' delivered 10000', 'bob \'\' read 10000'])
  assert.deepEqual(back.indexes, [1, 2])
})

void test('[RCP-5] what a device may have seen does not change: a receipt behind it is an entry of its own', async () => {
  const { harness, ann, bob } = await talk(3)
  ann.detach()
  bob.acknowledge(1)
  await harness.settle()
  const back = await harness.reattach(ann, 0)
  back.detach()
  bob.acknowledge(2)
  await harness.settle()
  bob.acknowledge(3)
  await harness.settle()
  assert.deepEqual((await harness.reattach(ann, 0)).receipts, ['bob \'\' delivered 1', 'bob \'\' delivered 3'])
})

void test('[RCP-5] [QUE-2] a device that comes while a merged receipt is being written gets the new one', async () => {
  let releases: (() => void)[] = []
  let isSlow = false
  const engine = new MemoryEngine({ beforeCommit: () => isSlow ? new Promise<void>((resolve) => { releases.push(resolve) }) : undefined })
  const { harness, ann, bob } = await talk(2, { engine })
  // The second bind under a token has nothing of its own to write, and so nothing to wait for.
  const request = { usedTokenHash: tokenHash(1) }
  ;(await harness.reattach(ann, 0, request)).detach()
  bob.acknowledge(1)
  await harness.pass(1000)
  isSlow = true
  bob.acknowledge(2)
  await harness.settle()
  const coming = harness.reattach(ann, 0, request)
  await harness.settle()
  isSlow = false
  for (const release of releases) release()
  releases = []
  assert.deepEqual((await coming).receipts, ['bob \'\' delivered 2'])
})

void test('[RCP-8] unread counts the messages of others above one\'s read watermark, also in the middle and after a restart', async () => {
  const { harness, ann, bob } = await talk(10, { limits: { checkpointEvery: 4 } })
  bob.send('ann', 'eleven')
  ann.send('bob', 'twelve')
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 11)
  bob.mark('ann', 2)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 9)
  bob.mark('ann', 10)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 1)
  assert.equal(await unread(harness, 'ann'), 1)
  await harness.restart()
  assert.deepEqual([await unread(harness, 'bob'), await unread(harness, 'ann')], [1, 1])
  const again = await harness.reattach(ann, 0)
  for (let i = 0; i < 9; i++) again.send('bob', 'more', 100 + i)
  await harness.settle()
  harness.crash()
  assert.deepEqual([await unread(harness, 'bob'), await unread(harness, 'ann')], [10, 1])
})

void test('[RCP-8] reading a backlog mark by mark looks at each message about once', async () => {
  let rows = 0
  class CountingEngine extends MemoryEngine {
    override async range(options: ReadRange): Promise<Entry[]> {
      const page = await super.range(options)
      rows += page.length
      return page
    }
  }
  const { harness, bob } = await talk(200, { engine: new CountingEngine() })
  rows = 0
  for (let seq = 1; seq <= 200; seq++) bob.mark('ann', seq)
  await harness.settle()
  assert.equal(bob.acks.length, 200)
  assert.equal(await unread(harness, 'bob'), 0)
  assert.ok(rows < 250, `${String(rows)} rows`)
})

void test('[RCP-1] a cursor whose acknowledgement was lost with its connection still counts as delivered at the next bind', async () => {
  const { harness, ann, bob } = await talk(3)
  bob.detach()
  await harness.reattach(bob, 2)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 2'])
})

void test('[RCP-2] [RCP-1] watermarks outlive a crash right after what follows from them was told', async () => {
  const { harness, ann, bob } = await talk(3)
  bob.acknowledge(3)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 3'])
  harness.crash()
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 3, read: 0 }])
  await assert.rejects(harness.router.receipts('ann', 'cy'), routerError(ERROR.noSuchConversation))
})
