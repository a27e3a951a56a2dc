/** A cluster of real processes that is struck, each way once. The same as commands, for longer: main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WITHOUT_REDIS } from '../cluster/testing/redis-server.js'
import { CLUSTER_BLOWS, clusterProof } from './cluster.js'
import { scopeOf } from './scope.js'

const STRUCK = [
  { shards: 1, blows: ['kill-owner', 'rolling', 'pause-owner', 'kill-standby'] },
  { shards: 1, blows: ['kill-redis', 'pause-redis', 'empty-redis'] },
  { shards: 3, blows: ['kill-owner', 'rolling', 'empty-redis'] },
] as const

for (const { shards, blows } of STRUCK) {
  test(`[MSG-1] [MSG-3] [QUE-2] three nodes with ${String(shards)} shards under load from 24 clients, ${blows.join(', ')}: everything arrives once and in order`, { skip: WITHOUT_REDIS }, async (t) => {
    for (const blow of blows) assert.ok(CLUSTER_BLOWS.includes(blow))
    const { acknowledged } = await clusterProof(scopeOf(t), blows, { clients: 24, rounds: blows.length, seed: Date.now() % 1_000_000, shards })
    assert.ok(acknowledged >= 500, `only ${acknowledged} messages`)
  })
}
