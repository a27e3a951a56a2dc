import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { openEngine } from '../../storage/open.js'
import { engineSuite, put } from '../../storage/testing/engine-suite.js'
import { closeAfter, temporaryDirectory } from '../../storage/testing/temporary-directory.js'
import { BEGINNING } from './position.js'
import { readState } from './shard-rows.js'
import { Rig, until } from './testing/rig.js'

/** What these tests do takes a busy machine longer than the leases of others are. */
const LONG = { leaseMs: 60_000 }
const ALL = { gte: Buffer.from([0]), lt: Buffer.from([0xff]), limit: 1000 }

engineSuite('replicated, in memory', async (t) => {
  const rig = new Rig(t)
  await rig.start('n1', { founds: true, limits: LONG })
  return (await rig.owner()).engine!
})

engineSuite('replicated, over RocksDB', async (t) => {
  const directory = await temporaryDirectory(t)
  const rig = new Rig(t)
  const inner = closeAfter(t, await openEngine({ directory, engine: 'auto', create: true }))
  const node = await rig.start('n1', { founds: true, engine: inner, limits: LONG })
  // The suite closes what it opens; the node goes first.
  closeAfter(t, node.node)
  return (await rig.owner()).engine!
})

test('a commit is in the changelog before it is in the engine, with the position in the same batch', async (t) => {
  const order: string[] = []
  let rig: Rig | null = null
  const inner = new MemoryEngine({ beforeCommit: () => { order.push(`commit ${String(rig?.server.log.at(-1)?.position.number ?? 0)}`) } })
  rig = new Rig(t)
  await rig.start('n1', { founds: true, engine: inner })
  const { engine } = await rig.owner()
  order.length = 0
  const before = rig.server.log.at(-1)!.position.number
  await put(engine!, ['a', '1'])
  assert.deepEqual(order, [`commit ${String(before + 1)}`])
  assert.deepEqual((await readState(inner))?.position, rig.server.log.at(-1)?.position)
})

test('a commit that the changelog refuses is nowhere, and reopening succeeds when there is room again', async (t) => {
  const rig = new Rig(t)
  const node = await rig.start('n1', { founds: true })
  const { engine } = await rig.owner()
  await put(engine!, ['a', '1'])
  rig.server.isFull = true
  await assert.rejects(put(engine!, ['b', '2']), { name: 'StorageError', code: 'disk-full' })
  await assert.rejects(put(engine!, ['c', '3']), { name: 'StorageError', code: 'closed' })
  await assert.rejects(engine!.reopen(), { code: 'disk-full' })
  rig.server.isFull = false
  await engine!.reopen()
  await put(engine!, ['d', '4'])
  assert.deepEqual((await node.inner.range(ALL)).map(([key]) => Buffer.from(key).toString()), ['a', 'd'])
})

test('a commit that fails in the engine alone is there after reopening: the changelog has it', async (t) => {
  let isBroken = false
  const inner = new MemoryEngine({ beforeCommit: () => { if (isBroken) throw new Error('no') } })
  const rig = new Rig(t)
  await rig.start('n1', { founds: true, engine: inner })
  const { engine } = await rig.owner()
  await put(engine!, ['a', '1'])
  isBroken = true
  await assert.rejects(put(engine!, ['b', '2']), { name: 'StorageError' })
  isBroken = false
  await engine!.reopen()
  assert.equal(Buffer.from(await engine!.get(Buffer.from('b')) ?? '').toString(), '2')
})

test('what waits behind a trim when the shard is lost is told so, like the trim', async (t) => {
  const rig = new Rig(t)
  const node = await rig.start('n1', { founds: true })
  const { engine } = await rig.owner()
  await put(engine!, ['a', '1'])
  node.cut()
  const trim = engine!.trim({ gte: Buffer.from('b'), lt: Buffer.from('c') })
  const commit = put(engine!, ['d', '1'])
  await Promise.all([trim, commit].map((work) => assert.rejects(work, { code: 'lost' })))
})

test('once the lease may have ended nothing is read and nothing committed', async (t) => {
  const rig = new Rig(t)
  const node = await rig.start('n1', { founds: true })
  const { engine } = await rig.owner()
  await put(engine!, ['a', '1'])
  node.cut()
  await until(() => node.losses.length > 0)
  assert.deepEqual(node.losses, ['lease-ended'])
  await assert.rejects(engine!.get(Buffer.from('a')), { code: 'lost' })
  await assert.rejects(put(engine!, ['b', '2']), { code: 'lost' })
  await assert.rejects(engine!.reopen(), { code: 'lost' })
})

test('a commit of several entries is applied by standbys as one, and trims reach them', async (t) => {
  const rig = new Rig(t, { limits: { partBytes: 1000 } })
  await rig.start('n1', { founds: true })
  const { engine } = await rig.owner()
  const standby = await rig.start('n2')
  await put(engine!, ['a', '1'], ['b', '2'], ['c', 'x'.repeat(50_000)])
  await engine!.trim({ gte: Buffer.from('b'), lt: Buffer.from('c') })
  await put(engine!, ['d', '4'])
  await until(async () => await standby.inner.get(Buffer.from('d')) !== undefined)
  assert.deepEqual((await standby.inner.range(ALL)).map(([key, value]) => `${Buffer.from(key).toString()} ${String(value.length)}`), ['a 1', 'c 50000', 'd 1'])
  assert.ok(rig.server.log.length > 50)
  assert.notDeepEqual((await readState(standby.inner))?.position, BEGINNING)
})
