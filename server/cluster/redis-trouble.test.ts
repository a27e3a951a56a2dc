/** Nodes with a real Redis that is killed, stopped, emptied, filled up, or comes back with less than it had. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Engine } from '../../storage/engine.js'
import { put } from '../../storage/testing/engine-suite.js'
import { SILENT_LOG } from '../log.js'
import { freePort } from '../testing/free-port.js'
import { connectRedis, type RedisTarget } from './redis-connect.js'
import { RedisStore } from './redis-store.js'
import { RedisServer, WITHOUT_REDIS } from './testing/redis-server.js'
import { Rig, type RigNode, until } from './testing/rig.js'

const options = { skip: WITHOUT_REDIS }

interface Running {
  readonly rig: Rig
  readonly nodes: readonly RigNode[]
  readonly acknowledged: string[]
  /** Writes at whoever owns the shard, until the test ends. */
  isWriting: boolean
}

function standalone({ url }: RedisServer): RedisTarget {
  return { mode: 'standalone', urls: [url], sentinelName: '', user: '', password: '' }
}

/** Three nodes on a Redis, all of them members, and somebody who writes all the time. */
async function running(t: TestContext, server: RedisServer, target: RedisTarget = standalone(server)): Promise<Running> {
  const rig = new Rig(t, {
    openStore: () => new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster: 'trouble', shard: 0, shards: 1, timeoutMs: 300, replicas: 0 }),
    limits: { leaseMs: 1500, renewEveryMs: 200 },
  })
  const nodes = [await rig.start('n1', { founds: true }), await rig.start('n2'), await rig.start('n3')]
  await rig.owner()
  const made: Running = { rig, nodes, acknowledged: [], isWriting: true }
  t.after(() => { made.isWriting = false })
  void write(made)
  await until(() => nodes.every((node) => node.node.report.role !== 'copying'))
  await until(async () => (await server.say('HGET', 'chatd:{trouble:0}:fence', 'members')).includes('n1,n2,n3'))
  await until(() => made.acknowledged.length > 20)
  return made
}

async function write(made: Running): Promise<void> {
  for (let number = 1; made.isWriting; number++) {
    const owner = made.nodes.find((node) => node.engine !== null)
    const name = `k${String(number).padStart(6, '0')}`
    try {
      if (owner === undefined || owner.engine === null) await pause(10)
      else {
        await put(owner.engine, [name, name])
        made.acknowledged.push(name)
        await pause(1)
      }
    } catch {
      // As a shard does.
      await owner?.engine?.reopen().catch(() => undefined)
      await pause(20)
    }
  }
}

/** Writing goes on; then it ends, and what was acknowledged is at every node. */
async function settled(made: Running): Promise<void> {
  const before = made.acknowledged.length
  await until(() => made.acknowledged.length > before + 20, 20_000).catch((error: unknown) => {
    throw new Error(made.nodes.map(({ name, node }) => `${name} ${JSON.stringify(node.report)}`).join('; '), { cause: error })
  })
  made.isWriting = false
  const owner = await made.rig.owner()
  await until(() => made.nodes.every((node) => node.node.report.role !== 'copying' && node.node.report.position.number === owner.node.report.position.number), 20_000)
  for (const node of made.nodes) {
    const has = new Set(await namesOf(node.inner))
    const lost = made.acknowledged.filter((name) => !has.has(name))
    assert.deepEqual(lost, [], `lost at ${node.name}`)
  }
}

async function namesOf(engine: Engine): Promise<string[]> {
  return (await engine.range({ gte: Buffer.from('k'), lt: Buffer.from('l'), limit: 1_000_000 })).map(([key]) => Buffer.from(key).toString())
}

test('Redis is killed and starts again with what it had: service goes on by itself', options, async (t) => {
  const server = await RedisServer.start(t, '--appendonly', 'yes')
  const made = await running(t, server)
  await server.kill()
  await pause(2500)
  await until(() => made.nodes.every((node) => node.engine === null))
  await server.start()
  await settled(made)
})

test('Redis stands still for longer than a lease', options, async (t) => {
  const server = await RedisServer.start(t)
  const made = await running(t, server)
  server.pause()
  await until(() => made.nodes.every((node) => node.engine === null))
  server.goOn()
  await settled(made)
})

test('Redis is flushed: the owner puts back what it knows, and nobody has to copy', options, async (t) => {
  const server = await RedisServer.start(t)
  const made = await running(t, server)
  const owner = await made.rig.owner()
  await server.say('FLUSHALL')
  await settled(made)
  assert.deepEqual(owner.losses, [])
})

test('Redis starts again without its data: the node that has most goes on', options, async (t) => {
  const server = await RedisServer.start(t)
  const made = await running(t, server)
  await server.kill()
  await pause(2500)
  await server.start()
  await settled(made)
})

test('Redis comes back with less than it had confirmed', options, async (t) => {
  const server = await RedisServer.start(t, '--appendonly', 'no')
  const made = await running(t, server)
  await server.say('SAVE')
  const before = made.acknowledged.length
  await until(() => made.acknowledged.length > before + 50)
  await server.kill()
  await server.start()
  await settled(made)
})

test('Redis has no memory left: nothing is acknowledged, the owner stays, and goes on when there is some', options, async (t) => {
  const server = await RedisServer.start(t)
  const made = await running(t, server)
  const owner = await made.rig.owner()
  await server.say('CONFIG', 'SET', 'maxmemory', '1')
  await pause(200)
  const before = made.acknowledged.length
  await pause(2000)
  assert.equal(made.acknowledged.length, before)
  assert.deepEqual(owner.losses, [])
  await server.say('CONFIG', 'SET', 'maxmemory', '0')
  await settled(made)
})

test('the owner dies: another has everything within the lease and little more', options, async (t) => {
  const server = await RedisServer.start(t)
  const made = await running(t, server)
  const owner = await made.rig.owner()
  const began = performance.now()
  owner.cut()
  await made.rig.owner(owner)
  const took = performance.now() - began
  assert.ok(took < 1500 + 1000, `${String(took)} ms`)
  owner.store.isCut = false
  await settled(made)
})

test('a Sentinel makes a replica the primary: the nodes find it, and go on', options, async (t) => {
  const { primary, replica, made } = await behindSentinel(t, 500)
  await primary.kill()
  await until(async () => (await replica.say('INFO', 'replication')).includes('role:master'), 20_000)
  await settled(made)
})

test('a Sentinel makes a replica the primary where that takes connections and answers none: the nodes leave it, and go on', options, async (t) => {
  // Long enough for all to have come back to the old one.
  const { primary, replica, made } = await behindSentinel(t, 4000)
  primary.pause()
  await until(async () => (await replica.say('INFO', 'replication')).includes('role:master'), 20_000)
  await settled(made)
})

async function behindSentinel(t: TestContext, downAfterMs: number): Promise<{ readonly primary: RedisServer, readonly replica: RedisServer, readonly made: Running }> {
  const primary = await RedisServer.start(t)
  const replica = await RedisServer.start(t, '--replicaof', '127.0.0.1', String(primary.port))
  await until(async () => (await primary.say('INFO', 'replication')).includes('state=online'))
  const sentinel = await RedisServer.sentinel(t, primary)
  await sentinel.say('SENTINEL', 'SET', 'chatd', 'down-after-milliseconds', String(downAfterMs))
  await until(async () => (await sentinel.say('SENTINEL', 'REPLICAS', 'chatd')).includes(String(replica.port)))
  const made = await running(t, primary, { mode: 'sentinel', urls: [sentinel.url], sentinelName: 'chatd', user: '', password: '' })
  return { primary, replica, made }
}

test('a Redis Cluster holds a shard on one of its nodes', options, async (t) => {
  const server = await RedisServer.start(t, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(await freePort()))
  await server.say('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(async () => (await server.say('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  const made = await running(t, server, { mode: 'cluster', urls: [server.url], sentinelName: '', user: '', password: '' })
  await settled(made)
})

test('a node of a Redis Cluster is gone, and its replica takes over: the nodes find it, and go on', options, async (t) => {
  const [primary, replica] = await twoOfACluster(t)
  const made = await running(t, primary, ofCluster(primary, replica))
  await primary.kill()
  await takeOver(replica)
  await settled(made)
})

test('a replica takes over from a node of a Redis Cluster that takes connections and answers none: the nodes leave it, and go on', options, async (t) => {
  const [primary, replica] = await twoOfACluster(t)
  const made = await running(t, primary, ofCluster(primary, replica))
  primary.pause()
  await until(() => made.nodes.every((node) => node.engine === null))
  // For all to have come back to the old one.
  await pause(4000)
  await takeOver(replica)
  await settled(made)
})

function ofCluster(...servers: readonly RedisServer[]): RedisTarget {
  return { mode: 'cluster', urls: servers.map(({ url }) => url), sentinelName: '', user: '', password: '' }
}

async function takeOver(replica: RedisServer): Promise<void> {
  await replica.say('CLUSTER', 'FAILOVER', 'TAKEOVER')
  await until(async () => (await replica.say('INFO', 'replication')).includes('role:master'))
}

/** One has all slots, the other replicates it; on a word of the operator it takes over, since two can't elect. */
async function twoOfACluster(t: TestContext): Promise<[RedisServer, RedisServer]> {
  const node = async (): Promise<RedisServer> =>
    RedisServer.start(t, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', String(await freePort()), '--cluster-node-timeout', '1000')
  const [primary, replica] = [await node(), await node()]
  await primary.say('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  const [, id, busPort] = /([0-9a-f]{40}) [^ ]*@(\d+)/.exec(await primary.say('CLUSTER', 'NODES'))!
  await replica.say('CLUSTER', 'MEET', '127.0.0.1', String(primary.port), busPort!)
  await until(async () => (await replica.say('CLUSTER', 'REPLICATE', id!)).includes('OK'))
  await until(async () => (await primary.say('INFO', 'replication')).includes('state=online') && (await replica.say('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  return [primary, replica]
}
