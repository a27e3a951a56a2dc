import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesNone, rangeApplies, rangeOf } from './byte-range.js'

test('[BLB-19] one range of bytes, at the front, in the middle, at the end', () => {
  for (const [header, expected] of [
    ['bytes=0-0', { start: 0, end: 1 }], ['bytes=0-', { start: 0, end: 100 }], ['bytes=10-19', { start: 10, end: 20 }],
    ['bytes=99-', { start: 99, end: 100 }], ['bytes=90-1000000', { start: 90, end: 100 }], ['bytes=-1', { start: 99, end: 100 }],
    ['bytes=-100', { start: 0, end: 100 }], ['bytes=-101', { start: 0, end: 100 }], ['BYTES= 5-6 ', { start: 5, end: 7 }],
    ['bytes=0-999999999999999', { start: 0, end: 100 }],
    ['bytes=100-', 'unsatisfiable'], ['bytes=100-100', 'unsatisfiable'], ['bytes=-0', 'unsatisfiable'],
  ] as const) assert.deepEqual(rangeOf(header, 100), expected, header)
})

test('[BLB-19] several ranges, other units and what has not the form count as none', () => {
  for (const header of [
    undefined, '', 'bytes=', 'bytes=-', 'bytes=0-0,5-6', `bytes=${Array.from({ length: 1000 }, (_, index) => `${String(index)}-`).join(',')}`, 'items=0-1',
    'bytes=5-4', 'bytes=a-b', 'bytes=0x0-5', 'bytes=1.5-2', 'bytes=--1', 'bytes 0-1', 'bytes=0-1;q=1', `bytes=0-${'9'.repeat(400)}`, `bytes=${'9'.repeat(40)}-`,
    'bytes=-1e3', 'bytes=+1-2', 'bytes=0-1\n',
  ]) assert.equal(rangeOf(header, 100), 'whole', header)
})

test('[BLB-19] If-None-Match by the weak comparison, in lists, and any', () => {
  const etag = `"${'ab'.repeat(32)}"`
  for (const header of [etag, `W/${etag}`, `"x", ${etag}`, `W/"x",W/${etag} , "y"`, '*', ' * ']) assert.ok(matchesNone(header, etag), header)
  for (const header of [undefined, '', '"x"', etag.slice(1, -1), `"${etag.slice(2)}`, 'W/"x", "y"', '*, "x"']) assert.ok(!matchesNone(header, etag), header)
})

test('[BLB-19] If-Range by the strong comparison alone', () => {
  assert.ok(rangeApplies(undefined, '"a"'))
  assert.ok(rangeApplies('"a"', '"a"'))
  for (const header of ['W/"a"', '"b"', '', 'Wed, 21 Oct 2026 07:28:00 GMT', '*', '"a", "b"']) assert.ok(!rangeApplies(header, '"a"'), header)
})
