import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backOffMs } from './back-off.js'

const LARGEST = 1 - 2 ** -53

test('[RCN-1] the bound doubles from 500 ms and stops at 60 s, and the jitter reaches from 0 to it', () => {
  const bounds = Array.from({ length: 10 }, (_, attempt) => backOffMs(attempt, 0, LARGEST))
  assert.deepEqual(bounds, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000])
  for (let attempt = 0; attempt < 10; attempt++) assert.equal(backOffMs(attempt, 0, 0), 0)
  assert.equal(backOffMs(100_000, 0, LARGEST), 60000)
})

test('[RCN-1] every wait within the bound is as likely', () => {
  assert.equal(backOffMs(7, 0, 0.5), 30000)
  assert.equal(backOffMs(20, 0, 0.25), 15000)
})

test('[RCN-3] what the server asks for comes on top', () => {
  assert.equal(backOffMs(0, 5000, 0), 5000)
  assert.equal(backOffMs(9, 5000, LARGEST), 65000)
})
