/** Two processes under the name of one node: with the model of the store, a Redis, and a Redis Cluster. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { MemoryEngine } from '../../storage/memory-engine.js'
import { put } from '../../storage/testing/engine-suite.js'
import { SILENT_LOG } from '../log.js'
import { freePort } from '../testing/free-port.js'
import type { ClusterStore } from './cluster-store.js'
import { connectRedis } from './redis-connect.js'
import { RedisStore } from './redis-store.js'
import { ModelServer, ModelStore } from './testing/model-store.js'
import { RedisServer, WITHOUT_REDIS } from './testing/redis-server.js'
import { Rig, SHORT, until } from './testing/rig.js'

type StoreOpener = () => ClusterStore

function redisStores(t: TestContext, server: RedisServer, mode: 'standalone' | 'cluster'): StoreOpener {
  return () => {
    const target = { mode, urls: [server.url], sentinelName: '', user: '', password: '' } as const
    const store = new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster: 'test', shard: 0, shards: 1, timeoutMs: 1000, replicas: 0 })
    t.after(() => store.close())
    return store
  }
}

/** `open`: undefined for the model. */
function nameTests(open: (t: TestContext) => Promise<StoreOpener | undefined>): void {
  const rigOf = async (t: TestContext): Promise<Rig> => {
    const openStore = await open(t)
    return new Rig(t, openStore === undefined ? {} : { openStore })
  }

  test('the second process stands aside and says what to do, and takes part once the first has ended', async (t) => {
    const rig = await rigOf(t)
    const owner = await rig.start('n1', { founds: true })
    await rig.owner()
    const first = await rig.start('n2')
    await until(() => first.node.report.role === 'standby' && owner.node.report.members.includes('n2'))
    const second = await rig.start('n2')
    await until(() => second.node.report.role === 'refused')
    assert.match(second.node.report.trouble, /another process runs as node n2, with its links at n2:1: give one of the two another name \(cluster\.node\)/)
    // The first one goes on as it was, and nothing is said in its name.
    await put(owner.engine!, ['a', '1'])
    await until(() => first.node.report.position.number === owner.node.report.position.number)
    assert.deepEqual([first.node.report.role, first.node.report.trouble, second.node.report.position.number], ['standby', '', 0])
    await first.node.close()
    await until(() => second.node.report.role === 'standby' && second.node.report.position.number === owner.node.report.position.number)
    assert.equal(second.node.report.trouble, '')
  })

  test('a node that was killed is back within a lease, and one that has ended at once', async (t) => {
    const rig = await rigOf(t)
    const first = await rig.start('n1', { founds: true })
    await rig.owner()
    await put(first.engine!, ['a', '1'])
    first.cut()
    const began = performance.now()
    const second = await rig.start('n1', { engine: (first.inner as MemoryEngine).copy() })
    await until(() => second.engine !== null)
    const took = performance.now() - began
    assert.ok(took < 3 * SHORT.leaseMs + 2000, `${String(took)} ms`)
    assert.equal(Buffer.from(await second.engine!.get(Buffer.from('a')) ?? '').toString(), '1')
    await second.node.close()
    const third = await rig.start('n1', { engine: (second.inner as MemoryEngine).copy() })
    await until(() => third.engine !== null)
    assert.equal(third.node.report.trouble, '')
  })

  test('a process that stood still while another took its name finds out when it wakes, and owns nothing', async (t) => {
    const rig = await rigOf(t)
    const first = await rig.start('n1', { founds: true })
    await rig.owner()
    await put(first.engine!, ['a', '1'])
    first.cut()
    const second = await rig.start('n1', { engine: (first.inner as MemoryEngine).copy() })
    await until(() => second.engine !== null)
    first.store.isCut = false
    await until(() => first.node.report.role === 'refused')
    assert.match(first.node.report.trouble, /another process runs as node n1/)
    assert.equal(first.engine, null)
    await put(second.engine!, ['b', '2'])
    assert.equal(second.node.report.role, 'owner')
  })
}

describe('one name, with the model of the store', () => { nameTests(() => Promise.resolve(undefined)) })

if (WITHOUT_REDIS === false) {
  describe('one name, with a Redis', () => { nameTests(async (t) => redisStores(t, await RedisServer.start(t), 'standalone')) })

  describe('one name, with a Redis Cluster', () => {
    nameTests(async (t) => {
      const server = await RedisServer.start(t, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(await freePort()))
      await server.say('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
      await until(async () => (await server.say('CLUSTER', 'INFO')).includes('cluster_state:ok'))
      return redisStores(t, server, 'cluster')
    })
  })
}

test('a name is taken from who says nothing, though the clock of the store was set back meanwhile', async (t) => {
  let errorMs = 0
  const server = new ModelServer(() => performance.now() + errorMs)
  const rig = new Rig(t, { openStore: () => new ModelStore(server) })
  const first = await rig.start('n2')
  await until(() => first.node.directory.nodes.length === 1)
  first.cut()
  errorMs = -3_600_000
  const began = performance.now()
  const second = await rig.start('n2')
  await until(() => server.lifeOf('n2') !== undefined && server.lifeOf('n2') !== first.life)
  assert.ok(performance.now() - began >= SHORT.leaseMs)
  assert.equal(second.node.report.trouble, '')
})

test('a standby that stood still while another process took its name says nothing under it when it wakes', async (t) => {
  const rig = new Rig(t)
  const owner = await rig.start('n1', { founds: true })
  await rig.owner()
  const first = await rig.start('n2')
  await until(() => owner.node.report.members.includes('n2'))
  let isReading = false
  let wake = (): void => undefined
  const still = new Promise<void>((resolve) => { wake = resolve })
  first.store.beforeRead = () => {
    isReading = true
    return still
  }
  await until(() => isReading)
  await put(owner.engine!, ['a', '1'])
  const second = await rig.start('n2')
  await until(() => rig.server.lifeOf('n2') === second.life)
  await until(() => second.node.report.role === 'standby' && second.node.report.position.number === owner.node.report.position.number)
  await put(owner.engine!, ['b', '1'])
  const calls: string[] = []
  first.store.afterCall = (name) => { calls.push(name) }
  first.store.beforeRead = () => Promise.resolve()
  wake()
  await until(() => first.node.report.role === 'refused')
  assert.deepEqual(calls.slice(0, calls.indexOf('beat')), ['read'])
})
