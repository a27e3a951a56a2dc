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

test('is above the rate once more is taken in advance than the rate gives in a tenth of a second, until time has made up for it', () => {
  const clock = new FakeClock()
  const bucket = new TokenBucket(100, 1000)
  bucket.take(10, clock)
  assert.ok(!bucket.isAboveRate(clock))
  bucket.take(1, clock)
  assert.ok(bucket.isAboveRate(clock))
  clock.ms += 20
  assert.ok(!bucket.isAboveRate(clock))
  bucket.take(1000, clock)
  clock.ms += 9000
  assert.ok(bucket.isAboveRate(clock), 'a burst is made up for as slowly as the rate says')
  clock.ms += 1000
  assert.ok(!bucket.isAboveRate(clock))
  const unlimited = new TokenBucket(0, 1)
  unlimited.take(1_000_000, clock)
  assert.ok(!unlimited.isAboveRate(clock))
})
