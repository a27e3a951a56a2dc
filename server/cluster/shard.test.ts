/** A whole shard on a replicated engine: what its clients were told holds at the node that has it next. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { ShardHarness } from '../testing/shard-harness.js'
import { Rig, until } from './testing/rig.js'

test('[MSG-3] [QUE-2] a shard goes on at another node: retries get the acks of the first try, and nothing is lost or doubled', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  const before = new ShardHarness({ engine: first.engine! })
  await before.addUsers('ann', 'bob')
  const ann = await before.attach('ann')
  const bob = await before.attach('bob')
  for (let i = 1; i <= 50; i++) ann.send('bob', `message ${String(i)}`)
  await until(async () => { await before.settle(); return ann.acks.length === 50 })
  bob.acknowledge(20)
  first.cut()
  const owner = await rig.owner(first)
  const after = new ShardHarness({ engine: owner.engine! })
  after.nowMs = before.nowMs + 5000
  const again = await after.reattach(Object.assign(ann, { harness: after }), 0)
  for (let i = 1; i <= 51; i++) again.send('bob', `message ${String(i)}`, i)
  await until(async () => { await after.settle(); return again.acks.length === 51 })
  assert.deepEqual(again.acks.slice(0, 50), ann.acks)
  const there = await after.reattach(Object.assign(bob, { harness: after }), 0)
  await until(async () => { await after.settle(); return there.texts.length >= 51 })
  assert.deepEqual(there.texts, Array.from({ length: 51 }, (_, i) => `message ${String(i + 1)}`))
})

test('once its lease may have ended a shard acknowledges nothing, and its sessions are told', async (t) => {
  const rig = new Rig(t)
  const node = await rig.start('n1', { founds: true })
  await rig.owner()
  const harness = new ShardHarness({ engine: node.engine! })
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  ann.send('bob', 'one')
  await until(async () => { await harness.settle(); return ann.acks.length === 1 })
  node.cut()
  ann.send('bob', 'two')
  await until(async () => { await harness.settle(); return ann.endedWith !== 0 })
  assert.equal(ann.endedWith, ERROR.storageUnavailable)
  assert.deepEqual(ann.acks.map(({ seq }) => seq), [1])
  assert.ok(harness.events.includes('storage-lost'))
  assert.deepEqual(harness.events.filter((event) => event === 'storage-failed' || event === 'storage-not-open'), [])
})
