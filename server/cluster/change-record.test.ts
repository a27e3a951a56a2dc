import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StorageError, type KeyRange } from '../../storage/engine.js'
import { STORE_FORMAT } from '../../storage/metadata.js'
import { OpBatch } from '../../storage/op-batch.js'
import { beginsWithTrim, decodeRecord, emptyRecord, encodeRecord, readHead } from './change-record.js'

type Operation = ['put', string, string] | ['delete', string] | ['trim', string, string]

function decoded(entries: readonly Uint8Array[]): Operation[] {
  const found: Operation[] = []
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  decodeRecord(entries, {
    put: (key, value) => { found.push(['put', hex(key), hex(value)]) },
    delete: (key) => { found.push(['delete', hex(key)]) },
    trim: ({ gte, lt }) => { found.push(['trim', hex(gte), hex(lt)]) },
  })
  return found
}

const bytes = fc.uint8Array({ maxLength: 200 })
const operation = fc.tuple(bytes, fc.option(fc.oneof(bytes, fc.uint8Array({ minLength: 300, maxLength: 20_000 })), { nil: null }))

test('a batch and its trims come out of a record as they went in, in one entry or in many', () => {
  fc.assert(fc.property(fc.array(operation), fc.array(fc.tuple(bytes, bytes), { maxLength: 3 }), fc.integer({ min: 1, max: 5000 }), (operations, ranges, partBytes) => {
    const batch = new OpBatch()
    const trims: KeyRange[] = ranges.map(([gte, lt]) => ({ gte, lt }))
    const expected: Operation[] = ranges.map(([gte, lt]) => ['trim', Buffer.from(gte).toString('hex'), Buffer.from(lt).toString('hex')])
    for (const [key, value] of operations) {
      if (value === null) batch.delete(key)
      else batch.put(key, value)
      const hex = Buffer.from(key).toString('hex')
      expected.push(value === null ? ['delete', hex] : ['put', hex, Buffer.from(value).toString('hex')])
    }
    const entries = encodeRecord(trims, batch, partBytes)
    assert.deepEqual(decoded(entries), expected)
    assert.equal(beginsWithTrim(entries[0]!), trims.length > 0)
    entries.forEach((entry, i) => {
      assert.ok(entry.length <= partBytes + 2)
      assert.deepEqual(readHead(entry), { isRest: i > 0, hasMore: i < entries.length - 1, isRelease: false })
    })
  }), { numRuns: 200 })
})

test('a record without operations says at most that the shard is released', () => {
  assert.deepEqual(decoded(emptyRecord()), [])
  assert.equal(readHead(emptyRecord()[0]!).isRelease, false)
  assert.equal(readHead(emptyRecord(true)[0]!).isRelease, true)
})

test('a record that was cut short, or is of another version, is refused', () => {
  const batch = new OpBatch()
  batch.put(Buffer.from('key'), Buffer.alloc(300))
  const [record] = encodeRecord([], batch, 1000)
  const corrupt = { name: 'StorageError', code: 'corrupt' }
  for (let length = 3; length < record!.length; length++) assert.throws(() => decoded([record!.subarray(0, length)]), corrupt)
  assert.throws(() => readHead(record!.subarray(0, 1)), corrupt)
  assert.throws(() => readHead(Buffer.of(0, 0)), corrupt)
  assert.throws(() => readHead(Buffer.of(STORE_FORMAT + 1, 0)), { code: 'newer-format' })
  assert.deepEqual(readHead(Buffer.of(STORE_FORMAT - 1, 0)), { isRest: false, hasMore: false, isRelease: false })
  assert.throws(() => readHead(Buffer.of(1, 8)), corrupt)
  // An unknown operation, a number that does not end, one that is longer than it need be.
  for (const body of [[3], [0x80], [0xff, 0xff, 0xff, 0xff, 0xff, 1], [0x81, 0]]) assert.throws(() => decoded([Buffer.of(1, 0, ...body)]), corrupt)
})

test('no bytes at all make it throw anything but a StorageError', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
    try {
      readHead(noise)
      decoded([noise])
    } catch (error) {
      assert.ok(error instanceof StorageError)
    }
  }), { numRuns: 500 })
})
