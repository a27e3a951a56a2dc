import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './testing/harness.js'
import { TokenBucket } from './token-bucket.js'

test('gives its burst once, however long the process has been running, and then its rate', () => {
  const clock = new FakeClock()
  clock.ms += 1_000_000
  const bucket = new TokenBucket(100, 10)
  assert.equal(bucket.take(10, clock), 0)
  assert.equal(bucket.tryTake(1, clock), 10)
  clock.ms += 10
  assert.equal(bucket.tryTake(1, clock), 0)
  assert.equal(bucket.take(2, clock), 20)
  clock.ms += 1_000_000
  assert.equal(bucket.take(10, clock), 0)
  assert.equal(bucket.tryTake(1, clock), 10)
})

test('a rate of 0 is no limit', () => {
  assert.equal(new TokenBucket(0, 1).take(1_000_000, new FakeClock()), 0)
})
