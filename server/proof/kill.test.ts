/** Processes that end from one instruction to the next. The same as commands, for longer: main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { killClients } from './kill-clients.js'
import { killServer } from './kill-server.js'
import { scopeOf } from './scope.js'

test('[MSG-1] [MSG-3] [QUE-2] the server is killed 5 times under load from 50 clients: everything arrives once and in order', async (t) => {
  const { acknowledged } = await killServer(scopeOf(t), { clients: 50, rounds: 5, seed: Date.now() % 1_000_000 })
  assert.ok(acknowledged >= 1000, `only ${acknowledged} messages`)
})

test('[MSG-12] [QUE-4] client processes are killed 6 times at work: each goes on with what its files hold', async (t) => {
  await killClients(scopeOf(t), { clients: 16, rounds: 6, seed: Date.now() % 1_000_000 })
})
