import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLUSTER_LIMITS } from './environment.js'
import type { Position } from './position.js'
import { RecentEntries } from './recent-entries.js'
import { membersWanted, type Standing } from './standing.js'

const [OURS, LOST] = ['a'.repeat(16), 'b'.repeat(16)]

function standing(confirmed: Position): Standing {
  const last = { epoch: 5, number: 40, token: OURS }
  return {
    owner: 'n1', epoch: 5, members: ['n1'], last, stored: last, confirmed: new Map([['n2', { position: confirmed, isCopying: false }]]),
    notices: new Map([['n2', { seenMs: 0, movedMs: 0, number: confirmed.number }]]), nowMs: 0,
  }
}

test('a node becomes a member when it has an entry of this very ownership, and not by one of the same epoch that was lost', () => {
  const wanted = (confirmed: Position): string[] => membersWanted(standing(confirmed), new RecentEntries(1000), CLUSTER_LIMITS)
  assert.deepEqual(wanted({ epoch: 5, number: 39, token: OURS }), ['n1', 'n2'])
  assert.deepEqual(wanted({ epoch: 5, number: 39, token: LOST }), ['n1'])
  assert.deepEqual(wanted({ epoch: 4, number: 39, token: LOST }), ['n1'])
})
