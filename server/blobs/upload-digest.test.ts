import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { HEAD_BYTES } from './media/content-type.js'
import { UploadDigest, UploadDigests } from './upload-digest.js'

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a digest knows both hashes and the beginning, however the bytes were cut', () => {
  const [plain, stored] = [randomBytes(10_000), randomBytes(10_000)]
  for (const size of [1, 999, 4100, 10_000]) {
    const digest = new UploadDigest(plain.length)
    for (let at = 0; at < plain.length; at += size) digest.update(plain.subarray(at, at + size), stored.subarray(at, at + size))
    assert.equal(digest.at, plain.length)
    assert.deepEqual(digest.result(), { hash: sha256(plain), object: sha256(stored), head: plain.subarray(0, HEAD_BYTES) })
  }
})

test('a digest goes on only where it was, and belongs to one request at a time', () => {
  const digests = new UploadDigests()
  const first = digests.take('a', 0, 100)!
  first.update(Buffer.alloc(10), Buffer.alloc(10))
  assert.equal(digests.take('a', 10, 100), null)
  digests.keep('a', first)
  assert.equal(digests.take('a', 10, 100), first)
  digests.keep('a', first)
  // Others have written meanwhile.
  assert.equal(digests.take('a', 20, 100), null)
  assert.equal(digests.take('a', 10, 100), null)
  assert.equal(digests.take('a', 0, 100)?.at, 0)
  for (let index = 0; index <= 1024; index++) digests.keep(String(index), new UploadDigest(1))
  assert.equal(digests.take('1', 0, 1)?.at, 0)
})
