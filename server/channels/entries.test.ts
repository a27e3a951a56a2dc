import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '../../storage/engine.js'
import { ValueWriter } from '../../storage/value.js'
import { checkEntry, type ChannelEntry, decodeEntry, decodeNumber, decodeVisitor, encodeEntry, encodeNumber, encodeVisitor, ENTRIES_VERSION, MessagesEntry } from './entries.js'
import { packRun } from './message-run.js'

const name = fc.stringMatching(/^[a-z#][a-z0-9:]{0,20}$/)
const number = fc.maxSafeNat()
const bytes = fc.uint8Array({ maxLength: 40 })
const logged = { conversation: name, from: name, seq: number, timeMs: number, members: fc.array(name, { minLength: 1, maxLength: 5 }) }
const plain = { noNullPrototype: true }

const entryOf: fc.Arbitrary<ChannelEntry> = fc.oneof(
  fc.record({ kind: fc.constant('operation' as const), ...logged, target: number, operation: number, text: bytes, extensions: bytes }, plain),
  fc.record({ kind: fc.constant('change' as const), ...logged, change: bytes }, plain),
  fc.record({ kind: fc.constant('receipt' as const), user: name, conversation: name, member: name, mark: number, seq: number }, plain),
  fc.record({ kind: fc.constant('listing' as const), user: name, conversation: name, row: bytes }, plain),
  fc.record({ kind: fc.constant('lookup' as const), user: name, conversation: name }, plain),
  fc.record({ kind: fc.constant('leave' as const), user: name, conversation: name }, plain),
  fc.record({
    kind: fc.constant('admit' as const), user: name, invite: name, maker: name,
    verifier: fc.record({ salt: bytes, iterations: number, storedKey: bytes, serverKey: bytes }, plain),
  }, plain),
  fc.record({ kind: fc.constant('admitted' as const), user: name, invite: name, isMade: fc.boolean() }, plain),
  fc.record({ kind: fc.constant('delivered' as const), user: name, conversation: name, seq: number }, plain),
  fc.record({ kind: fc.constant('side' as const), user: name, other: name, what: fc.constantFrom('blocked' as const, 'contact' as const), isOn: fc.boolean() }, plain),
  fc.record({ kind: fc.constant('visitor' as const), user: name, exists: fc.boolean(), readReceipts: fc.boolean() }, plain),
)

/** Bytes as arrays of numbers, so that a view equals a copy. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, comparable(each)]))
}

void test('an entry is read as it was written', () => {
  fc.assert(fc.property(entryOf, (entry) => { assert.deepEqual(comparable(decodeEntry(encodeEntry(entry))), comparable(entry)) }))
})

void test('messages of older programs, one in each entry, are read', () => {
  const [text, extensions] = [Buffer.from('so warm here'), Uint8Array.of(1, 2, 3)]
  const old = new ValueWriter().begin().uint(2).uint(1).string('alice:bob').string('alice').uint(7).time(1_700_000_000_000).string('alice bob').bytes(text)
    .bytes(extensions).take()
  const entry = decodeEntry(old)
  assert.ok(entry instanceof MessagesEntry)
  assert.deepEqual([entry.conversation, entry.from, entry.members], ['alice:bob', 'alice', ['alice', 'bob']])
  assert.deepEqual(entry.messages.map(comparable), [comparable({ seq: 7, timeMs: 1_700_000_000_000, text, extensions })])
})

void test('messages that can\'t be read are told when they are wanted, or looked for', () => {
  const message = { seq: 7, timeMs: 1_700_000_000_000, text: Buffer.from('so warm here'), extensions: new Uint8Array(0) }
  const entry = encodeEntry(new MessagesEntry('alice:bob', 'alice', ['bob'], packRun([message, { ...message, seq: 9 }])))
  assert.doesNotThrow(() => { checkEntry(entry) })
  for (let cut = 1; cut < 2 * message.text.length; cut++) {
    const damaged = decodeEntry(entry.subarray(0, -cut))
    // Where the first one ends there is nothing to tell that there was another.
    const isWhole = cut === 1 + 1 + 1 + message.text.length + 1
    if (isWhole) continue
    assert.ok(damaged instanceof MessagesEntry)
    assert.throws(() => damaged.messages, StorageError, String(cut))
    assert.throws(() => { checkEntry(entry.subarray(0, -cut)) }, StorageError)
  }
})

void test('entries of earlier versions are read, and none of a later one', () => {
  const entry = encodeEntry({ kind: 'lookup', user: 'alice', conversation: '#skiing' })
  for (let version = 1; version <= ENTRIES_VERSION; version++) {
    entry[0] = version
    assert.equal(decodeEntry(entry).kind, 'lookup')
  }
  for (const version of [0, ENTRIES_VERSION + 1]) {
    entry[0] = version
    assert.throws(() => decodeEntry(entry), StorageError)
  }
})

void test('bytes that are no entry are told as damage, whatever they are', () => {
  fc.assert(fc.property(fc.oneof(bytes, fc.tuple(entryOf, fc.nat(30)).map(([entry, cut]) => encodeEntry(entry).subarray(0, cut))), (garbage) => {
    try {
      decodeEntry(garbage)
    } catch (error) {
      assert.ok(error instanceof StorageError && error.code === 'corrupt', String(error))
    }
  }))
})

void test('rows of channels are read as they were written, and refuse another version', () => {
  assert.equal(decodeNumber(encodeNumber(2 ** 40)), 2 ** 40)
  assert.equal(decodeNumber(undefined), 0)
  assert.deepEqual(decodeVisitor(encodeVisitor({ exists: true, readReceipts: false })), { exists: true, readReceipts: false })
  assert.throws(() => decodeVisitor(Uint8Array.of(9, 1, 1)), StorageError)
  assert.throws(() => decodeNumber(Uint8Array.of(9, 1)), StorageError)
})
