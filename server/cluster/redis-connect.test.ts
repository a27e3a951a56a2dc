import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
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
