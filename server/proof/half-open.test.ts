import { test } from 'node:test'
import { halfOpen } from './half-open.js'
import { scopeOf } from './scope.js'

test('[KAL-3] [KAL-4] [QUE-2] bytes vanish without a word, in one direction and in both: both sides find out, and nothing is lost', async (t) => {
  await halfOpen(scopeOf(t), { clients: 12, rounds: 3, seed: Date.now() % 1_000_000 })
})
