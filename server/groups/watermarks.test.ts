/** Watermarks of groups: what is told, what is on disk, and what is left of it after a crash. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { element } from '../../protocol/element.js'
import { changeGroup, createGroup, naming, SKIING } from '../testing/groups.js'

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

test('who asks for a group, or for its timer, has nothing written that can wait', async () => {
  const harness = new ShardHarness()
  const { bob } = await sent(harness, 1)
  bob.acknowledge()
  await harness.settle()
  let commits = 0
  const commit = harness.engine.commit.bind(harness.engine)
  harness.engine.commit = (batch) => {
    commits++
    return commit(batch)
  }
  await harness.router.groups.details('alice', SKIING, null)
  await harness.router.timers.get('alice', SKIING)
  assert.equal(commits, 0)
  await harness.router.receipts('alice', SKIING)
  assert.equal(commits, 1, 'watermarks are told when they are on disk')
})

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

/** Bob has read what alice sent, and carol, who tells nobody what she reads, has not; alice was told that all have. */
async function readWithoutCarol(harness: ShardHarness): Promise<{ alice: TestDevice, bob: TestDevice, carol: TestDevice }> {
  const { alice, bob } = await sent(harness, 4)
  const carol = await harness.attach('carol')
  await harness.router.changeSettings('carol', { readReceipts: false })
  for (const device of [bob, carol]) device.acknowledge()
  bob.mark(SKIING, 4)
  await harness.pass(1000)
  assert.ok(alice.receipts.includes("#skiing '' read 4"), alice.receipts.join())
  alice.acknowledge()
  await harness.router.changeSettings('carol', { readReceipts: true })
  return { alice, bob, carol }
}

for (const restarts of [false, true]) {
  test(`[RCP-2] [GRP-16] who tells again what it reads lets nothing fall that was told without it${restarts ? ', over a restart' : ''}`, async () => {
    const harness = new ShardHarness()
    let { alice, bob, carol } = await readWithoutCarol(harness)
    // What she reads herself is another row's business.
    alice.mark(SKIING, 5)
    await harness.pass(1000)
    const told = alice.receipts.length
    if (restarts) [alice, bob, carol] = await harness.restartWith(alice, bob, carol)
    const news = (): readonly string[] => alice.receipts.slice(restarts ? 0 : told)
    for (const seq of [2, 3, 4]) {
      carol.mark(SKIING, seq)
      await harness.pass(1000)
    }
    assert.deepEqual(news(), [])
    for (const device of [bob, carol]) device.mark(SKIING, 5)
    await harness.pass(1000)
    assert.deepEqual(news(), ["#skiing '' read 5"])
  })
}

for (const restarts of [false, true]) {
  test(`[RCP-2] [GRP-16] nothing that was told falls for who has left and come back${restarts ? ', over a restart' : ''}`, async () => {
    const harness = new ShardHarness()
    let { alice, bob, carol } = await readWithoutCarol(harness)
    await changeGroup(harness, 'alice', element('leave'))
    await changeGroup(harness, 'bob', naming('add', 'alice'))
    alice.acknowledge()
    const told = alice.receipts.length
    if (restarts) [alice, bob, carol] = await harness.restartWith(alice, bob, carol)
    const news = (): readonly string[] => alice.receipts.slice(restarts ? 0 : told)
    // More than are remembered one by one.
    for (let i = 0; i < 100; i++) alice.send(SKIING, 'here again', 100 + i)
    await harness.pass(1000)
    carol.mark(SKIING, 3)
    await harness.pass(1000)
    assert.deepEqual(news(), [])
    const seq = (await harness.router.groups.details('alice', SKIING, null)).inside?.tail ?? 0
    for (const device of [bob, carol]) device.mark(SKIING, seq)
    await harness.pass(1000)
    assert.deepEqual(news(), [`${SKIING} '' read ${String(seq)}`])
  })
}
