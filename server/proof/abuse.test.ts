import { test } from 'node:test'
import { abuse } from './abuse.js'
import { scopeOf } from './scope.js'

test('[FLW-1] [FLW-2] [OPN-6] [FRM-4] 100 abusers beside normal users: those are thrown out by code, these lose nothing, memory is bounded', async (t) => {
  await abuse(scopeOf(t), { clients: 12, rounds: 10, seed: Date.now() % 1_000_000 })
})
