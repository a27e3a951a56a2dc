import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSpan, spanText } from './span.js'

test('a span of time is a whole number from 1 and m, h, d or w', () => {
  assert.deepEqual(['30m', '12h', '7d', '2w', '999999w'].map(parseSpan), [1_800_000, 43_200_000, 604_800_000, 1_209_600_000, 999_999 * 604_800_000])
  for (const text of ['', '0m', '01h', '7', 'd', '7 d', '7D', '-7d', '1.5h', '1000000m', '7y', '7dd', '٧d']) assert.equal(parseSpan(text), null, text)
})

test('a span is written in the largest unit that it is a whole number of', () => {
  assert.deepEqual([0, 1500, 60_000, 900_000, 3_600_000, 172_800_000, 1_209_600_000, 90_000].map(spanText), ['0s', '2s', '1m', '15m', '1h', '2d', '2w', '90s'])
  for (const text of ['59m', '1h', '25h', '2d', '3w']) assert.equal(spanText(parseSpan(text)!), text)
})
