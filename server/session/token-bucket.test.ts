import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './testing/harness.js'
import { TokenBucket } from './token-bucket.js'

test('gives a burst, then the rate, and says how long to wait', () => {
  const clock = new FakeClock()
  const bucket = new TokenBucket(10, 5)
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, clock), 0)
  assert.equal(bucket.take(1, clock), 100)
  assert.equal(bucket.take(1, clock), 200)
  clock.ms += 300
  assert.equal(bucket.take(1, clock), 0)
  assert.equal(bucket.tryTake(1, clock), 100)
  assert.equal(bucket.tryTake(1, clock), 100, 'what was refused is not owed')
})

test('fills no further than the burst', () => {
  const clock = new FakeClock()
  const bucket = new TokenBucket(10, 5)
  bucket.take(5, clock)
  clock.ms += 3_600_000
  for (let i = 0; i < 5; i++) assert.equal(bucket.take(1, clock), 0)
  assert.equal(bucket.take(1, clock) > 0, true)
})

test('a rate of 0 is no limit', () => {
  const bucket = new TokenBucket(0, 1)
  assert.equal(bucket.take(1e9, new FakeClock()), 0)
})
