import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextMove, type Ownership } from './balance.js'

const NODES = ['n1', 'n2', 'n3', 'n4']

function owned(owners: readonly string[], members: readonly string[] = NODES): Ownership[] {
  return owners.map((owner) => ({ owner, members }))
}

test('all shards of the node that has founded them are spread, and stay where they are then', () => {
  fc.assert(fc.property(fc.array(fc.constantFrom(...NODES), { minLength: 1, maxLength: 20 }), fc.array(fc.nat(), { maxLength: 200 }), (owners, order) => {
    const shards = owned(owners)
    let moves = 0
    // Each node decides by itself, in any order.
    const turns = [...order.map((at) => NODES[at % NODES.length]!), ...Array.from({ length: 20 }, () => NODES).flat()]
    for (const node of turns) {
      const move = nextMove(node, shards, NODES)
      if (move === null) continue
      assert.equal(shards[move.shard]!.owner, node)
      shards[move.shard] = { ...shards[move.shard]!, owner: move.heir }
      moves++
    }
    const counts = NODES.map((node) => shards.filter(({ owner }) => owner === node).length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, counts.join())
    assert.ok(moves <= owners.length)
  }))
})

test('two nodes that decide at the same moment do not send shards to and fro', () => {
  let shards = owned(['n1', 'n1', 'n1', 'n2', 'n2', 'n2'])
  for (let round = 0; round < 5; round++) {
    const moves = NODES.flatMap((node) => nextMove(node, shards, NODES) ?? [])
    if (round > 3) assert.deepEqual(moves, [])
    shards = shards.map((shard, at) => ({ ...shard, owner: moves.find((move) => move.shard === at)?.heir ?? shard.owner }))
  }
})

test('a shard goes to who may take it alone, and none while an owner is not known', () => {
  assert.equal(nextMove('n1', owned(['n1', 'n1'], ['n1']), NODES), null)
  assert.deepEqual(nextMove('n1', [...owned(['n1'], ['n1']), ...owned(['n1'], ['n1', 'n3'])], NODES), { shard: 1, heir: 'n3' })
  assert.equal(nextMove('n1', [...owned(['n1', 'n1', 'n1']), { owner: null, members: [] }], NODES), null)
  assert.equal(nextMove('n2', owned(['n1', 'n1', 'n1']), NODES), null)
})
