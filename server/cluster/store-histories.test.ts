/** Whoever is given the shard is given an epoch beyond all that it, and whoever was asked, has been in: whatever the store has lost. And Redis answers as the model does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SILENT_LOG } from '../log.js'
import { connectRedis } from './redis-connect.js'
import { RedisStore } from './redis-store.js'
import { ModelServer, ModelStore } from './testing/model-store.js'
import { RedisServer, WITHOUT_REDIS } from './testing/redis-server.js'
import { until } from './testing/rig.js'
import { type FragileStore, histories, History } from './testing/store-histories.js'

const RUNS = Number(process.env['CHATD_HISTORIES'] ?? 3000)
const REDIS_RUNS = Math.ceil(RUNS / 60)

function model(): FragileStore {
  let nowMs = 0
  const server = new ModelServer(() => nowMs)
  return {
    store: new ModelStore(server),
    endLease: () => { nowMs += 3_600_000; return Promise.resolve() },
    flush: () => { server.flush(); return Promise.resolve() },
    remember: () => {
      const failOver = server.laggingReplica()
      return Promise.resolve(() => { failOver(); return Promise.resolve() })
    },
  }
}

function real(server: RedisServer, store: RedisStore, cluster: string): FragileStore {
  const keys = ['fence', 'lease', 'log', 'confirmed', 'round'].map((name) => `chatd:{${cluster}:0}:${name}`)
  const copy = (from: string, to: string): Promise<unknown> => server.say('COPY', from, to, 'REPLACE')
  return {
    store,
    endLease: () => server.say('DEL', keys[1]!, `${keys[1]!}:kept`).then(() => undefined),
    flush: () => server.say('DEL', ...keys).then(() => undefined),
    remember: async () => {
      await server.say('DEL', ...keys.map((key) => `${key}:kept`))
      for (const key of keys) await copy(key, `${key}:kept`)
      return async () => {
        await server.say('DEL', ...keys)
        for (const key of keys) await copy(`${key}:kept`, key)
        // Each promotion is another life.
        await server.say('REPLICAOF', '127.0.0.1', '1')
        await server.say('REPLICAOF', 'NO', 'ONE')
      }
    },
  }
}

test('an epoch is beyond all that those have been in who take the shard, or were asked, in short histories of the model', async () => {
  await fc.assert(fc.asyncProperty(histories, (steps) => new History(model()).play(steps)), { numRuns: RUNS })
})

test('a store that does not heed what the claimant has been in is caught by short histories', async () => {
  const forgetful = (): FragileStore => {
    const fragile = model()
    const acquire = fragile.store.acquire.bind(fragile.store)
    fragile.store.acquire = (request) => acquire({ ...request, epoch: 0, position: { ...request.position, epoch: 0 } })
    return fragile
  }
  const searching = fc.assert(fc.asyncProperty(histories, (steps) => new History(forgetful()).play(steps)), { numRuns: RUNS })
  await assert.rejects(searching, ({ cause }: Error) => cause instanceof Error && cause.message.includes('takes the shard in epoch'))
})

test('the same holds at a Redis, which answers as the model does', { skip: WITHOUT_REDIS }, async (t) => {
  const server = await RedisServer.start(t)
  const target = { mode: 'standalone', urls: [server.url], sentinelName: '', user: '', password: '' } as const
  const store = new RedisStore({ connect: () => connectRedis(target, SILENT_LOG), cluster: 'histories', shard: 0, shards: 1, timeoutMs: 5000, replicas: 0 })
  t.after(() => store.close())
  await until(() => store.beat(null, 0).then(() => true, () => false))
  await fc.assert(fc.asyncProperty(histories, async (steps) => {
    await server.say('FLUSHALL')
    const [played, expected] = [new History(real(server, store, 'histories')), new History(model())]
    await played.play(steps)
    await expected.play(steps)
    assert.deepEqual(played.answers, expected.answers)
  }), { numRuns: REDIS_RUNS })
})
