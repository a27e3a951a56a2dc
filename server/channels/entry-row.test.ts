import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEntry, encodeEntry, MessagesEntry } from './entries.js'
import { EntryRow, lostEntries, readRow, ROW_ENTRIES_MAX } from './entry-row.js'
import { packRun } from './message-run.js'
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
    for (const each of entries) row.append(each)
    const packed = readRow(row.row()) ?? assert.fail('it is damaged')
    assert.deepEqual(unpack(packed), entries.map((each) => [...each]))
    assert.deepEqual([...packed], [...packEntries(entries)])
    assert.deepEqual([...row.entries()], [...packed])
    assert.deepEqual([countEntries(packed), row.count, row.bytes], [entries.length, entries.length, packed.length])
  }))
})

const saidOf = fc.record({
  conversation: fc.constantFrom('alice:bob', '#skiing'), from: fc.constantFrom('alice', 'bob'), members: fc.constantFrom('alice', 'alice bob'),
  seqs: fc.integer({ min: 1, max: 2 ** 33 }), ms: fc.nat(2 ** 33), text: fc.uint8Array({ maxLength: 300 }), extensions: fc.uint8Array({ maxLength: 3 }),
  isApart: fc.boolean(),
})

void test('messages are found in the entries of a row as they were given, and as few entries as may be hold them', () => {
  fc.assert(fc.property(fc.array(saidOf, { minLength: 1 }), (said) => {
    const row = new EntryRow()
    const given: unknown[] = []
    let [seq, timeMs, entries, last] = [0, 1.5, 0, '']
    for (const { conversation, from, members, seqs, ms, text, extensions, isApart } of said) {
      if (isApart) row.append(encodeEntry({ kind: 'lookup', user: 'alice', conversation: '#skiing' }))
      const head = `${conversation} ${from} ${members}`
      entries += isApart ? 2 : head === last ? 0 : 1
      last = head
      seq += seqs
      timeMs += ms
      row.appendMessage(conversation, from, seq, timeMs, members, text, extensions)
      given.push([conversation, from, members.split(' '), seq, Math.floor(timeMs), [...text], [...extensions]])
    }
    const found = unpack(readRow(row.row()) ?? assert.fail('it is damaged')).map((bytes) => decodeEntry(Uint8Array.from(bytes)))
    assert.deepEqual([found.length, row.count], [entries, entries])
    assert.deepEqual(found.filter((each) => each instanceof MessagesEntry).flatMap(messagesOf), given)
  }))
})

function messagesOf({ conversation, from, members, messages }: MessagesEntry): unknown[] {
  return messages.map(({ seq, timeMs, text, extensions }) => [conversation, from, members, seq, timeMs, [...text], [...extensions]])
}

void test('messages are the same entry whichever way they are given', () => {
  const messages = [1, 2, 300].map((at) => ({ seq: 2 ** 40 + at, timeMs: 1_700_000_000_000 + at, text: new Uint8Array(at), extensions: Uint8Array.of(at & 7) }))
  const row = new EntryRow()
  for (const { seq, timeMs, text, extensions } of messages) row.appendMessage('alice:bob', 'alice', seq, timeMs, 'alice bob', text, extensions)
  const plain = encodeEntry(new MessagesEntry('alice:bob', 'alice', ['alice', 'bob'], packRun(messages)))
  assert.deepEqual(unpack(row.entries()), [[...plain]])
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
  while (!many.isFull) many.append(Uint8Array.of(1))
  assert.equal(many.count, ROW_ENTRIES_MAX)
  const run = new EntryRow()
  let messages = 0
  while (!run.isFull) run.appendMessage('alice:bob', 'alice', ++messages, 1, 'bob', Uint8Array.of(1), new Uint8Array(0))
  assert.deepEqual([messages, run.count], [ROW_ENTRIES_MAX, 1])
  const long = new EntryRow()
  long.append(new Uint8Array(100_000))
  assert.equal(long.isFull, true)
})
