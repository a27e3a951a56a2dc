/** Watermarks of groups: what is told, what is on disk, and what is left of it after a crash. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { createGroup, SKIING } from '../testing/groups.js'

/** Alice sends so many messages to bob and carol. */
async function sent(harness: ShardHarness, count: number): Promise<{ alice: TestDevice, bob: TestDevice }> {
  await harness.addUsers('alice', 'bob', 'carol')
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  await createGroup(harness, 'alice', ['bob', 'carol'])
  for (let i = 0; i < count; i++) alice.send(SKIING, String(i))
  await harness.settle()
  await harness.pass(1000)
  return { alice, bob }
}

for (const trimEvery of [4, 1000]) {
  test(`[RCP-1] a cursor is never on disk before the delivered watermark that follows from it, with a trim every ${String(trimEvery)}`, async () => {
    const harness = new ShardHarness({ limits: { trimEvery } })
    const { bob } = await sent(harness, 5)
    bob.acknowledge()
    await harness.settle()
    const cursor = bob.lastIndex
    harness.crash()
    await harness.reattach(bob, cursor)
    await harness.pass(1000)
    const marks = await harness.router.receipts('alice', SKIING)
    assert.equal(marks.find(({ member }) => member === 'bob')?.delivered, 6)
  })
}
