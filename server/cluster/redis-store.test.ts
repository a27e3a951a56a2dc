import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { SILENT_LOG } from '../log.js'
import { ClusterStoreError } from './cluster-store.js'
import { BEGINNING } from './position.js'
import { connectRedis } from './redis-connect.js'
import { RedisStore } from './redis-store.js'
import { ModelServer, ModelStore } from './testing/model-store.js'
import { RedisServer, WITHOUT_REDIS } from './testing/redis-server.js'
import { until } from './testing/rig.js'
import { claim, entry, storeSuite, token } from './testing/store-suite.js'

export function openStore(t: TestContext, server: RedisServer, { replicas = 0, timeoutMs = 1000, cluster = 'test', password = '' } = {}): RedisStore {
  const target = { mode: 'standalone', urls: [server.url], sentinelName: '', user: '', password } as const
  const store = new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster, shard: 0, shards: 1, timeoutMs, replicas })
  t.after(() => store.close())
  return store
}

/** Until it answers: the connection is made in the background. */
async function ready(store: RedisStore): Promise<void> {
  for (let tries = 0; tries < 250; tries++) {
    try {
      await store.look(token('0'))
      return
    } catch {
      await pause(20)
    }
  }
  throw new Error('the store does not answer')
}

storeSuite('the model', () => {
  let nowMs = 0
  const server = new ModelServer(() => nowMs)
  return Promise.resolve({
    store: new ModelStore(server),
    pass: (ms: number) => { nowMs += ms; return Promise.resolve() },
    newLife: () => { server.failOver(0); return Promise.resolve() },
  })
})

if (WITHOUT_REDIS === false) {
  storeSuite('Redis', async (t) => {
    const server = await RedisServer.start(t, '--appendonly', 'yes')
    const store = openStore(t, server)
    await ready(store)
    return {
      store,
      pass: (ms: number) => pause(ms),
      newLife: async () => {
        await server.kill()
        await server.start()
        await ready(store)
      },
    }
  })
}

const options = { skip: WITHOUT_REDIS }

test('the first question waits for the connection', options, async (t) => {
  const store = openStore(t, await RedisServer.start(t))
  assert.deepEqual((await store.beat(null, 1000)).nodes, [])
})

test('without Redis it is told so at once', options, async (t) => {
  const server = await RedisServer.start(t)
  await server.kill()
  const store = openStore(t, server, { timeoutMs: 60_000 })
  await assert.rejects(store.look(token('0')), { code: 'unreachable', message: /^Redis can't be reached: connect ECONNREFUSED/ })
})

test('where Redis has another password, that is told as the reason', options, async (t) => {
  const server = await RedisServer.start(t)
  await server.say('CONFIG', 'SET', 'requirepass', 'another one')
  const store = openStore(t, server, { password: 'no more' })
  const isToldWhy = (error: unknown): boolean => error instanceof ClusterStoreError && error.code === 'unreachable' && /can't be reached: (WRONGPASS|NOAUTH)/.test(error.message)
  await until(() => store.look(token('0')).then(() => false, isToldWhy))
})

test('a Redis that is away is unreachable, and one that is full refuses what would grow, but not renewals', options, async (t) => {
  const server = await RedisServer.start(t)
  const store = openStore(t, server, { timeoutMs: 300 })
  await ready(store)
  const acquired = await store.acquire(claim('n1', { leaseMs: 60_000 }))
  assert.equal(acquired.kind, 'acquired')
  const append = { token: token('1'), previous: BEGINNING, entry: entry({ epoch: 1, number: 1, token: token('1') }, BEGINNING.token) }
  await server.say('CONFIG', 'SET', 'maxmemory', '1')
  await assert.rejects(store.append(append), (error) => error instanceof ClusterStoreError && error.code === 'refused' && error.message.includes('OOM'))
  assert.equal((await store.renew({ token: token('1'), leaseMs: 60_000, complete: null, incarnation: '', members: [], number: 1 })).kind, 'renewed')
  assert.equal((await store.look(token('0'))).leaseMs !== null, true)
  await server.say('CONFIG', 'SET', 'maxmemory', '0')
  assert.equal((await store.append(append)).kind, 'appended')
  server.pause()
  await assert.rejects(store.append(append), { code: 'unreachable' })
  server.goOn()
  await ready(store)
  assert.equal((await store.append(append)).kind, 'appended')
  await server.kill()
  await assert.rejects(store.look(token('0')), { code: 'unreachable' })
})

test('an append that waits for replicas is not done without them', options, async (t) => {
  const primary = await RedisServer.start(t)
  const replica = await RedisServer.start(t, '--replicaof', '127.0.0.1', String(primary.port))
  while (!(await primary.say('INFO', 'replication')).includes('state=online')) await pause(20)
  const store = openStore(t, primary, { replicas: 1, timeoutMs: 30_000 })
  const hasty = openStore(t, primary, { replicas: 1, timeoutMs: 1000 })
  await Promise.all([ready(store), ready(hasty)])
  await store.acquire(claim('n1', { leaseMs: 60_000 }))
  const at = (number: number) => ({ epoch: 1, number, token: token('1') })
  assert.equal((await store.append({ token: token('1'), previous: BEGINNING, entry: entry(at(1), BEGINNING.token) })).kind, 'appended')
  replica.pause()
  const second = { token: token('1'), previous: at(1), entry: entry(at(2), token('1')) }
  await assert.rejects(hasty.append(second), { code: 'unreplicated' })
  replica.goOn()
  // It is there already, and now at the replica too.
  assert.equal((await store.append(second)).kind, 'appended')
  assert.ok(await primary.isInSync(replica))
  // Nor where Redis has to be told the script first, and the replica has said that it has all that is older.
  const hasSaid = async (): Promise<boolean> => {
    const info = await primary.say('INFO', 'replication')
    return /slave0:.*,offset=(\d+)/.exec(info)?.[1] === /master_repl_offset:(\d+)/.exec(info)?.[1]
  }
  while (!await hasSaid()) await pause(20)
  await primary.say('SCRIPT', 'FLUSH')
  replica.pause()
  const third = { token: token('1'), previous: at(2), entry: entry(at(3), token('1')) }
  await assert.rejects(hasty.append(third), { code: 'unreplicated' })
  replica.goOn()
})

test('a name that could not be part of a key is refused', () => {
  assert.throws(() => new RedisStore({ connect: () => { throw new Error('not reached') }, cluster: 'a b', shard: 0, shards: 1, timeoutMs: 1, replicas: 0 }), RangeError)
})
