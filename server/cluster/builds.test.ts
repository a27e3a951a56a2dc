/** Nodes of different builds beside each other, as while a cluster is upgraded node by node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STORE_FORMAT } from '../../storage/metadata.js'
import { put } from '../../storage/testing/engine-suite.js'
import { Rig, type RigNode, SHORT, until } from './testing/rig.js'

const [EARLIER, LATER] = [STORE_FORMAT - 1, STORE_FORMAT + 1]

async function valueOf({ inner }: RigNode, key: string): Promise<string> {
  return Buffer.from(await inner.get(Buffer.from(key)) ?? '').toString()
}

test('a node copies from an owner of an earlier build, follows it, and takes the shard over', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true, format: EARLIER })
  await rig.owner()
  await put(first.engine!, ['a', '1'])
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  await put(first.engine!, ['b', '2'])
  await until(async () => await valueOf(second, 'b') === '2')
  assert.equal(await valueOf(second, 'a'), '1')
  await first.node.resign('n2')
  assert.equal(await rig.owner(first), second)
  // What it writes now the earlier one can't read.
  await until(() => first.node.report.role === 'refused')
})

test('a node whose owner runs a later build takes no part, says what to do, and keeps what it has', async (t) => {
  const events: string[] = []
  const note = (_: object, event: string): void => { events.push(event) }
  const rig = new Rig(t, { log: { debug: note, info: note, warn: note, error: note } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const [second, third] = [await rig.start('n2'), await rig.start('n3', { format: LATER })]
  await until(() => rig.server.members.length === 3)
  await put(first.engine!, ['a', '1'])
  await until(async () => await valueOf(second, 'a') === '1')
  await first.node.resign('n3')
  assert.equal(await rig.owner(first), third)
  await put(third.engine!, ['b', '2'])
  await until(() => [first, second].every(({ node }) => node.report.role === 'refused'))
  assert.match(second.node.report.trouble, new RegExp(`format ${String(LATER)}.*up to ${String(STORE_FORMAT)}: bring it to the version`))
  assert.ok(events.filter((event) => event === 'cluster-refused').length === 2 && !events.includes('cluster-trouble'), events.join(' '))
  await until(() => rig.server.members.join() === 'n3')
  // Nor does it when the owner dies: it has not what was acknowledged since.
  third.cut()
  await until(() => third.losses.length > 0)
  await new Promise((resolve) => { setTimeout(resolve, SHORT.leaseMs * 1.5) })
  assert.ok(first.engine === null && second.engine === null)
  assert.deepEqual([await valueOf(second, 'a'), await valueOf(second, 'b')], ['1', ''])
  // Brought to the same version it goes on from there.
  third.store.isCut = false
  assert.equal(await rig.owner(), third)
  await second.node.close()
  const upgraded = await rig.start('n2', { engine: second.inner, format: LATER })
  await until(() => rig.server.members.includes('n2'))
  assert.equal(await valueOf(upgraded, 'b'), '2')
})

test('a new node does not copy from an owner of a later build', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true, format: LATER })
  await rig.owner()
  await put(first.engine!, ['a', '1'])
  const second = await rig.start('n2')
  await until(() => second.node.report.role === 'refused')
  assert.match(second.node.report.trouble, /the owner's copy has rows of format/)
  assert.equal(await valueOf(second, 'a'), '')
  assert.deepEqual(rig.server.members, ['n1'])
})
