import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { BlobCipher, crypt, derivedKey } from './cipher.js'

function newBlobKey(): Uint8Array {
  return randomBytes(32)
}

/** What node's own cipher makes of the whole, in one piece. */
function whole(key: Uint8Array, plain: Uint8Array): Buffer {
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(plain)
}

async function* inPieces(bytes: Uint8Array, ends: readonly number[]): AsyncGenerator<Uint8Array> {
  let start = 0
  for (const end of [...ends.map((each) => each % (bytes.length + 1)).sort((one, other) => one - other), bytes.length]) {
    yield bytes.subarray(start, end)
    start = end
  }
}

test('[BLB-22] encrypts as AES-256-CTR from 0, from any offset, in any pieces', async () => {
  const key = newBlobKey()
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(300), fc.array(fc.nat(300), { maxLength: 5 }),
    async (plain, from, ends) => {
      const offset = from % plain.length
      const expected = whole(key, plain).subarray(offset)
      const pieces: Uint8Array[] = []
      for await (const piece of crypt(inPieces(plain.subarray(offset), ends), key, offset)) pieces.push(piece)
      assert.deepEqual(Buffer.concat(pieces), expected)
      // And back, beginning somewhere else.
      assert.deepEqual(new BlobCipher(key, offset).update(expected), Buffer.from(plain.subarray(offset)))
    },
  ))
})

test('[BLB-22] goes on where 32 bits of counter are full', () => {
  const key = randomBytes(32)
  const offset = 2 ** 32 * 16
  const counter = Buffer.alloc(16)
  counter.writeUInt32BE(1, 8)
  const expected = createCipheriv('aes-256-ctr', key, counter).update(Buffer.alloc(64))
  assert.deepEqual(new BlobCipher(key, offset).update(Buffer.alloc(64)), expected)
  assert.deepEqual(new BlobCipher(key, offset - 16).update(Buffer.alloc(64)).subarray(16), expected.subarray(0, 48))
})

test('another key gives other bytes, and what is no offset is refused', () => {
  const plain = Buffer.alloc(64)
  assert.notDeepEqual(new BlobCipher(newBlobKey(), 0).update(plain), new BlobCipher(newBlobKey(), 0).update(plain))
  for (const offset of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => new BlobCipher(newBlobKey(), offset), RangeError)
  assert.throws(() => new BlobCipher(new Uint8Array(16), 0))
})

test('[BLB-22] a derived key is the same for the same, and another for another upload or another content', () => {
  const key = newBlobKey()
  assert.deepEqual(derivedKey(key, 'ab'), derivedKey(key, 'ab'))
  assert.equal(derivedKey(key, 'ab').length, 32)
  assert.notDeepEqual(derivedKey(key, 'ab'), derivedKey(key, 'ac'))
  assert.notDeepEqual(derivedKey(key, 'ab'), derivedKey(newBlobKey(), 'ab'))
  assert.notDeepEqual(derivedKey(key, 'ab'), key)
})
