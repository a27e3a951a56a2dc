import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Command, Redis } from 'ioredis'
import { SILENT_LOG } from '../log.js'
import { connectRedis } from './redis-connect.js'
import { RedisServer, WITHOUT_REDIS } from './testing/redis-server.js'

test('an answer is read in the turn in which it comes', { skip: WITHOUT_REDIS }, async (t) => {
  const server = await RedisServer.start(t)
  const client = connectRedis({ mode: 'standalone', urls: [server.url], sentinelName: '', user: '', password: '' }, SILENT_LOG)
  t.after(() => { client.disconnect() })
  assert.ok(client instanceof Redis)
  await once(client, 'ready')
  const command = new Command('PING')
  const push = client.stream.push.bind(client.stream)
  let isReadAtOnce = false
  client.stream.push = (chunk: unknown) => {
    const more = push(chunk)
    isReadAtOnce = command.isSettled
    return more
  }
  await client.sendCommand(command)
  assert.ok(isReadAtOnce)
})

test('a Sentinel that takes connections and answers none is passed over', { skip: WITHOUT_REDIS }, async (t) => {
  const primary = await RedisServer.start(t)
  const sentinel = await RedisServer.sentinel(t, primary)
  const client = connectRedis({ mode: 'sentinel', urls: [await silent(t), sentinel.url], sentinelName: 'chatd', user: '', password: '' }, SILENT_LOG)
  t.after(() => { client.disconnect() })
  await once(client, 'ready')
})

/** Resolves with the URL of what takes connections and says nothing. */
async function silent(t: TestContext): Promise<string> {
  const server = createServer((socket) => {
    socket.resume()
    t.after(() => { socket.destroy() })
  })
  t.after(() => { server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `redis://127.0.0.1:${String((server.address() as AddressInfo).port)}`
}
