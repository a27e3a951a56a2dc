import assert from 'node:assert/strict'
import { test } from 'node:test'
import { originOf } from './origin.js'

test('blobs are reached at the first listener that speaks HTTP, one with TLS before others', () => {
  for (const [listeners, origin] of [
    [['tcp://127.0.0.1:1', 'ws://127.0.0.1:2', 'ws://127.0.0.1:3'], 'http://127.0.0.1:2'], [['ws://127.0.0.1:2', 'wss://[::]:3'], 'https://[::]:3'],
    [['tcp://127.0.0.1:1', 'tls://127.0.0.1:2'], null],
  ] as const) assert.equal(originOf(listeners), origin)
})
