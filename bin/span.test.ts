import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSpan, spanText } from './span.js'

test('a span of time is a whole number from 1 and m, h, d or w', () => {
  assert.deepEqual(['30m', '12h', '7d', '2w', '999999w'].map(parseSpan), [1_800_000, 43_200_000, 604_800_000, 1_209_600_000, 999_999 * 604_800_000])
  for (const text of ['', '0m', '01h', '7', 'd', '7 d', '7D', '-7d', '1.5h', '1000000m', '7y', '7dd', '٧d']) assert.equal(parseSpan(text), null, text)
})

test('a span is written in the largest unit that it is a whole number of', () => {
  assert.deepEqual([0, 1500, 60_000, 900_000, 3_600_000, 172_800_000, 1_209_600_000, 90_000].map(spanText), ['0 seconds', '1.5 seconds', '1 minute', '15 minutes', '1 hour', '2 days', '2 weeks', '90 seconds'])
  assert.deepEqual(['59m', '1h', '25h', '7d', '3w'].map((text) => spanText(parseSpan(text)!)), ['59 minutes', '1 hour', '25 hours', '7 days', '3 weeks'])
})
