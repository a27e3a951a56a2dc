import assert from 'node:assert/strict'
import { test } from 'node:test'
import { channelConfirmedKey, channelEntries, channelEntryKey, channelNumberAt, channelTakenKey, visitorKey, visitors } from './channel-keys.js'
import type { KeyRange } from './engine.js'

function isIn({ gte, lt }: KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(gte, key) <= 0 && Buffer.compare(key, lt) < 0
}

void test('entries of a channel stand in the order of their numbers, apart from those of other channels', () => {
  for (const number of [1, 9, 10, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const key = channelEntryKey(12, number)
    assert.equal(channelNumberAt(key), number)
    assert.ok(isIn(channelEntries(12, 1), key))
    assert.ok(isIn(channelEntries(12, number, number + 1), key))
    assert.ok(!isIn(channelEntries(12, number + 1), key))
    for (const other of [1, 2, 11, 13, 120]) assert.ok(!isIn(channelEntries(other, 0), key), String(other))
  }
  assert.ok(Buffer.compare(channelEntryKey(3, 9), channelEntryKey(3, 10)) < 0)
})

void test('no two rows of channels share a key', () => {
  const keys = [channelEntryKey(1, 2), channelConfirmedKey(1), channelTakenKey(1), channelTakenKey(12), visitorKey('ann'), visitorKey('bob')]
  assert.equal(new Set(keys.map((key) => key.toString('hex'))).size, keys.length)
  assert.deepEqual(keys.filter((key) => isIn(visitors(), key)), [visitorKey('ann'), visitorKey('bob')])
})
