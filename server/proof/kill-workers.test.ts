/** A server of several shards, each in a process that may end at any time. The same as a command, for longer: main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killWorkers } from './kill-workers.js'
import { scopeOf } from './scope.js'

test('[MSG-1] [MSG-3] [QUE-2] one of 3 shards is killed 5 times under load from 40 clients: everything arrives once and in order', async (t) => {
  const { acknowledged } = await killWorkers(scopeOf(t), { shards: 3, clients: 40, rounds: 5, seed: Date.now() % 1_000_000 })
  assert.ok(acknowledged >= 1000, `only ${acknowledged} messages`)
})
