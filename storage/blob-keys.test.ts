import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { blobKeys, endAt, endKey, ends, endsUpTo, eraseAt, eraseKey, erases, erasesUpTo, releaseAt, releaseKey, releases, uploadKey } from './blob-keys.js'
import type { KeyRange } from './engine.js'
import { conversationKeys } from './conversation-keys.js'
import { everything, ownerAt } from './owner-keys.js'
import { userKeys } from './user-keys.js'
import { slotOf } from './slots.js'
import { expiries, expiryKey, shardMetaKey } from './shard-keys.js'

const seq = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 1 })
const name = fc.stringMatching(/^[a-z0-9:#/]{1,20}$/)

function isIn(range: KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(key, range.gte) >= 0 && Buffer.compare(key, range.lt) < 0
}

test('what is listed by time comes in the order of time, and says what it was', () => {
  fc.assert(fc.property(seq, seq, name, (timeMs, otherMs, what) => {
    for (const kind of ['hold', 'upload'] as const) {
      const key = endKey(timeMs, kind, what)
      assert.deepEqual(endAt(key), { timeMs, kind, name: what })
      assert.equal(isIn(endsUpTo(otherMs, null), key), timeMs <= otherMs)
      assert.ok(isIn(ends(), key) && !isIn(endsUpTo(timeMs, key), key))
    }
    for (const kind of ['object', 'staged'] as const) {
      const key = eraseKey(timeMs, kind, what)
      assert.deepEqual(eraseAt(key), { timeMs, kind, name: what })
      assert.equal(isIn(erasesUpTo(otherMs, null), key), timeMs <= otherMs)
      assert.ok(isIn(erases(), key) && !isIn(erasesUpTo(timeMs, key), key))
    }
  }))
})

test('a release names its conversation and seqs, and is another one for other seqs', () => {
  const conversation = fc.stringMatching(/^[a-z0-9:#]{1,20}$/)
  fc.assert(fc.property(conversation, seq, seq, (where, first, last) => {
    for (const kind of ['messages', 'picture'] as const) {
      const key = releaseKey(where, kind, first, last)
      assert.deepEqual(releaseAt(key), { conversation: where, kind, first, last })
      assert.ok(isIn(releases(null), key) && !isIn(releases(key), key))
      if (first > 0) assert.notDeepEqual(key, releaseKey(where, kind, first - 1, last))
    }
  }))
})

test('no list holds what belongs to another', () => {
  const keys = [uploadKey('1'), endKey(1, 'hold', 'a/1'), eraseKey(1, 'object', '1'), releaseKey('a', 'messages', 1, 1), expiryKey(1, 'a', 1), shardMetaKey('a')]
  for (const list of [ends(), erases(), releases(null), expiries()]) assert.equal(keys.filter((key) => isIn(list, key)).length, 1)
  for (const key of keys) assert.ok(isIn(everything(), key))
})

test('in a slot the rows of conversations come before those of blobs', () => {
  const id = 'ab'.repeat(32)
  const row = blobKeys(id).meta()
  assert.deepEqual(ownerAt(row), { table: 'blob', name: id })
  let conversation = 0
  while (slotOf(`c${String(conversation)}`) !== slotOf(id)) conversation++
  assert.ok(Buffer.compare(conversationKeys(`c${String(conversation)}`).log(Number.MAX_SAFE_INTEGER), row) < 0)
})

test('holdings lie beyond what is loaded with a user, references beyond what is trimmed with a log', () => {
  const user = userKeys('alice')
  const id = 'ab'.repeat(32)
  assert.equal(user.kindOf(user.holding(id)), 'holding')
  assert.equal(user.kindOf(user.blobUse()), 'blob-use')
  assert.equal(user.nameAt(user.holding(id)), id)
  assert.ok(isIn(user.smallRows(), user.blobUse()) && !isIn(user.smallRows(), user.holding(id)) && !isIn(user.keptLists(), user.holding(id)))
  assert.ok(isIn(user.holdings(''), user.holding(id)) && !isIn(user.holdings(id), user.holding(id)) && !isIn(user.entries(0), user.holding(id)))
  const conversation = conversationKeys('alice:bob')
  assert.equal(conversation.kindOf(conversation.reference(7)), 'reference')
  assert.equal(conversation.kindOf(conversation.pictureReference(7)), 'picture-reference')
  for (const range of [conversation.logRange(0), conversation.states(0, 1e6)]) assert.ok(!isIn(range, conversation.reference(7)))
  assert.ok(isIn(conversation.references(7, 8), conversation.reference(7)) && !isIn(conversation.references(0, 7), conversation.reference(7)))
  assert.ok(!isIn(conversation.references(0, 1e6), conversation.pictureReference(7)))
})
