import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FRAMES_BY_TAKER, FRAMES_BY_TURN, TurnQueue } from './turn-queue.js'

/** How many have their turn in one that nobody else has used. */
const TAKERS = FRAMES_BY_TURN / FRAMES_BY_TAKER

/** Who has its turn until the turn is full, each handling all it may. */
function turn(queue: TurnQueue<string>, handles = FRAMES_BY_TAKER): string[] {
  const served: string[] = []
  for (let taker = queue.next(); taker !== undefined; taker = queue.next()) {
    served.push(taker)
    queue.spend(handles)
  }
  queue.endTurn()
  return served
}

test('hears those who wait in the order in which they came, as many as a turn has room for', () => {
  const queue = new TurnQueue<string>()
  const takers = Array.from({ length: 3 * FRAMES_BY_TURN / FRAMES_BY_TAKER }, (_, at) => String(at))
  for (const taker of takers) queue.wait(taker)
  const turns = [turn(queue), turn(queue), turn(queue)]
  assert.deepEqual(turns.map((served) => served.length), [TAKERS, TAKERS, TAKERS])
  assert.deepEqual(turns.flat(), takers)
  assert.ok(queue.isEmpty)
  assert.deepEqual(turn(queue), [])
})

test('who waits again goes behind all others', () => {
  const queue = new TurnQueue<string>()
  queue.wait('much')
  queue.wait('more')
  assert.equal(queue.next(), 'much')
  queue.wait('much')
  assert.deepEqual(turn(queue), ['more', 'much'])
})

test('gives those who wait what the others leave of a turn, and never nothing', () => {
  const queue = new TurnQueue<string>()
  for (let at = 0; at < 40; at++) queue.wait(String(at))
  queue.spend(FRAMES_BY_TURN - 2 * FRAMES_BY_TAKER)
  assert.equal(turn(queue).length, 2)
  queue.spend(10 * FRAMES_BY_TURN)
  assert.equal(turn(queue).length, 1)
  assert.equal(turn(queue).length, TAKERS)
})
