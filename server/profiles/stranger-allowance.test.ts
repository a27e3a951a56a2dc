import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StrangerAllowance } from './stranger-allowance.js'

test('[PRF-18] gives the burst at once, then what the rate brings, never more than the burst', () => {
  const allowance = new StrangerAllowance(2, 1000)
  const take = (nowMs: number): number => allowance.take(1, 2, nowMs)
  assert.deepEqual([take(1000), take(1000), take(1000)], [0, 0, 1000])
  assert.deepEqual([take(1400), take(2000), take(2000)], [600, 0, 1000])
  assert.deepEqual([take(3_600_000), take(3_600_000), take(3_600_000)], [0, 0, 1000])
})

test('[PRF-18] [MSG-21] what is in flight behind a refusal does not pass it', () => {
  const allowance = new StrangerAllowance(1, 0)
  assert.equal(allowance.take(1, 1, 0), 0)
  assert.equal(allowance.take(1, 1, 999), 500)
  assert.equal(allowance.take(1, 1, 1001), 498)
  assert.equal(allowance.take(1, 1, 1499), 0)
})

test('[PRF-18] a clock set back gives nothing, and takes nothing for long', () => {
  const allowance = new StrangerAllowance(1, 10_000)
  assert.equal(allowance.take(1, 1, 10_000), 0)
  assert.equal(allowance.take(1, 1, 0), 1000)
  assert.equal(allowance.take(1, 1, 1000), 0)
})
