import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from './log.js'
import { QUIET_MS, REPEATED_EVERY_MS, RepeatedLines } from './repeated-lines.js'

function lines(): { said: LogFields[], at: { nowMs: number }, repeated: RepeatedLines } {
  const said: LogFields[] = []
  const at = { nowMs: 0 }
  const write = (fields: LogFields): void => { said.push(fields) }
  return { said, at, repeated: new RepeatedLines({ warn: write, error: write }, () => at.nowMs) }
}

test('what is said each second for an hour is written once, and six times with a count', () => {
  const { said, at, repeated } = lines()
  for (; at.nowMs <= 3_600_000; at.nowMs += 1000) repeated.warn({ node: 'n2' }, 'link-refused')
  assert.deepEqual(said, [{ node: 'n2' }, ...Array.from({ length: 6 }, () => ({ node: 'n2', repeated: REPEATED_EVERY_MS / 1000 }))])
})

test('another event, other fields and another error are told at once, each; another stack and details are not', () => {
  const { said, repeated } = lines()
  for (let i = 0; i < 5; i++) {
    repeated.warn({ error: new Error('full') }, 'one', { retryMs: i })
    repeated.warn({ error: new Error('full') }, 'two')
    repeated.warn({ error: new Error('read-only') }, 'one')
    repeated.warn({ error: new Error('full'), shard: 1 }, 'one')
  }
  assert.equal(said.length, 4)
  assert.equal(said[0]?.['retryMs'], 0)
})

test('what comes again after a while of quiet is told at once, with what was not told before', () => {
  const { said, at, repeated } = lines()
  for (let i = 0; i < 3; i++) repeated.warn({}, 'accept-failed')
  at.nowMs += QUIET_MS
  repeated.warn({}, 'accept-failed')
  repeated.warn({}, 'accept-failed')
  at.nowMs += QUIET_MS - 1
  repeated.warn({}, 'accept-failed')
  assert.deepEqual(said, [{}, { repeated: 3 }])
})

test('many different lines are all told, and not all remembered', () => {
  const { said, repeated } = lines()
  for (let i = 0; i < 1000; i++) repeated.warn({ node: i }, 'link-refused')
  repeated.warn({ node: 999 }, 'link-refused')
  repeated.warn({ node: 0 }, 'link-refused')
  assert.equal(said.length, 1001)
})

test('a clock that is set back does not silence a line', () => {
  const { said, at, repeated } = lines()
  at.nowMs = 1_000_000_000
  repeated.warn({}, 'storage-not-open')
  at.nowMs = 0
  repeated.warn({}, 'storage-not-open')
  assert.equal(said.length, 2)
})
