import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ranked } from './ranking.js'
import { isLacking, isToFollow } from './standbys.js'

const OTHERS = ranked(3, ['a', 'b', 'c', 'd'])

function following(members: readonly string[], standbys: number, passedOver = 0): string[] {
  return OTHERS.filter((node) => isToFollow({ node, shard: 3, others: OTHERS, members, standbys, passedOver }))
}

test('those follow that rank first', () => {
  assert.deepEqual(following([], 2), OTHERS.slice(0, 2))
  assert.deepEqual(following(OTHERS, 2), OTHERS.slice(0, 2))
})

test('who is a member follows until enough that rank before it are', () => {
  assert.deepEqual(following([OTHERS[2]!], 1), [OTHERS[0], OTHERS[2]])
  assert.deepEqual(following([OTHERS[0]!, OTHERS[2]!], 1), [OTHERS[0]])
})

test('in the place of who can not the next one follows', () => {
  assert.deepEqual(following([], 1, 1), OTHERS.slice(0, 2))
  assert.deepEqual(following([OTHERS[1]!], 1), OTHERS.slice(0, 2))
})

test('there are too few where more are wanted and there', () => {
  assert.equal(isLacking('o', { others: OTHERS, members: ['o'], standbys: 1 }), true)
  assert.equal(isLacking('o', { others: OTHERS, members: ['o', 'a'], standbys: 1 }), false)
  assert.equal(isLacking('o', { others: ['a'], members: ['o', 'a'], standbys: 3 }), false)
})
