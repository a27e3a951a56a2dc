import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { BlobError, type BlobStore } from '../../storage/blobs/blob-store.js'
import { Churn } from '../process/young-objects.js'
import type { StoredObject } from './blob-router.js'
import { BlobCipher } from './cipher.js'
import { PIECE_BYTES, PlainPieces } from './plain-pieces.js'

/** A store of one object in chunks of this size, that counts what is read from it. */
function rig(size: number, chunkBytes: number, bytesMax = 8 * PIECE_BYTES): { pieces: PlainPieces, object: StoredObject, plain: Buffer, reads: [number, number][], fail(error: Error | null): void } {
  const plain = randomBytes(size)
  const key = randomBytes(32)
  const stored = new BlobCipher(key, 0).update(plain)
  const reads: [number, number][] = []
  let failure: Error | null = null
  const store = {
    read: async (_name: string, start: number, end: number) => {
      reads.push([start, end])
      await new Promise(setImmediate)
      if (failure !== null) throw failure
      const chunks: Buffer[] = []
      for (let at = start; at < end; at += chunkBytes) chunks.push(stored.subarray(at, Math.min(at + chunkBytes, end)))
      return Readable.from(chunks)
    },
  } as unknown as BlobStore
  const object = { object: 'a'.repeat(64), key, hash: 'b'.repeat(64), size, type: 'text/plain' }
  return { pieces: new PlainPieces({ store, churn: new Churn(), bytesMax }), object, plain, reads, fail: (error) => { failure = error } }
}

async function read(pieces: PlainPieces, object: StoredObject, start: number, end: number): Promise<Buffer> {
  const reader = pieces.open(object, start, end)
  const parts: Buffer[] = []
  for (let piece = await reader.next(); piece !== null; piece = await reader.next()) parts.push(piece)
  reader.destroy()
  return Buffer.concat(parts)
}

test('any range is what it should be, from stores with chunks of any size, and again from memory', async (t) => {
  const size = 3 * PIECE_BYTES + 1234
  for (const chunk of [PIECE_BYTES, 65_536, 10_007]) {
    const { pieces, object, plain, reads } = rig(size, chunk)
    t.after(() => { pieces.close() })
    for (const [start, end] of [[0, 1], [0, size], [PIECE_BYTES - 1, PIECE_BYTES + 1], [size - 1, size], [PIECE_BYTES, 2 * PIECE_BYTES], [17, 17], [100, size - 5]] as const) {
      assert.ok((await read(pieces, object, start, end)).equals(plain.subarray(start, end)), `${String(start)} to ${String(end)} by ${String(chunk)}`)
    }
    assert.deepEqual(reads, [[0, PIECE_BYTES], [PIECE_BYTES, size]], 'each piece was read once')
  }
})

test('many who want the same at the same time cost one reading', async (t) => {
  const size = 5 * PIECE_BYTES
  const { pieces, object, plain, reads } = rig(size, PIECE_BYTES)
  t.after(() => { pieces.close() })
  const all = await Promise.all(Array.from({ length: 20 }, () => read(pieces, object, 0, size)))
  assert.ok(all.every((bytes) => bytes.equals(plain)))
  assert.equal(reads.length, 1)
})

test('memory stays within its bound, whatever is read, and nothing is kept where there is to be none', async (t) => {
  for (const bytesMax of [0, 2 * PIECE_BYTES, 3 * PIECE_BYTES]) {
    const { pieces, object, plain } = rig(10 * PIECE_BYTES, PIECE_BYTES, bytesMax)
    t.after(() => { pieces.close() })
    for (let turn = 0; turn < 3; turn++) {
      assert.ok((await read(pieces, object, 0, plain.length)).equals(plain))
      assert.ok(pieces.keptBytes <= bytesMax)
    }
    assert.equal(pieces.keptBytes > 0, bytesMax > 0)
    pieces.close()
    assert.equal(pieces.keptBytes, 0)
  }
})

test('what nobody has wanted for a minute is forgotten', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 1000
  t.mock.method(performance, 'now', () => nowMs)
  const { pieces, object, reads } = rig(2 * PIECE_BYTES, PIECE_BYTES)
  t.after(() => { pieces.close() })
  await read(pieces, object, 0, 2 * PIECE_BYTES)
  nowMs += 59_000
  await read(pieces, object, 0, 1)
  t.mock.timers.tick(15_000)
  assert.equal(Math.round(pieces.keptBytes / PIECE_BYTES), 2)
  nowMs += 2000
  t.mock.timers.tick(15_000)
  assert.equal(Math.round(pieces.keptBytes / PIECE_BYTES), 1)
  nowMs += 60_000
  t.mock.timers.tick(15_000)
  assert.equal(pieces.keptBytes, 0)
  assert.equal(reads.length, 1)
})

test('whoever waits for another\'s reading that fails tries for itself', async (t) => {
  const { pieces, object, plain, reads, fail } = rig(PIECE_BYTES, PIECE_BYTES)
  t.after(() => { pieces.close() })
  fail(new BlobError('unavailable', 'away'))
  const first = read(pieces, object, 0, 10)
  const second = read(pieces, object, 0, 10)
  const failed = assert.rejects(first, { code: 'unavailable' })
  fail(new BlobError('unavailable', 'away'))
  await failed
  fail(null)
  assert.ok((await second.catch(() => read(pieces, object, 0, 10))).equals(plain.subarray(0, 10)))
  assert.equal(reads.length, 2)
})
