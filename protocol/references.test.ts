import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeExtensions } from './extensions.js'
import { EXTENSION, LIMIT } from './generated/registry.js'
import { encodeReferences, NO_REFERENCES, readReferences } from './references.js'

function raw(key: number, ...value: number[]): Uint8Array {
  return encodeExtensions([{ key, value: Uint8Array.from(value) }])
}

test('[OPS-16] [OPS-17] [OPS-18] reply, mentions and forwards come back as they were, and others with them', () => {
  const references = { replyTo: 300, mentions: ['bob', 'carol'], forwards: 2 }
  assert.deepEqual(readReferences(encodeReferences(references)), references)
  assert.deepEqual(readReferences(encodeReferences(references, raw(1001, 7))), references)
  assert.deepEqual(readReferences(raw(1001, 7)), NO_REFERENCES)
  assert.deepEqual(readReferences(encodeReferences({})), NO_REFERENCES)
  assert.deepEqual(readReferences(encodeReferences({ mentions: ['Bob', 'bob'] }))?.mentions, ['bob'])
  assert.equal(readReferences(encodeReferences({ forwards: 1e6 }))?.forwards, LIMIT.forwardsMax)
})

test('[OPS-19] what breaks the form of any of them is no reference', () => {
  const { reply, mention, forwarded } = EXTENSION
  const bad = [
    raw(reply), raw(reply, 0), raw(reply, 0x80, 0x00), raw(reply, 1, 1), raw(reply, 0x80),
    raw(forwarded, 0), raw(forwarded, LIMIT.forwardsMax + 1), raw(forwarded), raw(mention), raw(mention, 3, 0x62, 0x6f),
    raw(mention, 1, 0x42), raw(mention, 1, 0x61, 1, 0x61), raw(mention, 2, 0x23, 0x61), raw(mention, 0),
    raw(mention, ...Array.from({ length: LIMIT.mentionsMax + 1 }, (_, index) => [2, 0x61, 0x61 + index]).flat()),
  ]
  for (const each of bad) assert.equal(readReferences(each), null, Buffer.from(each).toString('hex'))
  assert.throws(() => encodeReferences({ mentions: ['#group'] }), RangeError)
  assert.throws(() => encodeReferences({ replyTo: -1 }), RangeError)
})
