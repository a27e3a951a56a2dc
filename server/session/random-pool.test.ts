import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomPiece } from './random-pool.js'

test('hands out pieces of their own, each once, beyond one draw', () => {
  const pieces = Array.from({ length: 1000 }, (_, at) => randomPiece(16 + at % 17))
  const first = pieces.map((piece) => piece.toString('hex'))
  assert.deepEqual(pieces.map(({ length }) => length), Array.from({ length: 1000 }, (_, at) => 16 + at % 17))
  assert.equal(new Set(first).size, 1000)
  // Zeroes would be memory that was handed out already.
  assert.ok(first.every((hex) => !hex.includes('0'.repeat(16))))
  randomPiece(4096)
  assert.deepEqual(pieces.map((piece) => piece.toString('hex')), first)
})
