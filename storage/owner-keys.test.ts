import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ConversationKeys, conversationKeys, type ConversationRowKind, pairName } from './conversation-keys.js'
import { everything, numberAt, ownerAt } from './owner-keys.js'
import { searchKeys } from './search-keys.js'
import { type UserKeys, userKeys, type UserRowKind } from './user-keys.js'
import { slotAt, SLOT_COUNT, slotOf, slotRange } from './slots.js'
import { inviteIdAt, inviteKey, inviteListKey, inviteListRange, inviteRange, shardMetaKey, userNameAt, userNameKey, userNames } from './shard-keys.js'
import type { KeyRange } from './engine.js'

type RowKind = UserRowKind | ConversationRowKind

const name = fc.stringMatching(/^[a-z0-9._-]{1,12}$/)
const conversationName = fc.oneof(name, fc.tuple(name, name).map(([a, b]) => pairName(a, b)), name.map((group) => '#' + group))
const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 255, 256, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER))

test('slots are those of Redis Cluster', () => {
  // CRC16 of '123456789' is 0x31C3 in the XMODEM variant; the others are what CLUSTER KEYSLOT says.
  assert.equal(slotOf('123456789'), 0x31c3)
  assert.equal(slotOf('foo'), 12_182)
  assert.equal(slotOf('bar'), 5061)
  assert.equal(slotOf('hello'), 866)
  assert.equal(slotOf(''), 0)
})

test('slots spread names evenly', () => {
  const counts = new Uint32Array(16)
  for (let i = 0; i < 16_000; i++) {
    const slot = slotOf(`user${i}`)
    assert.ok(slot >= 0 && slot < SLOT_COUNT)
    counts[slot >>> 10] = (counts[slot >>> 10] ?? 0) + 1
  }
  for (const count of counts) assert.ok(count > 800 && count < 1200, `${count} of 1000`)
})

test('a key begins with its slot and table and names its owner', () => {
  fc.assert(fc.property(name, conversationName, number, (user, conversation, n) => {
    const entry = userKeys(user).entry(n)
    assert.equal(slotAt(entry), slotOf(user))
    assert.deepEqual(ownerAt(entry), { table: 'user', name: user })
    const record = conversationKeys(conversation).log(n)
    assert.equal(slotAt(record), slotOf(conversation))
    assert.deepEqual(ownerAt(record), { table: 'conversation', name: conversation })
    const segment = searchKeys(conversation).segment(n)
    assert.equal(slotAt(segment), slotOf(conversation))
    assert.equal(numberAt(segment), n)
    assert.deepEqual(ownerAt(segment), { table: 'search', name: conversation })
    assert.ok(Buffer.compare(record, segment) < 0, 'what is derived comes behind what it is derived from')
  }))
  assert.equal(ownerAt(shardMetaKey('x')), null)
  assert.equal(ownerAt(Buffer.from([0, 0, 0x75, 0x61])), null)
})

test('what is put into a key is found in it', () => {
  fc.assert(fc.property(name, conversationName, number, (user, conversation, n) => {
    const keys = userKeys(user)
    assert.equal(numberAt(keys.device(n)), n)
    assert.equal(numberAt(keys.cursor(n)), n)
    assert.equal(numberAt(keys.entry(n)), n)
    assert.equal(numberAt(conversationKeys(conversation).log(n)), n)
    assert.equal(keys.nameAt(keys.conversation(conversation)), conversation)
    const others = conversationKeys(conversation)
    assert.equal(others.nameAt(others.watermark(user)), user)
    assert.equal(userNameAt(userNameKey(user)), user)
  }))
})

test('the kind of every row is found in its key', () => {
  for (const [kind, key] of userRows(userKeys('bob'), 7, 'x')) assert.equal(userKeys('bob').kindOf(key), kind)
  for (const [kind, key] of conversationRows(conversationKeys('a:b'), 7, 'x')) assert.equal(conversationKeys('a:b').kindOf(key), kind)
  const unknown = Buffer.concat([userKeys('bob').all().gte, Buffer.from([0x3f])])
  assert.equal(userKeys('bob').kindOf(unknown), null)
  assert.equal(conversationKeys('bob').kindOf(unknown), null)
})

test('keys have the order of slot, table, owner, kind and number or name', () => {
  const USER_KINDS: RowKind[] = ['account', 'settings', 'device', 'cursor', 'queue-meta', 'last-seen', 'privacy', 'conversation', 'entry']
  const CONVERSATION_KINDS: RowKind[] = ['meta', 'watermark', 'checkpoint', 'log']
  const row = fc.record({ isUser: fc.boolean(), owner: name, n: number, suffix: conversationName, kind: fc.nat() }).map((r) => {
    const kinds = r.isUser ? USER_KINDS : CONVERSATION_KINDS
    const kind = kinds[r.kind % kinds.length] ?? 'meta'
    const rows = r.isUser ? userRows(userKeys(r.owner), r.n, r.suffix) : conversationRows(conversationKeys(r.owner), r.n, r.suffix)
    const key = rows.get(kind) ?? assert.fail(kind)
    const hasNumber = ['device', 'cursor', 'entry', 'log'].includes(kind)
    const hasName = ['conversation', 'watermark'].includes(kind)
    // Strings that sort as the key should: 'c' is before 'u', as in the key.
    const rank = [
      String(slotOf(r.owner)).padStart(5, '0'), r.isUser ? 'u' : 'c', r.owner, String(kinds.indexOf(kind)),
      hasNumber ? String(r.n).padStart(16, '0') : hasName ? r.suffix : '',
    ]
    return { key, rank }
  })
  fc.assert(fc.property(row, row, (a, b) => {
    assert.equal(Math.sign(Buffer.compare(a.key, b.key)), compareRanks(a.rank, b.rank))
  }), { numRuns: 2000 })
  // Owners that are the beginning of others, in one slot or not, never mix.
  fc.assert(fc.property(name, name, number, (owner, more, n) => {
    assert.ok(!isIn(userKeys(owner).all(), userKeys(owner + more).entry(n)))
    assert.ok(!isIn(userKeys(owner).all(), conversationKeys(owner).log(n)))
  }))
})

test('one short range holds the small rows of an owner and nothing that grows', () => {
  fc.assert(fc.property(name, number, conversationName, (owner, n, suffix) => {
    const user = userKeys(owner)
    for (const [kind, key] of userRows(user, n, suffix)) {
      assert.equal(isIn(user.smallRows(), key), kind !== 'conversation' && kind !== 'entry', kind)
      assert.ok(isIn(user.all(), key))
      assert.ok(isIn(slotRange(slotOf(owner)), key))
      assert.ok(isIn(everything(), key))
    }
    const conversation = conversationKeys(owner)
    for (const [kind, key] of conversationRows(conversation, n, suffix)) {
      assert.equal(isIn(conversation.smallRows(), key), kind !== 'log', kind)
      assert.ok(isIn(conversation.all(), key))
    }
  }))
})

test('ranges of numbers begin at from and end before to', () => {
  fc.assert(fc.property(name, number, number, number, (owner, from, to, n) => {
    const user = userKeys(owner)
    assert.equal(isIn(user.entries(from, to), user.entry(n)), n >= from && n < to)
    assert.equal(isIn(user.entries(from), user.entry(n)), n >= from)
    const conversation = conversationKeys(owner)
    assert.equal(isIn(conversation.logRange(from, to), conversation.log(n)), n >= from && n < to)
    assert.equal(isIn(conversation.logRange(from), conversation.log(n)), n >= from)
    assert.ok(!isIn(conversation.logRange(0), conversation.checkpoint()))
    assert.ok(isIn(user.devices(), user.device(n)))
    assert.ok(!isIn(user.devices(), user.cursor(n)))
    assert.ok(isIn(conversation.watermarks(), conversation.watermark(owner)))
    assert.ok(!isIn(conversation.watermarks(), conversation.checkpoint()))
  }))
})

test('ranges of segments and invites hold their own, and no others', () => {
  const id = fc.string({ unit: fc.constantFrom('0', '7', 'a', 'z'), minLength: 8, maxLength: 8 })
  fc.assert(fc.property(name, name, id, id, number, number, (maker, other, one, after, from, n) => {
    const search = searchKeys(maker)
    assert.equal(isIn(search.segments(from), search.segment(n)), n >= from)
    assert.ok(isIn(search.all(), search.segment(n)) && !isIn(conversationKeys(maker).all(), search.segment(n)))
    assert.equal(isIn(inviteRange(after), inviteKey(one)), one > after)
    assert.equal(isIn(inviteListRange(maker, after), inviteListKey(maker, one)), one > after)
    assert.equal(isIn(inviteListRange(maker, ''), inviteListKey(other, one)), maker === other)
    for (const key of [inviteKey(one), userNameKey(maker), shardMetaKey(maker)]) assert.ok(!isIn(inviteListRange(maker, ''), key))
    for (const key of [inviteListKey(maker, one), inviteListKey('', one), userNameKey(maker)]) assert.ok(!isIn(inviteRange(''), key))
    assert.ok(!isIn(inviteListRange('', ''), inviteListKey(maker, one)) && isIn(everything(), inviteKey(one)))
    for (const key of [inviteKey(one), inviteListKey(maker, one), inviteListKey('', one)]) assert.equal(inviteIdAt(key), one)
    assert.equal(ownerAt(inviteKey(one)), null)
  }))
})

test('ranges of names begin behind the given one', () => {
  fc.assert(fc.property(name, conversationName, conversationName, (owner, after, other) => {
    const user = userKeys(owner)
    assert.equal(isIn(user.conversations(after), user.conversation(other)), other > after)
    assert.ok(isIn(user.conversations(''), user.conversation(other)))
    assert.equal(isIn(userNames(after), userNameKey(other)), other > after)
    assert.ok(isIn(userNames(''), userNameKey(other)))
  }))
  assert.ok(!isIn(userNames(''), shardMetaKey('x')))
  assert.ok(isIn(everything(), shardMetaKey('x')))
  assert.ok(isIn(everything(), userNameKey('x')))
  assert.ok(isIn(everything(), userKeys('0').account()))
})

test('a pair has one name, whoever writes first, and notes to oneself the single name', () => {
  assert.equal(pairName('bob', 'alice'), 'alice:bob')
  assert.equal(pairName('alice', 'bob'), 'alice:bob')
  assert.equal(pairName('bob', 'bob'), 'bob')
})

test('refuses names and numbers that would damage the order', () => {
  for (const bad of ['', 'a\0b', 'ä', 'a\x7f']) {
    assert.throws(() => userKeys(bad), TypeError)
    assert.throws(() => userKeys('a').conversation(bad), TypeError)
    assert.throws(() => userNameKey(bad), TypeError)
    assert.throws(() => shardMetaKey(bad), TypeError)
  }
  for (const bad of [-1, NaN, Infinity, Number.MAX_SAFE_INTEGER + 1]) assert.throws(() => userKeys('a').entry(bad), RangeError)
  assert.throws(() => numberAt(Buffer.alloc(7)), RangeError)
})

function userRows(keys: UserKeys, n: number, suffix: string): Map<RowKind, Buffer> {
  return new Map<RowKind, Buffer>([
    ['account', keys.account()], ['settings', keys.settings()], ['device', keys.device(n)], ['cursor', keys.cursor(n)],
    ['queue-meta', keys.queueMeta()], ['last-seen', keys.lastSeen()], ['privacy', keys.privacy()],
    ['conversation', keys.conversation(suffix)], ['entry', keys.entry(n)],
  ])
}

function conversationRows(keys: ConversationKeys, n: number, suffix: string): Map<RowKind, Buffer> {
  return new Map<RowKind, Buffer>([
    ['meta', keys.meta()], ['watermark', keys.watermark(suffix)], ['checkpoint', keys.checkpoint()], ['log', keys.log(n)],
  ])
}

function compareRanks(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < a.length; i++) {
    const [x = '', y = ''] = [a[i], b[i]]
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}

function isIn(range: KeyRange, key: Uint8Array): boolean {
  return Buffer.compare(key, range.gte) >= 0 && Buffer.compare(key, range.lt) < 0
}
