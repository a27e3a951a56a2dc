/** Channels over links: spec/links.md, 20 to 26. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { channelEntries, channelTakenKey } from '../../storage/channel-keys.js'
import type { ChannelState } from '../channels/channels.js'
import { decodeNumber } from '../channels/entries.js'
import { evenTable, type Federation, type Peers } from '../channels/federation.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import { packEntries } from '../channels/packed-entries.js'
import { AskedCalls } from '../link/asked-calls.js'
import { encodeValue } from '../link/call-codec.js'
import { appendNotice, appendOfferHead, appendShard, LINK, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { LinkConnection, type LinkHandler } from '../link/link-connection.js'
import { openLink } from '../link/open-link.js'
import type { Reader } from '../../protocol/reader.js'
import { nodeName } from '../testing/linked-shards.js'
import { testIdentity } from '../testing/live-front.js'
import { routerError } from '../testing/shard-harness.js'
import type { ShardsHarness } from '../testing/shards-harness.js'
import { type PairRig, pairRig } from '../testing/shards-rigs.js'
import { shardPurpose } from './link-peers.js'
import { disagreement, identityForm, identityOf, type ShardIdentity } from './shard-identity.js'

/** Longer than any wait before a link is dialled again, shorter than the wait before a resend. */
const REDIALLED_MS = 1100

function rigOf(channels = {}): Promise<PairRig> {
  return pairRig({ between: 'links', channels })
}

function stateOf(harness: ShardsHarness, from: number, to: number): ChannelState {
  const state = harness.routers[from]!.shard.channels!.states().find(({ shard }) => shard === to)
  assert.ok(state !== undefined)
  return state
}

/** The conversation is at home in shard 2, the friend in shard 1. */
async function talk({ harness, phone, friend, other }: PairRig, ...texts: string[]): Promise<void> {
  for (const text of texts) phone.send(other, text)
  await harness.settle()
  assert.deepEqual(friend.texts, texts)
}

void test('a link that ends is dialled again, and what waited goes at once, without a wait for the resend', async () => {
  const rig = await rigOf({ resendMs: 1_000_000 })
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  harness.links!.cut(1)
  await harness.settle()
  phone.send(other, 'second')
  await harness.settle()
  assert.deepEqual(friend.texts, ['first'])
  assert.equal(stateOf(harness, 2, 1).isReached, false)
  await harness.pass(REDIALLED_MS)
  assert.deepEqual(friend.texts, ['first', 'second'])
  assert.equal(stateOf(harness, 2, 1).isReached, true)
})

void test('where nobody takes them entries stay in the channel, unread, and their age is known', async () => {
  const rig = await rigOf({ resendMs: 100 })
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  harness.cutOff.add(1)
  await harness.settle()
  let reads = 0
  const { gte, lt } = channelEntries(1, 0)
  const engine = harness.engines[2]!
  const range = engine.range.bind(engine)
  engine.range = (options) => {
    if (Buffer.compare(options.gte, gte) >= 0 && Buffer.compare(options.gte, lt) < 0) reads++
    return range(options)
  }
  // Of one commit, so that they are one entry.
  for (let i = 0; i < 3; i++) phone.send(other, String(i))
  await harness.pass(5000)
  assert.equal(reads, 0)
  const { waiting, waitingBytes, oldestMs, isReached, fault } = stateOf(harness, 2, 1)
  assert.deepEqual([waiting, oldestMs, isReached, fault], [1, 5000, false, null])
  assert.ok(waitingBytes > 0)
  harness.cutOff.clear()
  await harness.settle()
  assert.deepEqual(friend.texts, ['first', '0', '1', '2'])
  assert.deepEqual([stateOf(harness, 2, 1).waiting, stateOf(harness, 2, 1).oldestMs], [0, 0])
})

void test('what is asked while there is no link is refused at once', async () => {
  const { harness } = await rigOf()
  harness.links!.cut(1)
  await harness.settle()
  const { peers } = harness.routers[0]!.shard.environment.federation!
  await assert.rejects(peers.ask(1, 'visitor', 'anybody'), routerError(ERROR.unavailable))
  peers.tell(1, 'typing', 'one', 'pair', ['two'], 1)
})

void test('what was asked when the link ended is refused', async () => {
  const { harness } = await rigOf()
  const asked = harness.routers[0]!.shard.environment.federation!.peers.ask(1, 'visitor', harness.userAt(1))
  const refused = assert.rejects(asked, routerError(ERROR.unavailable))
  harness.links!.cut(1)
  await harness.settle()
  await refused
})

void test('a shard that comes up is dialled by those whom it dials, at once', async () => {
  const { harness } = await rigOf()
  harness.crash(1)
  await harness.settle()
  for (const from of [0, 2]) assert.equal(stateOf(harness, from, 1).isReached, true)
})

void test('entries that are too many for a frame go in several', async () => {
  const rig = await rigOf({ windowBytes: 64 << 20, windowEntries: 100_000 })
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  harness.cutOff.add(1)
  friend.acknowledgesAtOnce = true
  const texts = Array.from({ length: 600 }, (_, i) => `${String(i)} ${'x'.repeat(600)}`)
  for (const text of texts) phone.send(other, text)
  await harness.settle()
  harness.cutOff.clear()
  await harness.settle()
  assert.deepEqual(friend.texts, ['first', ...texts])
})

void test('what waits at a link that takes nothing is bounded, however often it is sent again', async () => {
  const rig = await rigOf({ windowBytes: 1000, resendMs: 100 })
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  const pipe = harness.links!.wire(2, 1)!
  pipe.isStuck = true
  // Each in a row of its own.
  for (let i = 0; i < 100; i++) {
    phone.send(other, `${String(i)} ${'x'.repeat(100)}`)
    await harness.settle()
  }
  await harness.pass(10_000)
  const { handler: link } = pipe
  assert.ok(link instanceof LinkConnection)
  assert.ok(link.isBlocked && link.waitingBytes > 0 && link.waitingBytes < 4000, String(link.waitingBytes))
  pipe.cut()
  await harness.pass(REDIALLED_MS)
  assert.equal(friend.texts.length, 101)
})

// ——— Who is who ———

const BASE = { shard: 1, shards: 3, shardOf: evenTable(3), limits: CHANNEL_LIMITS }

void test('shards that mean other shards, or are of another version, have no channel', () => {
  const taker = identityOf({ ...BASE, shard: 0 })
  const giver = identityOf(BASE)
  assert.equal(disagreement(giver, taker), null)
  const moved = (slot: number): number => slot === 16_383 ? 1 : BASE.shardOf(slot)
  const wrong: readonly ShardIdentity[] = [
    identityOf({ ...BASE, shards: 4 }), identityOf({ ...BASE, shardOf: evenTable(4) }), identityOf({ ...BASE, shardOf: moved }),
    identityOf({ ...BASE, shard: 0 }), identityOf({ ...BASE, shard: 3 }),
  ]
  for (const each of wrong) assert.equal(disagreement(each, taker), LINK_CLOSE.otherShards)
  assert.equal(disagreement({ ...giver, version: giver.version + 1 }, taker), LINK_CLOSE.unsupportedVersion)
  assert.equal(disagreement({ ...giver, version: giver.version - 1 }, taker), null)
})

void test('a shard with another table is given nothing, which is logged once', async () => {
  const rig = await rigOf()
  const { harness } = rig
  await talk(rig, 'first')
  const moved = (slot: number): number => slot === 16_383 ? 1 : evenTable(3)(slot)
  harness.links!.begin({ ...BASE, shardOf: moved }, () => true)
  harness.links!.serve(1, harness.routers[1]!)
  harness.events.splice(0)
  await harness.pass(10_000)
  assert.equal(stateOf(harness, 2, 1).isReached, false)
  // Shards 0 and 2 of the one, and the one of these.
  assert.equal(harness.events.filter((event) => event.includes('can\'t be given to')).length, 4)
})

void test('a shard takes from one of an earlier version, and from one of a later version nothing', async () => {
  const { harness } = await rigOf()
  const identity = identityOf({ ...BASE, shard: 0 })
  const earlier = await foreignLink(harness, 0, { ...identity, version: identity.version - 1 })
  assert.deepEqual([earlier.frames, earlier.reason], [[LINK.confirm], null])
  const later = await foreignLink(harness, 0, { ...identity, version: identity.version + 1 })
  assert.deepEqual([later.frames, later.reason], [[], LINK_CLOSE.unsupportedVersion])
})

void test('a node gives for the shard that it has, and for no other', async () => {
  const { harness } = await rigOf()
  const liar = await foreignLink(harness, 0, identityOf({ ...BASE, shard: 2 }))
  await harness.settle()
  assert.equal(liar.reason, LINK_CLOSE.notOwner)
  assert.ok(!harness.events.some((event) => event.includes('can\'t')), 'it may be heard of later')
})

// ——— Lost memories ———

void test('a shard that has forgotten what it had confirmed is given nothing more', async () => {
  const rig = await rigOf()
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  const backup = harness.engines[1]!.copy()
  phone.send(other, 'second')
  await harness.settle()
  assert.deepEqual(friend.texts, ['first', 'second'])
  harness.crash(1, backup)
  await harness.pass(5000)
  assert.equal(stateOf(harness, 2, 1).fault, 'forgotten')
  assert.equal(harness.events.filter((event) => event.includes('lost its memory')).length, 1)
  phone.send(other, 'third')
  await harness.pass(5000)
  assert.equal(stateOf(harness, 2, 1).waiting, 1)
  // Others go on.
  assert.equal(stateOf(harness, 2, 0).fault, null)
})

void test('a shard whose entries others have, and that it does not know, gives nothing more', async () => {
  const rig = await rigOf()
  const { harness, phone, other } = rig
  await talk(rig, 'first')
  const backup = harness.engines[2]!.copy()
  phone.send(other, 'second')
  await harness.settle()
  harness.crash(2, backup)
  await harness.pass(5000)
  assert.equal(stateOf(harness, 2, 1).fault, 'beyond')
  assert.equal(stateOf(harness, 2, 1).isReached, true)
})

for (const options of [{ between: 'calls' }, { between: 'links', nodes: 1 }] as const) {
  const where = options.between === 'calls' ? 'shards that call each other' : 'shards of one process'
  void test(`who has forgotten is found out among ${where}, too`, async () => {
    for (const [dead, fault] of [[1, 'forgotten'], [2, 'beyond']] as const) {
      const rig = await pairRig(options)
      const { harness, phone, friend, other } = rig
      await talk(rig, 'first')
      const backup = harness.engines[dead]!.copy()
      phone.send(other, 'second')
      await harness.settle()
      assert.deepEqual(friend.texts, ['first', 'second'])
      harness.crash(dead, backup)
      await harness.settle()
      // Under the numbers of what the other has had, and more: none of it is taken for that.
      for (const text of ['third', 'fourth', 'fifth']) {
        phone.send(other, text)
        await harness.settle()
      }
      await harness.pass(5000)
      assert.equal(stateOf(harness, 2, 1).fault, fault)
      assert.ok(stateOf(harness, 2, 1).waiting >= 3)
    }
  })
}

void test('a shard that goes on from an old copy while nobody takes what it gives is found out all the same', async () => {
  const rig = await rigOf()
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  const backup = harness.engines[2]!.copy()
  phone.send(other, 'second')
  await harness.settle()
  harness.cutOff.add(1)
  harness.crash(2, backup)
  // Under the number of what the other has already, and more.
  for (const text of ['third', 'fourth', 'fifth']) phone.send(other, text)
  await harness.pass(5000)
  assert.ok(stateOf(harness, 2, 1).waiting >= 3)
  harness.cutOff.clear()
  await harness.pass(5000)
  assert.equal(stateOf(harness, 2, 1).fault, 'beyond')
  assert.ok(stateOf(harness, 2, 1).waiting >= 3, 'what it gave is not taken for confirmed')
  assert.deepEqual(friend.texts, ['first', 'second'])
})

// ——— What makes no sense ———

class ForeignLink implements LinkHandler {
  readonly link: LinkConnection
  readonly calls: AskedCalls
  readonly frames: number[] = []
  reason: LinkClose | null = null

  constructor(link: LinkConnection) {
    this.link = link
    this.calls = new AskedCalls(link)
  }

  frame(type: number, reader: Reader): void {
    this.frames.push(type)
    if (type === LINK.result) this.calls.answered(reader)
    if (type === LINK.failed) this.calls.failed(reader)
  }

  drained(): void {}
  ended(reason: LinkClose): void { this.reason = reason }
}

/** From another build in the place of a shard, to shard 1. */
async function foreignLink(harness: ShardsHarness, from: number, identity: ShardIdentity | null): Promise<ForeignLink> {
  const links = harness.links!
  const opened = openLink(links.connect(from, 1), testIdentity(nodeName(from)), { expects: nodeName(1), purpose: shardPurpose(1) }, links.environment(), ({ link }) => new ForeignLink(link))
  await harness.settle()
  const foreign = await opened
  if (identity !== null) {
    appendShard(foreign.link.beginSend(), encodeValue(identityForm.write(identity)))
    foreign.link.endSend()
  }
  await harness.settle()
  return foreign
}

void test('what is asked or told with other arguments fails, and harms nobody but itself', async () => {
  const { harness, other } = await rigOf()
  const foreign = await foreignLink(harness, 0, identityOf({ ...BASE, shard: 0 }))
  assert.deepEqual(foreign.frames, [LINK.confirm])
  for (const [name, ...args] of [['visitor'], ['visitor', 1], ['side', 'x', null], ['isGone', 'x', -1], ['nothing'], ['typing', 'a', 'b', ['c'], 1], ['toString']] as const) {
    const refused = assert.rejects(foreign.calls.ask(name, args), routerError(ERROR.unavailable))
    await harness.settle()
    await refused
  }
  for (const args of [[], [1, 2, 3, 4], ['a', 'b', 'c', 1]]) appendNotice(foreign.link.beginSend(), 'typing', encodeValue(args))
  appendNotice(foreign.link.beginSend(), 'nothing', encodeValue([]))
  foreign.link.endSend()
  const asked = foreign.calls.ask('visitor', [other])
  await harness.settle()
  assert.deepEqual(await asked, { exists: true, readReceipts: true })
  assert.equal(foreign.reason, null)
})

void test('a shard asks and tells for itself alone', async () => {
  const { harness, one, other, friend } = await rigOf()
  const third = harness.userAt(2)
  await harness.addUsers(third)
  await harness.attach(third)
  friend.watch(third)
  await harness.settle()
  assert.deepEqual(friend.seen(), [`${third} online`])
  const foreign = await foreignLink(harness, 0, identityOf({ ...BASE, shard: 0 }))
  const life = 7
  for (const [name, ...args] of [['watched', 2, life, 1, [{ viewer: one, user: other }]], ['watchesRenewed', 2, life]] as const) {
    const refused = assert.rejects(foreign.calls.ask(name, args), routerError(ERROR.unavailable))
    await harness.settle()
    await refused
  }
  appendNotice(foreign.link.beginSend(), 'presence', encodeValue([2, { life, number: 1 }, [{ user: third, isActive: false, lastSeenMs: 1 }], []]))
  foreign.link.endSend()
  const renewed = foreign.calls.ask('watchesRenewed', [0, life])
  await harness.settle()
  assert.equal(typeof (await renewed as { life: number }).life, 'number')
  assert.equal(foreign.reason, null)
  await harness.pass(1000)
  assert.deepEqual(friend.seen(), [])
})

void test('who says nothing of itself first, or what is no frame here, loses the link', async () => {
  const { harness } = await rigOf()
  const silent = await foreignLink(harness, 0, null)
  appendOfferHead(silent.link.beginSend(), 1, 0)
  silent.link.endSend()
  const odd = await foreignLink(harness, 2, identityOf({ ...BASE, shard: 2 }))
  appendNotice(odd.link.beginSend(), 'typing', Uint8Array.of(0xc1))
  odd.link.endSend()
  const vague = await foreignLink(harness, 0, null)
  appendShard(vague.link.beginSend(), encodeValue({ shards: 3 }))
  vague.link.endSend()
  await harness.settle()
  assert.deepEqual([silent.reason, odd.reason, vague.reason], [LINK_CLOSE.malformed, LINK_CLOSE.malformed, LINK_CLOSE.malformed])
})

void test('entries that make no sense are left out, as within one process', async () => {
  const rig = await rigOf()
  const { harness } = rig
  await talk(rig, 'first')
  harness.cutOff.add(0)
  await harness.settle()
  const foreign = await foreignLink(harness, 0, identityOf({ ...BASE, shard: 0 }))
  const taken = async (): Promise<number> => decodeNumber(await harness.engines[1]!.get(channelTakenKey(0)))
  const before = await taken()
  appendOfferHead(foreign.link.beginSend(), before + 1, 2)
  foreign.link.sendBytes(packEntries([Uint8Array.of(99)]))
  await harness.settle()
  assert.equal(await taken(), before + 1)
  assert.deepEqual(foreign.frames, [LINK.confirm, LINK.confirm])
  // An entry that is longer than its frame.
  appendOfferHead(foreign.link.beginSend(), before + 2, 2)
  foreign.link.sendBytes(Uint8Array.of(9, 1))
  await harness.settle()
  assert.equal(await taken(), before + 1)
  assert.equal(foreign.link.hasEnded, true)
})

void test('of two links of one shard the later one counts', async () => {
  const { harness } = await rigOf()
  const [one, other] = [await foreignLink(harness, 0, identityOf({ ...BASE, shard: 0 })), await foreignLink(harness, 0, identityOf({ ...BASE, shard: 0 }))]
  assert.deepEqual([one.reason, other.reason], [LINK_CLOSE.closed, null])
})

void test('an answer of another form is a fault of that call', async () => {
  const { harness } = await rigOf()
  const { groups } = harness.routers[1]!
  groups.counts = () => Promise.resolve({ member: -1, guest: 0 })
  const { peers } = harness.routers[0]!.shard.environment.federation as Federation & { readonly peers: Peers }
  const refused = assert.rejects(peers.ask(1, 'groupCounts', harness.userAt(1)), routerError(ERROR.unavailable))
  await harness.settle()
  await refused
  assert.ok(harness.events.includes('shard-answer-malformed'))
  assert.equal(stateOf(harness, 0, 1).isReached, true)
})

void test('a shard that is not served takes no links, and gives nothing', async () => {
  const rig = await rigOf()
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  harness.links!.stopServing(1)
  await harness.pass(5000)
  phone.send(other, 'second')
  await harness.settle()
  assert.deepEqual([stateOf(harness, 2, 1).isReached, stateOf(harness, 1, 2).isReached], [false, false])
  harness.links!.serve(1, harness.routers[1]!)
  await harness.pass(REDIALLED_MS)
  assert.deepEqual(friend.texts, ['first', 'second'])
})
