import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, OPERATION } from '../../protocol/generated/registry.js'
import { slotAt, SLOT_COUNT } from '../../storage/slots.js'
import { everything } from '../../storage/owner-keys.js'
import { channelEntries, channelTakenKey } from '../../storage/channel-keys.js'
import { decodeNumber, encodeEntry, MessagesEntry } from './entries.js'
import { readRow } from './entry-row.js'
import { packRun } from './message-run.js'
import { PackedEntries, packEntries } from './packed-entries.js'
import type { SearchPosition } from '../search/search-router.js'
import { routerError } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { groupRig, NEW_GROUP, type PairPlace, pairRig } from '../testing/shards-rigs.js'

const PLACES: readonly PairPlace[] = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [0, 1, 2]]

/** No shard holds a row of what is at home elsewhere. */
async function checkSlots(harness: ShardsHarness): Promise<void> {
  for (const [shard, engine] of harness.engines.entries()) {
    for (const [key] of await engine.range({ ...everything(), limit: 100_000 })) {
      const slot = slotAt(key)
      if (slot < SLOT_COUNT) assert.equal(Math.floor(slot * harness.count / SLOT_COUNT), shard, `shard ${String(shard)} holds ${Buffer.from(key).toString('latin1')}`)
    }
  }
}

for (const place of PLACES) {
  void test(`[MSG-1] [RCP-1] [RCP-4] [HIS-3] two talk, at home in ${place.slice(0, 2).join(' and ')}, their conversation in ${String(place[2])}`, async () => {
    const { harness, one, other, phone, friend } = await pairRig({}, place)
    const tablet = await harness.attach(one, 'tablet')
    for (const device of [phone, tablet, friend]) device.acknowledgesAtOnce = true
    phone.send(other, 'hello')
    phone.send(other, 'there')
    await harness.settle()
    assert.deepEqual(phone.acks.map(({ seq }) => seq), [1, 2])
    assert.deepEqual(friend.texts, ['hello', 'there'])
    assert.deepEqual(tablet.texts, ['hello', 'there'])
    assert.deepEqual(phone.texts, ['hello', 'there'])
    await harness.pass(1000)
    assert.ok(phone.receipts.includes(`${other} '' delivered 2`), String(phone.receipts))
    friend.mark(one, 2)
    friend.send(one, 'hi')
    await harness.pass(1000)
    assert.deepEqual(friend.acks.map(({ seq }) => seq), [2, 3])
    assert.ok(phone.receipts.includes(`${other} '' read 2`), String(phone.receipts))
    assert.deepEqual(phone.texts, ['hello', 'there', 'hi'])
    const page = await harness.router.history(one, other, { limit: 10 })
    assert.deepEqual(page.messages.map(({ text }) => Buffer.from(text).toString()), ['hello', 'there', 'hi'])
    const [summary] = (await harness.router.conversations(other, '', 10)).conversations
    assert.deepEqual([summary?.conversation, summary?.tail, summary?.unread, summary?.read], [one, 3, 0, 2])
    assert.deepEqual(await harness.router.receipts(one, other), [{ member: other, delivered: 2, read: 2 }])
    await checkSlots(harness)
  })
}

void test('[MSG-3] a retry gets its old ack, whichever shard has died meanwhile', async () => {
  for (const dead of [0, 1, 2]) {
    const { harness, other, ...devices } = await pairRig()
    let { phone, friend } = devices
    const clientId = phone.send(other, 'hello')
    await harness.settle()
    harness.crash(dead)
    await harness.pass(5000)
    phone = await harness.reattach(phone)
    friend = await harness.reattach(friend, 0)
    phone.send(other, 'hello', clientId)
    phone.send(other, 'again', clientId + 1)
    await harness.pass(5000)
    assert.deepEqual(phone.acks.map(({ seq }) => seq), [1, 2], `shard ${String(dead)} died`)
    assert.deepEqual(friend.texts, ['hello', 'again'], `shard ${String(dead)} died`)
  }
})

void test('[QUE-2] what was acknowledged waits for a user whose home is away', async () => {
  const { harness, other, phone, friend } = await pairRig()
  phone.send(other, 'first')
  await harness.settle()
  harness.cutOff.add(1)
  for (let i = 0; i < 10; i++) phone.send(other, String(i))
  await harness.pass(3000)
  assert.equal(phone.acks.length, 11)
  assert.deepEqual(friend.texts, ['first'])
  harness.cutOff.clear()
  await harness.pass(3000)
  assert.deepEqual(friend.texts, ['first', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
})

void test('nobody opens a conversation with who does not exist, until there is such a user', async () => {
  const harness = new ShardsHarness()
  const [one, other] = harness.pairAt(0, 1, 2)
  await harness.addUsers(one)
  const phone = await harness.attach(one)
  phone.send(other, 'is anybody there?')
  await harness.settle()
  assert.deepEqual(phone.refusals.map(({ error }) => error), [ERROR.noSuchUser])
  await harness.addUsers(other)
  phone.send(other, 'now?')
  await harness.settle()
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [1])
})

void test('a first message is refused for now while a home can\'t be asked', async () => {
  const { harness, other, phone } = await pairRig()
  harness.cutOff.add(1)
  const clientId = phone.send(other, 'hello')
  await harness.settle()
  assert.deepEqual(phone.refusals.map(({ error }) => error), [ERROR.unavailable])
  harness.cutOff.clear()
  await harness.settle()
  phone.send(other, 'hello', clientId)
  await harness.settle()
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [1])
})

void test('who would add to a channel that holds too much is refused for now', async () => {
  const { harness, other, phone, friend } = await pairRig({ channels: { entriesMax: 5 } })
  phone.send(other, 'first')
  await harness.settle()
  harness.cutOff.add(1)
  // One commit after the other: what one author says in one commit is one entry.
  for (let i = 0; i < 10; i++) {
    phone.send(other, String(i))
    await harness.settle()
  }
  assert.deepEqual([phone.acks.length, phone.refusals.length], [6, 5])
  assert.ok(phone.refusals.every(({ error, retryAfterMs }) => error === ERROR.unavailable && retryAfterMs > 0))
  harness.cutOff.clear()
  await harness.pass(5000)
  phone.send(other, 'last')
  await harness.settle()
  assert.deepEqual(friend.texts, ['first', '0', '1', '2', '3', '4', 'last'])
})

void test('watermarks wait for room in a full channel, and the cursor behind them', async () => {
  const { harness, other, phone, friend } = await pairRig({ channels: { entriesMax: 1 } }, [0, 1, 0])
  phone.send(other, 'first')
  await harness.settle()
  phone.send(other, 'second')
  await harness.settle()
  assert.deepEqual(friend.texts, ['first', 'second'])
  harness.cutOff.add(0)
  friend.acknowledge(1)
  await harness.settle()
  friend.acknowledge(2)
  await harness.settle()
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.ok(phone.receipts.includes(`${other} '' delivered 2`), String(phone.receipts))
})

void test('what the other shard has confirmed is deleted', async () => {
  const { harness, other, phone } = await pairRig({ channels: { trimEvery: 4, trimMs: 1000 } })
  for (let i = 0; i < 20; i++) {
    phone.send(other, String(i))
    await harness.settle()
  }
  const rows = async (): Promise<number> => (await harness.engines[2]!.range({ ...channelEntries(1, 0), limit: 100 })).length
  assert.ok(await rows() <= 4, String(await rows()))
  await harness.pass(2000)
  assert.equal(await rows(), 0)
  harness.crash(2)
  await harness.settle()
  const again = await harness.reattach(phone)
  again.send(other, 'behind the crash', 100)
  await harness.settle()
  assert.equal(again.acks.at(-1)?.seq, 21)
  assert.equal((await harness.attach(other)).texts.at(-1), 'behind the crash')
})

void test('[PRF-10] [PRF-11] [PRF-13] a block holds from its answer on, wherever the conversation is at home', async () => {
  for (const place of PLACES) {
    const { harness, one, other, phone, friend } = await pairRig({}, place)
    // Also where there is no conversation yet.
    await harness.router.profiles.block(other, one)
    phone.send(other, 'hidden')
    await harness.settle()
    assert.deepEqual(phone.acks.map(({ seq }) => seq), [1], String(place))
    assert.deepEqual(friend.texts, [], String(place))
    assert.deepEqual((await harness.router.conversations(other, '', 10)).conversations, [])
    await harness.router.profiles.unblock(other, one)
    phone.send(other, 'seen')
    await harness.settle()
    assert.deepEqual(friend.texts, ['seen'], String(place))
    await harness.router.profiles.block(one, other)
    phone.send(other, 'no more')
    await harness.settle()
    assert.deepEqual(phone.refusals.map(({ error }) => error), [ERROR.contactBlocked], String(place))
    await checkSlots(harness)
  }
})

void test('[RCP-7] receipts that are turned off are told by no shard', async () => {
  const { harness, one, other, phone, friend } = await pairRig()
  phone.send(other, 'first')
  await harness.settle()
  await harness.router.changeSettings(other, { readReceipts: false })
  friend.mark(one, 1)
  await harness.pass(1000)
  assert.deepEqual(phone.receipts, [`${other} '' delivered 1`])
  assert.deepEqual(await harness.router.receipts(one, other), [{ member: other, delivered: 1, read: 0 }])
})

void test('[RCP-7] receipts that are turned off while their user is being loaded elsewhere are told no more', async () => {
  const { harness, one, other, friend, ...devices } = await pairRig()
  let { phone } = devices
  phone.send(other, 'hello')
  await harness.settle()
  harness.crash(2)
  phone = await harness.reattach(phone)
  await harness.pass(5000)
  harness.crash(2)
  await harness.settle()
  const { users } = harness.routers[2]!.shard
  assert.equal(users.get(other), undefined, 'it is not in memory')
  const held: (() => void)[] = []
  const engine = harness.engines[2]!
  const commit = engine.commit.bind(engine)
  engine.commit = async (batch) => {
    await new Promise<void>((resolve) => { held.push(resolve) })
    return commit(batch)
  }
  const isOff = harness.router.changeSettings(other, { readReceipts: false })
  await harness.settle()
  assert.equal(held.length, 1)
  // Has the other shard read what it has on disk of the two.
  phone.send(other, 'again', 2)
  await harness.settle()
  assert.notEqual(users.get(other), undefined)
  engine.commit = commit
  for (const release of held) release()
  await isOff
  await harness.settle()
  friend.mark(one, 2)
  await harness.settle()
  assert.deepEqual(friend.texts, ['hello', 'again'])
  assert.deepEqual(phone.receipts.filter((receipt) => receipt.includes(' read ')), [])
})

void test('[OPS-7] a delete is acked when all homes know of it', async () => {
  const { harness, one, other, phone, ...devices } = await pairRig()
  let { friend } = devices
  friend.detach()
  phone.send(other, 'regretted')
  await harness.settle()
  harness.cutOff.add(1)
  phone.operate(other, 1, OPERATION.delete)
  await harness.settle()
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [1])
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [1, 2])
  friend = await harness.reattach(friend)
  assert.deepEqual(friend.texts, [''])
  assert.deepEqual(friend.kinds.filter((kind) => kind === 'operation'), ['operation'])
  friend.operate(one, 1, OPERATION.react, '👍')
  await harness.settle()
  assert.deepEqual(friend.refusals.map(({ error }) => error), [ERROR.messageDeleted])
})

void test('[MSG-6] edits, reactions and timers reach the homes of both', async () => {
  const { harness, one, other, phone, friend } = await pairRig()
  phone.send(other, 'helo')
  await harness.settle()
  phone.operate(other, 1, OPERATION.edit, 'hello')
  await harness.settle()
  friend.operate(one, 1, OPERATION.react, '👍')
  await harness.settle()
  assert.equal(await harness.router.timers.set(one, other, 5000), 4)
  phone.send(other, 'goes')
  await harness.settle()
  assert.deepEqual(friend.kinds, ['done', 'delivery', 'operation', 'change', 'delivery'])
  assert.deepEqual(phone.kinds, ['done', 'operation', 'change'])
  await harness.pass(6000)
  const { messages } = await harness.router.history(other, one, { limit: 10 })
  assert.deepEqual(messages.filter(({ text }) => text.length > 0).map(({ text }) => Buffer.from(text).toString()), ['hello', 'hello', '👍'])
})

void test('[GRP-1] [GRP-2] [GRP-14] a group has its members in three shards, and each shard one entry for all of them', async () => {
  const { harness, group, owner, members } = await groupRig()
  const phone = await harness.attach(owner)
  const others = []
  for (const member of members) others.push(await harness.attach(member))
  harness.cutOff.add(2)
  phone.send(group, 'who comes along?')
  await harness.settle()
  assert.equal(phone.acks[0]?.seq, 2)
  const waiting = async (to: number): Promise<number> => (await harness.engines[0]!.range({ ...channelEntries(to, 0), limit: 100 })).length
  const before = await waiting(2)
  phone.send(group, 'nobody?')
  await harness.settle()
  assert.equal(await waiting(2), before + 1)
  assert.deepEqual(others.map(({ texts }) => texts.length), [2, 2, 0, 0])
  for (const device of others) device.acknowledge()
  await harness.pass(1000)
  assert.equal(phone.receipts.length, 0)
  harness.cutOff.clear()
  await harness.pass(5000)
  for (const device of others) {
    assert.deepEqual(device.texts, ['who comes along?', 'nobody?'])
    device.acknowledge()
  }
  await harness.pass(2000)
  assert.equal(phone.receipts.at(-1), `${group} '' delivered 3`)
  for (const device of others) device.mark(group, 3)
  await harness.pass(2000)
  assert.equal(phone.receipts.at(-1), `${group} '' read 3`)
  for (const user of [owner, ...members]) {
    const [summary] = (await harness.router.conversations(user, '', 10)).conversations
    assert.deepEqual([summary?.conversation, summary?.tail, summary?.unread, summary?.group?.size], [group, 3, 0, 5])
  }
  await checkSlots(harness)
})

void test('[GRP-9] [GRP-11] who is removed gets what came before, whatever is under way, and nothing behind it', async () => {
  const { harness, group, owner, members } = await groupRig()
  const removed = members[2]!
  const [phone, other] = [await harness.attach(owner), await harness.attach(removed)]
  harness.cutOff.add(2)
  phone.send(group, 'before')
  await harness.settle()
  await harness.router.groups.change(owner, group, { kind: 'remove', users: [removed] })
  phone.send(group, 'behind')
  await harness.settle()
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.deepEqual(other.texts, ['before'])
  assert.deepEqual(other.kinds.filter((kind) => kind === 'change').length, 2)
  const { messages } = await harness.router.history(removed, group, { limit: 10 })
  assert.deepEqual(messages.map(({ seq }) => seq), [1, 2, 3])
  other.send(group, 'let me in')
  await harness.settle()
  assert.deepEqual(other.refusals.map(({ error }) => error), [ERROR.noSuchConversation])
  const [summary] = (await harness.router.conversations(removed, '', 10)).conversations
  assert.deepEqual([summary?.conversation, summary?.group?.role], [group, 'former'])
})

void test('[GRP-8] [PRF-20] how many groups a user may be in, and who has blocked whom, is asked of its home', async () => {
  const { harness, owner, members } = await groupRig({ limits: { groupsMax: 2 } })
  const [, , guest = ''] = members
  const second = harness.groupAt(1)
  await harness.router.groups.create(owner, second, { ...NEW_GROUP, users: [guest] })
  await harness.settle()
  const mover = members[0]!
  const third = harness.groupAt(2)
  await assert.rejects(harness.router.groups.create(mover, third, { ...NEW_GROUP, users: [guest] }), routerError(ERROR.tooManyGroups))
  await harness.router.profiles.block(members[3]!, mover)
  await assert.rejects(harness.router.groups.create(mover, third, { ...NEW_GROUP, users: [members[3]!] }), routerError(ERROR.tooManyGroups))
  await assert.rejects(harness.router.groups.create(mover, third, { ...NEW_GROUP, users: ['nobody'] }), routerError(ERROR.noSuchUser))
  await harness.router.groups.create(mover, third, { ...NEW_GROUP, users: [] })
})

void test('[GRP-12] who is removed as a user leaves its groups, wherever they are at home', async () => {
  const { harness, group, owner, members } = await groupRig()
  await harness.router.removeUser(members[3]!)
  const details = await harness.router.groups.details(owner, group, null)
  assert.deepEqual(details.inside?.members.map(({ user }) => user), [owner, ...members.slice(0, 3)])
})

void test('a change of a group is refused for now where a channel to its members holds too much', async () => {
  const { harness, group, owner } = await groupRig({ channels: { entriesMax: 3 } })
  harness.cutOff.add(2)
  const phone = await harness.attach(owner)
  for (let i = 0; i < 3; i++) {
    phone.send(group, String(i))
    await harness.settle()
  }
  await assert.rejects(harness.router.groups.change(owner, group, { kind: 'info', name: 'Sledging' }), routerError(ERROR.unavailable))
  harness.cutOff.clear()
  await harness.pass(5000)
  await harness.router.groups.change(owner, group, { kind: 'info', name: 'Sledging' })
})

void test('[OPS-7] what was deleted since a member left is not handed out of its queue, also where the group can\'t be asked at first', async () => {
  const { harness, group, owner, members } = await groupRig()
  const [phone, other] = [await harness.attach(owner), await harness.attach(members[2]!)]
  other.acknowledge()
  other.detach()
  phone.send(group, 'regretted')
  await harness.settle()
  await harness.router.groups.change(owner, group, { kind: 'remove', users: [members[2]!] })
  phone.operate(group, 2, OPERATION.delete)
  await harness.pass(1000)
  assert.equal(phone.acks.at(-1)?.seq, 4)
  harness.cutOff.add(0)
  const again = await harness.reattach(other)
  assert.deepEqual(again.texts, [])
  harness.cutOff.clear()
  await harness.pass(1000)
  assert.deepEqual(again.texts, [''])
})

void test('[OPS-7] a delete is acked when the homes of those who have left know of it', async () => {
  const { harness, group, owner, members } = await groupRig()
  const phone = await harness.attach(owner)
  const left = members.slice(2)
  const other = await harness.attach(left[0]!)
  other.acknowledge()
  other.detach()
  harness.cutOff.add(2)
  phone.send(group, 'regretted')
  await harness.settle()
  await harness.router.groups.change(owner, group, { kind: 'remove', users: left })
  phone.operate(group, 2, OPERATION.delete)
  await harness.pass(1000)
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [2])
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [2, 4])
  assert.deepEqual((await harness.reattach(other)).texts, [''])
})

void test('[OPS-7] what was under way to one who blocks is looked up, too', async () => {
  const { harness, one, other, phone, friend } = await pairRig()
  phone.send(other, 'first')
  await harness.settle()
  friend.acknowledge()
  friend.detach()
  harness.hold(2, 1)
  phone.send(other, 'regretted')
  await harness.settle()
  const isBlocked = harness.router.profiles.block(other, one)
  await harness.settle()
  harness.hold(2, 1, false)
  await harness.pass(5000)
  await isBlocked
  phone.operate(other, 2, OPERATION.delete)
  await harness.pass(1000)
  assert.deepEqual(phone.acks.map(({ seq }) => seq), [1, 2, 3])
  assert.deepEqual((await harness.reattach(friend)).texts, [''])
})

void test('[PRF-10] a block holds also where it comes while another shard can\'t be asked', async () => {
  const { harness, one, other, phone, friend } = await pairRig({ limits: { residentUsersMax: 0 } })
  // The home of their conversation knows how each looks at the other, and no more.
  await assert.rejects(harness.router.history(one, other, { limit: 1 }), routerError(ERROR.noSuchConversation))
  harness.asksInVain = 2
  phone.send(other, 'hello?')
  const isBlocked = harness.router.profiles.block(other, one)
  await harness.pass(1000)
  await isBlocked
  harness.asksInVain = -1
  phone.send(other, 'hidden')
  await harness.settle()
  assert.deepEqual([phone.acks.map(({ seq }) => seq), friend.texts], [[1], []])
})

void test('an entry that can\'t be read is left out, and does not stop those behind it', async () => {
  const harness = new ShardsHarness()
  const user = harness.userAt(1)
  await harness.addUsers(user)
  const phone = await harness.attach(user)
  const { shard } = harness.routers[1]!
  // Nothing else comes over this one.
  const hello = messagesFor(user, 'hello')
  shard.channels?.receive(2, 1, packEntries([Uint8Array.of(1, 99), Uint8Array.of(7), encodeEntry(hello)]))
  await harness.settle()
  assert.deepEqual(phone.texts, ['hello'])
  assert.equal(harness.events.filter((event) => event === 'an entry of a channel has no effect').length, 2)
  assert.equal(decodeNumber(await harness.engines[1]!.get(channelTakenKey(2))), 3)
  // The same once more, as after a lost confirmation.
  shard.channels?.receive(2, 1, packEntries([Uint8Array.of(1, 99), Uint8Array.of(7), encodeEntry(hello)]))
  shard.channels?.receive(2, 5, packEntries([encodeEntry(hello)]))
  await harness.settle()
  assert.deepEqual(phone.texts, ['hello'])
})

void test('rows of an older store are given, and one that is damaged costs its own entries alone', async () => {
  const { harness, other, phone, friend } = await pairRig({}, [0, 1, 0])
  phone.send(other, 'first')
  await harness.settle()
  harness.cutOff.add(0)
  for (const text of ['second', 'third', 'fourth', 'fifth']) {
    phone.send(other, text)
    await harness.settle()
  }
  const engine = harness.engines[0]!
  const rows = await engine.range({ ...channelEntries(1, 0), limit: 100 })
  const batch = engine.batch()
  const waiting = rows.slice(-4)
  // As they were when each had one entry.
  for (const [key, row] of waiting) {
    const entries = new PackedEntries(readRow(row)!)
    entries.next()
    batch.put(key, Uint8Array.of(1, ...entries.bytes.slice(entries.start + 1, entries.end)))
  }
  batch.put(waiting[2]![0], Uint8Array.of(77))
  await engine.commit(batch)
  harness.crash(0)
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.deepEqual(friend.texts, ['first', 'second', 'third', 'fifth'])
})

void test('an entry with a row inside that can\'t be read is left out, too', async () => {
  const harness = new ShardsHarness()
  const [user, nobody] = [harness.userAt(1), harness.userAt(1, [harness.userAt(1)])]
  await harness.addUsers(user)
  const phone = await harness.attach(user)
  const { shard } = harness.routers[1]!
  const listing = { kind: 'listing', user: nobody, conversation: harness.groupAt(2), row: Uint8Array.of(99) } as const
  const hello = messagesFor(user, 'hello')
  shard.channels?.receive(2, 1, packEntries([encodeEntry(listing), encodeEntry(hello)]))
  await harness.settle()
  assert.deepEqual(phone.texts, ['hello'])
  assert.equal(decodeNumber(await harness.engines[1]!.get(channelTakenKey(2))), 2)
})

void test('a removed user is one for all shards', async () => {
  const { harness, other, phone } = await pairRig()
  phone.send(other, 'hello')
  await harness.settle()
  await harness.router.removeUser(other)
  phone.send(other, 'gone?')
  await harness.settle()
  assert.deepEqual(phone.refusals.map(({ error }) => error), [ERROR.noSuchUser])
})

void test('flags of a conversation are kept at home, for its members alone', async () => {
  const { harness, one, other, phone } = await pairRig()
  await assert.rejects(harness.router.profiles.changeFlags(one, other, { isPinned: true }), routerError(ERROR.noSuchConversation))
  phone.send(other, 'hello')
  await harness.settle()
  await harness.router.profiles.changeFlags(one, other, { isPinned: true })
  const [summary] = (await harness.router.conversations(one, '', 10)).conversations
  assert.equal(summary?.flags.isPinned, true)
})

void test('[SCH-1] [SCH-3] what is searched for is found in all shards, newest first', async () => {
  const { harness, group, owner, members } = await groupRig({ limits: { searchEnabled: true } })
  const phone = await harness.attach(owner)
  const said: string[] = []
  for (const [at, to] of [group, ...members, group, ...members].entries()) {
    phone.send(to, `word ${String(at)}`)
    said.unshift(`${to} word ${String(at)}`)
    await harness.pass(1000)
  }
  const found: string[] = []
  for (let after: SearchPosition | undefined, more = true; more;) {
    const page = await harness.router.search(owner, { text: 'word', limit: 3, ...after === undefined ? {} : { after } })
    found.push(...page.results.map(({ conversation, message }) => `${conversation} ${Buffer.from(message.text).toString()}`))
    more = page.next !== null
    after = page.next ?? undefined
  }
  assert.deepEqual(found, said)
  const inOne = await harness.router.search(members[2]!, { text: 'word', limit: 10, conversation: owner })
  assert.equal(inOne.results.length, 2)
  assert.equal((await harness.router.rebuildSearch()).conversations, 5)
})

void test('[PRF-17] reports hold what was said wherever it is at home, and the operator finds all of them', async () => {
  const { harness, group, owner, members } = await groupRig()
  const phone = await harness.attach(owner)
  phone.send(group, 'rude')
  await harness.settle()
  for (const user of members) await harness.router.profiles.report(user, { conversation: group, reason: user, blocks: false })
  const { profiles } = harness.router
  const ids: number[] = []
  const reporters: string[] = []
  for (let more = true; more;) {
    const page = await profiles.reports(ids.at(-1) ?? 0, 1)
    for (const { id, reporter, messages } of page.reports) {
      ids.push(id)
      reporters.push(reporter)
      assert.deepEqual(messages.map(({ text }) => Buffer.from(text).toString()), ['rude'])
    }
    more = page.more
  }
  assert.deepEqual([...reporters].sort(), [...members].sort())
  assert.equal((await profiles.readReport(ids[1]!))?.reporter, reporters[1])
  assert.equal(await profiles.closeReport(ids[1]!), true)
  assert.equal(await profiles.readReport(ids[1]!), null)
  assert.equal((await profiles.reports(0, 10)).reports.length, 3)
})

void test('[PRS-12] who types is seen by members in all shards, but for those it has blocked, or who have blocked it', async () => {
  const { harness, group, owner, members } = await groupRig()
  const phone = await harness.attach(owner)
  const others = []
  for (const member of members) others.push(await harness.attach(member))
  await harness.router.profiles.block(members[0]!, owner)
  await harness.router.profiles.block(owner, members[2]!)
  phone.type(group)
  await harness.settle()
  assert.deepEqual(others.map(({ typings }) => typings.length), [0, 1, 0, 1])
  assert.match(others[3]?.typings[0] ?? '', new RegExp(`^${group} ${owner} typing`))
  const stranger = await harness.attach(members[1]!, 'tablet')
  stranger.type(members[2]!)
  await harness.settle()
  assert.deepEqual(stranger.declines.map(({ error }) => error), [ERROR.noSuchConversation])
})

void test('what does not work across shards yet is refused', async () => {
  const { router } = new ShardsHarness()
  assert.equal(router.blobs, null)
})

void test('accounts of all shards are listed together', async () => {
  const harness = new ShardsHarness()
  const names = Array.from({ length: 20 }, (_, at) => `user${String(at).padStart(2, '0')}`)
  await harness.addUsers(...names)
  const listed: string[] = []
  for (let more = true; more;) {
    const page = await harness.router.users(listed.at(-1) ?? '', 3)
    listed.push(...page.users.map(({ user }) => user))
    more = page.more
  }
  assert.deepEqual(listed, names)
})

/** Of somebody in a conversation that nothing else comes from. */
function messagesFor(user: string, ...texts: string[]): MessagesEntry {
  const messages = texts.map((text, at) => ({ seq: 1 + at, timeMs: 1, text: Buffer.from(text), extensions: new Uint8Array(0) }))
  return new MessagesEntry('#elsewhere', 'somebody', [user], packRun(messages))
}
