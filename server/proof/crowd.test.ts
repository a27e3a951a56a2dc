/** A crowd at a node that dies. The same as a command, with 10,000 devices: main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WITHOUT_REDIS } from '../cluster/testing/redis-server.js'
import { crowdProof } from './crowd.js'
import { scopeOf } from './scope.js'

test('[RCN-1] [RCN-5] [MSG-13] 300 devices come back from a node that dies, the owner or a standby: all of them, and nothing is lost', { skip: WITHOUT_REDIS }, async (t) => {
  const { acknowledged, returns } = await crowdProof(scopeOf(t), { clients: 300, rounds: 2, seed: Date.now() % 1_000_000 })
  for (const { crowd, inFlight } of returns) {
    assert.equal(crowd, 300)
    assert.ok(inFlight > 0, 'no message was in flight when the node was killed')
  }
  assert.ok(acknowledged > 0)
})
