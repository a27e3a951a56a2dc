import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusText } from './cluster.js'

const NODES = [
  { node: 'n1', address: 'tcp://127.0.0.1:5340', version: '1.0.0', ageMs: 400 },
  { node: 'n2', address: 'tcp://127.0.0.1:5341', version: '1.0.0', ageMs: 1600 },
]
const FINE = { trouble: '', notice: '', waitingFor: [], isDrained: false }
const OWNED = { shard: 0, owner: 'n1', members: ['n1', 'n2'], nodes: [{ node: 'n1', role: 'owner', position: '3-17', ...FINE }, { node: 'n2', role: 'standby', position: '3-16', ...FINE }] } as const

test('of one shard the status is one table', () => {
  const text = statusText({ cluster: 'c', node: 'n1', nodes: NODES, shards: [OWNED] })
  assert.match(text, /^cluster c, as n1 sees it; n1 owns the shard\n/)
  assert.match(text, /n1 +owner +3-17 +yes +0 s ago +1\.0\.0 +tcp:\/\/127\.0\.0\.1:5340/)
  assert.match(text, /n2 +standby +3-16 +yes +2 s ago/)
})

test('who was drained owns nothing until it is told to stay', () => {
  const drained = { ...OWNED.nodes[1], isDrained: true }
  const text = statusText({ cluster: 'c', node: 'n1', nodes: NODES, shards: [{ ...OWNED, nodes: [OWNED.nodes[0], drained] }] })
  assert.match(text, /n1 +owner +3-17 +yes +/)
  assert.match(text, /n2 +standby +3-16 +drained +/)
})

test('a member that does not answer may own the shard once it is back', () => {
  const silent = { node: 'n2', role: 'silent', position: '', trouble: 'does not answer: no link: unreachable', notice: '', waitingFor: [], isDrained: false } as const
  const text = statusText({ cluster: 'c', node: 'n1', nodes: NODES, shards: [{ ...OWNED, nodes: [OWNED.nodes[0], silent] }] })
  assert.match(text, /n2 +silent \(!\) +once back +2 s ago/)
})

test('who a node waits for is said, though it has no trouble of its own', () => {
  const waiting = { ...OWNED.nodes[1], waitingFor: ['n1', 'n3'] }
  const text = statusText({ cluster: 'c', node: 'n2', nodes: NODES, shards: [{ ...OWNED, owner: '', nodes: [OWNED.nodes[0], waiting] }] })
  assert.match(text, /\n {2}n2: waits for n1, n3 \(gone for good\? chatd cluster forget NODE\)\n$/)
})

test('of several each has its part, and trouble is said once', () => {
  const away = { node: 'n2', role: 'silent', position: '', trouble: 'no disk', notice: '', waitingFor: ['n3'], isDrained: false } as const
  const text = statusText({
    cluster: 'c', node: 'n1', nodes: NODES,
    shards: [{ ...OWNED, members: ['n1'], nodes: [OWNED.nodes[0], away] }, { ...OWNED, shard: 1, owner: '', members: ['n1'], nodes: [{ ...OWNED.nodes[0], role: 'taking' }, away] }],
  })
  assert.match(text, /; 2 shards\n/)
  assert.match(text, /\n +0 +n1 +owner +3-17 +yes\n +n2 +silent \(!\) +no\n +1 +n1 +taking/)
  assert.equal(text.split('no disk; waits for n3 (gone for good? chatd cluster forget NODE)').length, 2)
})

test('what waits for an upgrade is said beneath the table, of each node once', () => {
  const owner = { ...OWNED.nodes[0], notice: 'what shard 0 has for shard 1 waits' }
  const text = statusText({ cluster: 'c', node: 'n1', nodes: NODES, shards: [{ ...OWNED, nodes: [owner, OWNED.nodes[1]] }] })
  assert.ok(text.endsWith('\n\n  n1: what shard 0 has for shard 1 waits\n'), text)
})
