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

for (const restarts of [false, true]) {
  test(`[GRP-14] a sender learns that all have its earlier message, while they lack its last one${restarts ? ', over a restart' : ''}`, async () => {
    const harness = new ShardHarness()
    await harness.addUsers('alice', 'bob')
    let [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
    await createGroup(harness, 'alice', ['bob'])
    alice.send(SKIING, 'one')
    await harness.settle()
    const first = bob.lastIndex
    alice.send(SKIING, 'two')
    await harness.settle()
    if (restarts) {
      await harness.restart()
      alice = await harness.reattach(alice, alice.lastIndex)
      bob = await harness.reattach(bob, 0)
    }
    bob.acknowledge(first)
    await harness.pass(1000)
    assert.deepEqual(alice.receipts, ["#skiing '' delivered 2"])
    bob.mark(SKIING, 2)
    await harness.pass(1000)
    assert.deepEqual(alice.receipts.slice(1), ["#skiing '' read 2"])
  })
}

test('[GRP-14] a sender of many learns how far all have received and read', async () => {
  const harness = new ShardHarness()
  const { alice, bob } = await sent(harness, 100)
  const carol = await harness.attach('carol')
  carol.acknowledge()
  bob.acknowledge(31)
  await harness.pass(1000)
  assert.deepEqual(alice.receipts, ["#skiing '' delivered 31"])
  carol.mark(SKIING, 101)
  bob.mark(SKIING, 20)
  bob.acknowledge(90)
  await harness.pass(1000)
  assert.deepEqual(alice.receipts.slice(1).sort(), ["#skiing '' delivered 90", "#skiing '' read 20"])
})

test('[GRP-14] a load tells nothing again', async () => {
  const harness = new ShardHarness()
  let { alice, bob } = await sent(harness, 3)
  const carol = await harness.attach('carol')
  for (const device of [bob, carol]) device.acknowledge()
  await harness.pass(1000)
  assert.deepEqual(alice.receipts, ["#skiing '' delivered 4"])
  alice.acknowledge()
  await harness.restart()
  alice = await harness.reattach(alice, alice.lastIndex)
  bob = await harness.reattach(bob, bob.lastIndex)
  bob.send(SKIING, 'something else')
  await harness.settle()
  alice.acknowledge()
  await harness.pass(1000)
  assert.deepEqual(alice.receipts, [])
})
