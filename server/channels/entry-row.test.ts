import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEntry, encodeEntry } from './entries.js'
import { EntryRow, lostEntries, readRow, ROW_ENTRIES_MAX } from './entry-row.js'
import { countEntries, PackedEntries, packEntries } from './packed-entries.js'

const entry = fc.uint8Array({ maxLength: 300 })

function unpack(bytes: Uint8Array): number[][] {
  const entries = new PackedEntries(bytes)
  const found: number[][] = []
  while (entries.next()) found.push([...bytes.subarray(entries.start, entries.end)])
  return found
}

void test('entries are found in a row as they were given', () => {
  fc.assert(fc.property(fc.array(entry, { minLength: 1 }), (entries) => {
    const row = new EntryRow()
    const bytes = entries.reduce((sum, each) => sum + row.append(each), 0)
    const packed = readRow(row.row()) ?? assert.fail('it is damaged')
    assert.deepEqual(unpack(packed), entries.map((each) => [...each]))
    assert.deepEqual([...packed], [...packEntries(entries)])
    assert.deepEqual([...row.entries()], [...packed])
    assert.deepEqual([countEntries(packed), row.bytes], [entries.length, bytes])
  }))
})

void test('a message is the same entry whichever way it is given', () => {
  const [text, extensions] = [Buffer.from('so warm here'), Uint8Array.of(1, 2, 3)]
  for (const [seq, timeMs] of [[1, 1.5], [2 ** 40, 1_700_000_000_000]] as const) {
    const row = new EntryRow()
    const bytes = row.appendMessage('alice:bob', 'alice', seq, timeMs, 'alice bob', text, extensions)
    const plain = encodeEntry({ kind: 'message', conversation: 'alice:bob', from: 'alice', seq, timeMs, members: ['alice', 'bob'], text, extensions })
    assert.deepEqual(unpack(row.entries()), [[...plain]])
    assert.equal(bytes, row.bytes)
  }
})

void test('a row of an older store is one entry', () => {
  const old = encodeEntry({ kind: 'lookup', user: 'alice', conversation: '#skiing' })
  old[0] = 1
  const packed = readRow(old) ?? assert.fail('it is damaged')
  assert.deepEqual(unpack(packed).map((bytes) => decodeEntry(Uint8Array.from(bytes))), [{ kind: 'lookup', user: 'alice', conversation: '#skiing' }])
})

void test('bytes that are no row are told, whatever they are, and its entries count though they are lost', () => {
  for (const damaged of [[], [2], [3, 1, 1], [2, 9, 1], [2, 0x80], [2, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]) assert.equal(readRow(Uint8Array.from(damaged)), null, String(damaged))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
    const packed = readRow(bytes)
    assert.ok(packed === null || countEntries(packed) > 0)
  }))
  assert.deepEqual(unpack(lostEntries(3)), [[], [], []])
})

void test('a row ends when it is full', () => {
  const many = new EntryRow()
  while (!many.isFull) {
    many.append(Uint8Array.of(1))
    many.count++
  }
  assert.equal(many.count, ROW_ENTRIES_MAX)
  const long = new EntryRow()
  long.append(new Uint8Array(100_000))
  assert.equal(long.isFull, true)
})
