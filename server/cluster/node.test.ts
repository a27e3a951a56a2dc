import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { everything } from '../../storage/owner-keys.js'
import { put } from '../../storage/testing/engine-suite.js'
import type { Engine } from '../../storage/engine.js'
import { SILENT_LOG } from '../log.js'
import { ClusterStoreError } from './cluster-store.js'
import type { DirectoryView } from './directory.js'
import { ranked } from './ranking.js'
import { packState, readState, STATE_KEY } from './shard-rows.js'
import { Rig, SHORT, until } from './testing/rig.js'

async function rowsOf(engine: Engine): Promise<string[]> {
  const rows = await engine.range({ ...everything(), limit: 100_000 })
  return rows.filter(([key]) => Buffer.compare(key, STATE_KEY) !== 0).map(([key, value]) => `${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`)
}

test('a cluster begins with the data of the node that founds it, and the others copy it while it serves', async (t) => {
  // The lease is to be kept, however late this process is.
  const rig = new Rig(t, { limits: { copyPageBytes: 2000, leaseMs: 15_000 } })
  const inner = new MemoryEngine()
  for (let i = 0; i < 300; i++) await put(inner, [`row${String(i).padStart(4, '0')}`, 'x'.repeat(50)])
  const first = await rig.start('n1', { founds: true, engine: inner })
  await rig.owner()
  // What the second one had before goes.
  const second = await rig.start('n2')
  let written = 0
  const writing = (async () => {
    while (second.node.report.role !== 'standby' || written < 50) {
      await put(first.engine!, [`row${String(written++ * 7 % 400).padStart(4, '0')}`, `new ${String(written)}`])
      // All is in memory: without this no timer would ever be heard.
      await turn()
    }
  })()
  await writing
  await until(() => second.node.report.position.number === first.node.report.position.number)
  assert.deepEqual(await rowsOf(second.inner), await rowsOf(first.inner))
  await until(() => rig.server.members.includes('n2'))
})

test('a node that reads of the new owner together with the end of the old one knows it at once', async (t) => {
  const rig = new Rig(t, { limits: { leaseMs: 15_000 } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  // It does not find out by looking now and then.
  const third = await rig.start('n3', { limits: { lookEveryMs: 600_000 } })
  await until(() => third.node.report.role === 'standby' && third.node.report.position.number === first.node.report.position.number)
  let goOn = (): void => undefined
  const writes = new Promise<void>((resolve) => { goOn = resolve })
  third.store.beforeRead = () => writes
  // The read that is under way ends with this one, and the next one comes too late for the release alone.
  await put(first.engine!, ['a', '1'])
  await until(() => third.node.report.position.number === rig.server.log.at(-1)?.position.number)
  await first.node.hand('n2')
  await rig.owner(first)
  assert.equal(rig.server.log.at(-1)?.position.epoch, second.epoch)
  goOn()
  await until(() => third.node.directory.view.owner?.node === 'n2')
})

test('the changelog keeps what trims alone have reached, since a crash has them done once more', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  await put(first.engine!, ['a', '1'])
  for (const key of ['b', 'c', 'd']) await first.engine!.trim({ gte: Buffer.from(key), lt: Buffer.from(`${key}z`) })
  let trims = 0
  first.store.afterCall = (name) => { if (name === 'trim') trims++ }
  await until(() => trims >= 2)
  first.cut()
  await until(() => first.losses.length > 0)
  // Nobody else has anything: what its disk needs has to be there still.
  const again = await rig.start('n1', { engine: first.inner })
  assert.equal(await rig.owner(first), again)
  assert.equal(Buffer.from(await again.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
})

test('a node that is gone is followed by one that has everything', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  await put(first.engine!, ['a', '1'])
  first.cut()
  const owner = await rig.owner(first)
  assert.equal(owner, second)
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
  await until(() => first.losses.length > 0)
  await put(owner.engine!, ['b', '2'])
  // It comes back, and follows.
  first.store.isCut = false
  await until(async () => await first.inner.get(Buffer.from('b')) !== undefined)
})

test('an owner that resigns finishes what it has first, and its heir has the shard at once', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  for (const name of ['n2', 'n3']) await rig.start(name)
  await until(() => rig.server.members.length === 3)
  const engine = first.engine!
  first.beforeLost = () => put(engine, ['last', 'words'])
  const began = performance.now()
  await first.node.resign('n3')
  const owner = await rig.owner(first)
  const took = performance.now() - began
  assert.equal(owner.name, 'n3')
  assert.deepEqual(first.losses, ['resigned'])
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('last')) ?? '').toString(), 'words')
  // Not when the lease would have ended.
  assert.ok(took < SHORT.leaseMs * 0.9, `${String(took)} ms`)
  await assert.rejects(put(engine, ['later', '1']), { code: 'lost' })
})

for (const way of ['resign', 'close'] as const) {
  test(`a node that is to ${way} while its claim is answered gives the shard back`, async (t) => {
    const rig = new Rig(t)
    const first = await rig.start('n1', { founds: true })
    await rig.owner()
    const second = await rig.start('n2')
    await until(() => rig.server.members.includes('n2'))
    let isDone = false
    second.store.afterCall = (name) => {
      if (name !== 'acquire') return
      second.store.afterCall = () => undefined
      void second.node[way]().then(() => { isDone = true })
    }
    await first.node.resign('n2')
    await until(() => isDone)
    first.node.stay()
    assert.equal(await rig.owner(second), first)
    if (way === 'resign') await until(() => second.node.report.role === 'standby')
  })
}

test('a node that takes the shard as soon as the store answers again says no trouble any more', async (t) => {
  const rig = new Rig(t)
  // Who ranks first does not wait, and so has no turn without trouble before.
  const [heir, founder] = ranked(0, ['n1', 'n2'])
  const first = await rig.start(founder!, { founds: true })
  await rig.owner()
  const second = await rig.start(heir!)
  await until(() => rig.server.members.includes(heir!))
  first.cut()
  second.cut()
  await until(() => second.node.report.trouble !== '')
  await until(() => !rig.server.isLeased)
  second.store.isCut = false
  await rig.owner(first)
  assert.equal(second.node.report.trouble, '')
})

test('the directory tells who owns the shard, and says nobody in between', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  const seen: DirectoryView[] = []
  await until(() => second.node.directory.view.owner?.node === 'n1')
  assert.deepEqual(first.node.directory.view, { owner: { node: 'n1', address: 'n1:1', epoch: 1 }, isSelf: true })
  second.node.directory.onChange((view) => seen.push(view))
  await until(() => rig.server.members.includes('n2'))
  await first.node.resign()
  await rig.owner(first)
  assert.deepEqual(seen.at(-1), { owner: { node: 'n2', address: 'n2:1', epoch: 2 }, isSelf: true })
  await until(() => first.node.directory.view.owner?.node === 'n2')
  assert.deepEqual(first.node.directory.nodes.map(({ node }) => node).sort(), ['n1', 'n2'])
  assert.equal(first.node.directory.view.isSelf, false)
})

test('a node with the data of another server, or of another founding, takes no part and says why', async (t) => {
  const rig = new Rig(t)
  await rig.start('n1', { founds: true })
  await rig.owner()
  const stranger = new MemoryEngine()
  await put(stranger, ['precious', 'data'])
  const second = await rig.start('n2', { engine: stranger })
  await until(() => second.node.report.role === 'refused')
  assert.match(second.node.report.trouble, /outside this cluster: give this node an empty data directory/)

  const other = new Rig(t)
  const third = await other.start('n3', { founds: true })
  await other.owner()
  await third.node.close()
  const fourth = await rig.start('n3', { engine: third.inner })
  await until(() => fourth.node.report.role === 'refused')
  assert.match(fourth.node.report.trouble, /belongs to another founding/)
  assert.equal(Buffer.from(await stranger.get(Buffer.from('precious')) ?? '').toString(), 'data')
})

test('when the store has lost everything the owner puts it back, and who was close by goes on without a copy', async (t) => {
  const events: string[] = []
  const note = (_: object, event: string): void => { events.push(event) }
  const rig = new Rig(t, { log: { debug: note, info: note, warn: note, error: note } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  await put(first.engine!, ['a', '1'])
  await until(async () => await second.inner.get(Buffer.from('a')) !== undefined)
  events.length = 0
  rig.server.restartEmpty()
  await put(first.engine!, ['b', '2'])
  await until(async () => await second.inner.get(Buffer.from('b')) !== undefined)
  assert.ok(events.includes('cluster-store-lost-epoch'))
  assert.ok(!events.includes('cluster-copy-begins') && !events.includes('cluster-owner-no-more'), events.join(' '))
})

test('after the store has lost everything a node waits for the others, unless the operator gives one up', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  await put(first.engine!, ['a', '1'])
  await until(async () => await second.inner.get(Buffer.from('a')) !== undefined)
  first.cut()
  rig.server.restartEmpty()
  await until(() => second.node.report.waitingFor.includes('n1'))
  assert.equal(second.engine, null)
  second.node.forget('n1')
  const owner = await rig.owner(first)
  assert.equal(owner, second)
})

test('a node that is not to follow, and has most, takes a shard in doubt', async (t) => {
  const rig = new Rig(t, { limits: { standbys: 1, memberAwayMs: 60_000 } })
  const names = ranked(0, ['n2', 'n3'])
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start(names[1]!)
  await until(() => rig.server.members.includes(second.name))
  await put(first.engine!, ['a', '1'])
  await until(async () => await second.inner.get(Buffer.from('a')) !== undefined)
  first.cut()
  rig.server.restartEmpty()
  await until(() => second.node.report.waitingFor.includes('n1'))
  // It ranks before the other, which is spare from when it has seen it, and has nothing.
  const third = await rig.start(names[0]!)
  await until(() => second.node.directory.nodes.some(({ node }) => node === third.name))
  second.node.forget('n1')
  const owner = await rig.owner(first)
  assert.equal(owner, second)
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
})

test('a member that is away too long is none any more, and becomes one again when it has followed', async (t) => {
  const rig = new Rig(t, { limits: { memberAwayMs: 500 } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  second.cut()
  await until(() => !rig.server.members.includes('n2'))
  await put(first.engine!, ['a', '1'])
  second.store.isCut = false
  await until(() => rig.server.members.includes('n2'))
})

test('the changelog is trimmed behind the slowest member, and a member too far behind copies', async (t) => {
  const rig = new Rig(t, { limits: { changelogEntriesMax: 40, memberAwayMs: 60_000 } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  for (let i = 0; i < 30; i++) await put(first.engine!, [`a${String(i)}`, '1'])
  await until(() => rig.server.log.length < 10)
  second.cut()
  for (let i = 0; i < 30; i++) await put(first.engine!, [`b${String(i)}`, '1'])
  await new Promise((resolve) => { setTimeout(resolve, 400) })
  assert.ok(rig.server.log.length >= 30, 'it keeps what the member lacks')
  for (let i = 0; i < 60; i++) await put(first.engine!, [`c${String(i)}`, '1'])
  await until(() => !rig.server.members.includes('n2') && rig.server.log.length <= 45)
  second.store.isCut = false
  await until(() => rig.server.members.includes('n2'))
  assert.deepEqual(await rowsOf(second.inner), await rowsOf(first.inner))
})

test('of more nodes than standbys are wanted those follow that rank first, and when one is gone the next', async (t) => {
  const rig = new Rig(t, { limits: { standbys: 1, memberAwayMs: 1000 } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const others = await Promise.all(['n2', 'n3', 'n4'].map((name) => rig.start(name)))
  const roles = (): string[] => others.map(({ node }) => node.report.role).sort()
  await until(() => roles().join() === 'spare,spare,standby')
  const follower = others.find(({ node }) => node.report.role === 'standby')!
  await until(() => rig.server.members.join() === ['n1', follower.name].join())
  await put(first.engine!, ['a', '1'])
  follower.cut()
  const next = await until(() => others.find((each) => each !== follower && each.node.report.role === 'standby'))
  await until(() => rig.server.members.join() === ['n1', next.name].join())
  first.cut()
  const owner = await rig.owner(first)
  assert.equal(owner, next)
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
})

test('a standby that may take the shard goes on following until who ranks before it may, too', async (t) => {
  const rig = new Rig(t, { limits: { standbys: 1, memberAwayMs: 60_000 } })
  const names = ranked(0, ['n2', 'n3', 'n4'])
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start(names[1]!)
  await until(() => rig.server.members.includes(second.name))
  // It is seen, ranks first, and can't follow: its data are of something else.
  const foreign = new MemoryEngine()
  await put(foreign, ['x', '1'])
  const refused = await rig.start(names[0]!, { engine: foreign })
  await until(() => refused.node.report.role === 'refused')
  await until(() => second.node.directory.nodes.some(({ node }) => node === refused.name))
  await put(first.engine!, ['a', '1'])
  first.cut()
  const owner = await rig.owner(first)
  assert.equal(owner, second)
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
})

test('a node that is being drained stays so, whoever has it hand the shard over meanwhile', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  const handed = first.node.hand('n2')
  const drained = first.node.resign()
  assert.equal(await handed, true)
  await drained
  assert.equal(await rig.owner(first), second)
  assert.equal(first.node.report.isDrained, true)
  assert.equal(await first.node.hand('n2'), false)
  assert.equal(first.node.report.isDrained, true)
  first.node.stay()
  assert.equal(first.node.report.isDrained, false)
})

test('an attempt to take the shard that had no answer is no way past the others later', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const [second, third] = [await rig.start('n2'), await rig.start('n3')]
  await until(() => rig.server.members.length === 3)
  third.store.isCut = true
  let failOver: (() => void) | null = null
  second.store.afterCall = (name) => {
    if (name !== 'acquire' || failOver !== null) return
    failOver = rig.server.laggingReplica()
    second.cut()
  }
  await first.node.resign('n2')
  await until(() => failOver)
  // It never heard that it had the shard. The next one says what nobody else knows, and dies; then Redis forgets that there was one.
  third.store.isCut = false
  assert.equal(await rig.owner(first), third)
  await put(third.engine!, ['a', '1'])
  third.cut()
  failOver!()
  second.store.isCut = false
  await until(() => second.node.report.waitingFor.length > 0)
  assert.equal(second.engine, null)
  third.store.isCut = false
  const owner = await rig.owner()
  assert.equal(Buffer.from(await owner.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
})

test('a standby copies where it has read what the store has lost, though the changelog has gone on in an earlier epoch', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  await put(first.engine!, ['a', '1'])
  const state = await readState(first.inner)
  const engine = new MemoryEngine()
  await put(engine, ['b', '2'])
  const batch = engine.batch()
  batch.put(STATE_KEY, packState(state!.lineage, { epoch: 9, number: state!.position.number + 1, token: 'f'.repeat(16) }, null))
  await engine.commit(batch)
  const second = await rig.start('n2', { engine })
  await until(() => rig.server.members.includes('n2'))
  assert.deepEqual(await rowsOf(second.inner), await rowsOf(first.inner))
})

test('the epoch that a shard is told is one of an entry on its disk, so that no later one is told the same', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  let isLost = false
  second.store.afterCall = (name) => {
    if (name !== 'append' || isLost) return
    isLost = true
    rig.server.flush()
  }
  await first.node.resign('n2')
  assert.equal(await rig.owner(first), second)
  assert.equal(isLost, true)
  assert.equal(second.epoch, (await readState(second.inner))!.position.epoch)
})

test('what a node fails at again and again, and not between, is told once', async (t) => {
  let told = 0
  const note = (_: object, event: string): void => { if (event === 'cluster-trouble') told++ }
  const rig = new Rig(t, { log: { ...SILENT_LOG, warn: note, error: note } })
  const node = await rig.start('n1', { founds: true })
  await rig.owner()
  await node.node.resign()
  let refused = 0
  node.store.afterCall = (name) => {
    // Every second one: the turns between are fine.
    if (name !== 'beat' || ++refused % 2 === 0) return
    throw new ClusterStoreError('refused', 'can\'t persist')
  }
  await until(() => refused > 10)
  assert.equal(told, 1)
})

test('what can\'t finish is given up all the same: an entry that its replicas never have, in bounded time', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true, limits: { leaseMs: 500 } })
  await rig.owner()
  // Every append is there, and never at the replicas of the store, while leases are renewed as ever.
  let isUnreplicated = true
  first.store.afterCall = (name) => {
    if (name === 'append' && isUnreplicated) throw new ClusterStoreError('unreplicated', 'no replica has it')
  }
  const committing = put(first.engine!, ['a', '1'])
  committing.catch(() => undefined)
  first.beforeLost = () => committing.catch(() => undefined)
  const [giving, again] = [first.node.resign(), first.node.resign('n2')]
  await Promise.all([giving, again])
  assert.equal(first.engine, null)
  await assert.rejects(committing, { code: 'lost' })
  isUnreplicated = false
  first.node.stay()
  await rig.owner()
})

test('a shard that never says that it is closed holds up neither who gives it up nor the end of its node', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true, limits: { leaseMs: 500 } })
  await rig.owner()
  first.beforeLost = () => new Promise(() => { /* never */ })
  await first.node.resign()
  assert.equal(first.node.report.role, 'standby')
  first.node.stay()
  await until(() => first.node.report.role === 'owner' && first.epoch > 1)
  await first.node.close()
  assert.equal(first.node.report.role, 'closed')
})

test('a node whose shard can\'t be closed gives its lease up, and ends', async (t) => {
  const rig = new Rig(t)
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  first.beforeLost = () => Promise.reject(new Error('it does not close'))
  await first.node.close()
  assert.equal(first.node.report.role, 'closed')
})

test('a standby that lags far behind goes on with all else, and ends when it is told to', async (t) => {
  const rig = new Rig(t, { limits: { leaseMs: 15_000 } })
  const first = await rig.start('n1', { founds: true })
  await rig.owner()
  const second = await rig.start('n2')
  await until(() => rig.server.members.includes('n2'))
  let reads = 0
  second.store.beforeRead = async () => {
    reads++
    // As fast as it reads, the owner writes. All is in memory: without this no timer would ever be heard, not that of the lease either.
    await turn()
    await Promise.all(Array.from({ length: 64 }, (_, i) => put(first.engine!, [`row${String(i)}`, String(reads)])))
  }
  await until(() => reads > 20)
  await second.node.close()
  second.store.beforeRead = () => Promise.resolve()
  assert.equal(second.node.report.role, 'closed')
})
