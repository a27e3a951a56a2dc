/** What goes over a link comes out as it went in, within limits; see also over-link.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { ACTIVITY, ERROR, FRAME, PRESENCE } from '../../protocol/generated/registry.js'
import { encodeSkip } from '../../protocol/generated/frames.js'
import { LinkLostError } from '../link/asked-calls.js'
import { decodeValue, encodeValue } from '../link/call-codec.js'
import type { LinkLimits } from '../link/link-environment.js'
import { appendNames, appendNumber, appendSession, appendTyping, LINK, LINK_CLOSE } from '../link/link-frames.js'
import { LinkHarness, TestSink } from '../link/testing/harness.js'
import { routerError } from '../testing/shard-harness.js'
import { callNames, performCall } from './calls.js'
import type { RemoteRouter } from './remote-router.js'
import type { Attachment, AttachRequest, DeviceSink } from './router.js'

const REQUEST: AttachRequest = {
  user: 'alice', device: 'phone', deviceName: 'A phone', queueEpoch: 3, cursor: 4, outboxEpoch: 5, window: 6, usedTokenHash: null,
  freshTokenHash: new Uint8Array(32).fill(9), verifierSalt: new Uint8Array([1, 2]),
}
const NONE = new Uint8Array(0)

async function attached(limits: Partial<LinkLimits> = {}): Promise<{ harness: LinkHarness, remote: RemoteRouter, attachment: Attachment, sink: DeviceSink }> {
  const harness = new LinkHarness(limits)
  const remote = await harness.dial()
  const { attachment } = await harness.wait(remote.attach(REQUEST, harness.sink))
  remote.start(attachment)
  await harness.pass(20)
  return { harness, remote, attachment, sink: harness.router.places[0]!.sink }
}

test('an attach asks for all that it names, and gives all that the shard gave', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  const { attachment, ...given } = await harness.wait(remote.attach(REQUEST, harness.sink))
  assert.deepEqual(given, harness.router.attached)
  assert.equal(attachment.outboxEpoch, harness.router.attached.outboxEpoch)
  const { freshTokenHash, verifierSalt, ...request } = harness.router.places[0]!.request
  assert.deepEqual({ ...request, freshTokenHash: Buffer.from(freshTokenHash), verifierSalt: Buffer.from(verifierSalt!) },
    { ...REQUEST, freshTokenHash: Buffer.from(REQUEST.freshTokenHash), verifierSalt: Buffer.from(REQUEST.verifierSalt!) })
})

test('what a device sends comes to the shard in its order', async () => {
  const { harness, remote, attachment, sink } = await attached()
  sink.entries(encodeSkip(7), 7, 1)
  await harness.pass(20)
  remote.message(attachment, 1, 'böb', Buffer.from('hi'), NONE)
  remote.mark(attachment, 2, 'bob', 2, 7)
  assert.equal(remote.cursor(attachment, 7), true)
  remote.operate(attachment, 3, 'bob', 1, 2, Buffer.from('ha'))
  remote.activity(attachment, ACTIVITY.inactive)
  remote.watch(attachment, ['bob', 'carol'])
  remote.unwatch(attachment, ['bob'])
  remote.typing(attachment, 'bob', 1)
  await harness.pass(20)
  assert.deepEqual(harness.router.calls, [
    'message 1 böb hi', 'mark 2 bob 2 7', 'cursor 7', 'operate 3 bob 1 2 ha', 'activity 2', 'watch bob carol', 'unwatch bob', 'typing bob 1',
  ])
})

test('what the shard tells comes to the device in its order, entries as the bytes they are', async () => {
  const { harness, sink } = await attached()
  const long = Buffer.alloc(50_000, 0xab)
  sink.acked(1, 2, 1_767_225_600_000)
  sink.acked(2, 3, 1_767_225_600_001, 1_767_225_700_000)
  sink.refused(3, ERROR.rateLimited, 12.5)
  sink.entries(Buffer.from('abc'), 9, 2)
  sink.entries(long, 19, 10)
  sink.done(19)
  sink.presence('bob', PRESENCE.online, 0)
  sink.typing('bob', 'bob', 1, 6000)
  sink.declined(FRAME.watch, ['x', 'y'], ERROR.tooManyWatches, 0)
  await harness.pass(600)
  assert.deepEqual(harness.sink.told, [
    'acked 1 2 1767225600000 0', 'acked 2 3 1767225600001 1767225700000', `refused 3 ${String(ERROR.rateLimited)} 13`, 'entries 616263 9 2',
    `entries ${long.toString('hex')} 19 10`, 'done 19', 'presence bob 1 0', 'typing bob bob 1 6000', `declined ${String(FRAME.watch)} x y ${String(ERROR.tooManyWatches)} 0`,
  ])
  sink.ended(ERROR.replaced)
  await harness.pass(20)
  assert.deepEqual(harness.sink.ends, [ERROR.replaced])
})

test('[QUE-5] a cursor beyond what came over the link, or that runs backwards, is refused here', async () => {
  const { harness, remote, attachment, sink } = await attached()
  assert.equal(remote.cursor(attachment, 1), false)
  sink.entries(encodeSkip(5), 5, 1)
  await harness.pass(20)
  assert.deepEqual([remote.cursor(attachment, 6), remote.cursor(attachment, 5), remote.cursor(attachment, 4)], [false, true, false])
})

test('when the link is lost sessions are told, calls under way are rejected, and the shard lets the sessions go', async () => {
  const { harness, remote, attachment } = await attached()
  harness.router.gate = new Promise(() => {})
  const call = remote.settings('alice')
  await harness.step()
  harness.pipe.cut()
  await assert.rejects(harness.wait(call), (error) => error instanceof LinkLostError && error.wasSent)
  await assert.rejects(remote.settings('alice'), (error) => error instanceof LinkLostError && !error.wasSent)
  assert.deepEqual(harness.sink.ends, [ERROR.storageUnavailable])
  await harness.pass(500)
  assert.equal(harness.router.places[0]!.isDetached, true)
  // All of it comes to nothing.
  remote.message(attachment, 9, 'bob', NONE, NONE)
  remote.detach(attachment)
})

test('a session that is detached while it is being attached takes no place', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  const sink = new TestSink()
  const asked = remote.attach(REQUEST, sink)
  remote.abandon(sink)
  await assert.rejects(harness.wait(asked), routerError(ERROR.replaced))
  assert.equal(harness.router.places.length, 0, 'both frames came at once')
  let open = (): void => {}
  harness.router.gate = new Promise((resolve) => { open = resolve })
  const later = remote.attach(REQUEST, sink)
  await harness.pass(50)
  remote.abandon(sink)
  await harness.pass(50)
  open()
  await harness.wait(later)
  assert.deepEqual(harness.router.places.map(({ isDetached }) => isDetached), [true])
})

test('a refusal keeps code, message and time; a fault of the other node is unavailable, and logged there', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  await assert.rejects(harness.wait(remote.removeUser('nobody')), (error) => routerError(ERROR.noSuchUser)(error) && (error as Error).message === 'there is no user nobody')
  harness.router.failure = new TypeError('secret of the house')
  await assert.rejects(harness.wait(remote.settings('alice')), (error) => routerError(ERROR.unavailable)(error) && !(error as Error).message.includes('secret'))
  assert.ok(harness.events.includes('link-call-failed'))
})

test('nothing but the calls that are listed can be asked for', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  for (const name of ['router.tellRoom', 'router.attach', 'router.constructor', 'router.__proto__', 'groups.toString', 'shard.close', 'settings', 'desk.find']) {
    await assert.rejects(harness.wait(remote.ask(name, ['alice'])), routerError(ERROR.unavailable), name)
  }
  assert.ok(callNames().length > 50)
  const named = new Set(callNames())
  assert.equal(performCall({ router: harness.router, desk: null }, 'router.attach', []), null)
  for (const name of ['router.history', 'groups.create', 'timers.set', 'blobs.openUpload', 'profiles.block', 'desk.url']) assert.ok(named.has(name), name)
})

test('calls under way are bounded at both ends, and one without an answer fails in time', async () => {
  const harness = new LinkHarness({ callsMax: 3, callTimeoutMs: 5000 })
  const remote = await harness.dial()
  harness.router.gate = new Promise(() => {})
  const calls = [remote.settings('a'), remote.settings('b'), remote.settings('c')]
  await assert.rejects(harness.wait(remote.settings('d')), routerError(ERROR.resourceLimit))
  await harness.pass(7000)
  for (const call of calls) await assert.rejects(call, (error) => error instanceof LinkLostError)
  // The other end still waits for them: it takes no more.
  await assert.rejects(harness.wait(remote.settings('e')), routerError(ERROR.resourceLimit))
  await assert.rejects(harness.wait(remote.search('alice', { text: 'x'.repeat(harness.environment.limits.frameBytesMax), limit: 1 })), routerError(ERROR.resourceLimit))
})

test('[FLW-1] while the shard is crowded the node knows it, and hears when there is room', async () => {
  const { harness, remote, attachment } = await attached()
  assert.equal(remote.isCrowded, false)
  harness.router.isCrowded = true
  remote.message(attachment, 1, 'bob', Buffer.from('x'), NONE)
  await harness.pass(20)
  assert.equal(remote.isCrowded, true)
  let rooms = 0
  remote.whenRoom(() => { rooms++ })
  await harness.pass(20)
  assert.equal(rooms, 0)
  harness.router.tellRoom()
  await harness.pass(20)
  assert.deepEqual([remote.isCrowded, rooms], [true, 0], 'it was crowded still')
  harness.router.isCrowded = false
  harness.router.tellRoom()
  await harness.pass(20)
  assert.deepEqual([remote.isCrowded, rooms], [false, 1])
  // Whoever waits when the link ends is let go.
  harness.router.isCrowded = true
  remote.message(attachment, 2, 'bob', Buffer.from('x'), NONE)
  await harness.pass(20)
  remote.whenRoom(() => { rooms++ })
  harness.pipe.cut()
  await harness.pass(500)
  assert.equal(rooms, 2)
})

test('[PRS-1] a presence that a busy connection did not take is told later, as it is then', async () => {
  const { harness, remote, attachment, sink } = await attached()
  remote.watch(attachment, ['bob', 'carol'])
  harness.sink.isReading = false
  sink.presence('bob', PRESENCE.online, 0)
  sink.presence('bob', PRESENCE.offline, 5)
  sink.presence('carol', PRESENCE.online, 0)
  await harness.pass(50)
  remote.unwatch(attachment, ['carol'])
  harness.sink.isReading = true
  remote.activity(attachment, ACTIVITY.inactive)
  await harness.pass(3000)
  assert.deepEqual(harness.sink.told, [], 'nobody looks')
  remote.activity(attachment, ACTIVITY.active)
  await harness.pass(3000)
  assert.deepEqual(harness.sink.told, ['presence bob 0 5'])
})

test('a node that stops serving ends its links behind what it has told', async () => {
  const { harness, remote, sink } = await attached()
  let reason = -1
  remote.onEnd = (code) => { reason = code }
  sink.acked(1, 1, 1000)
  harness.server.stopServing()
  await harness.pass(200)
  assert.deepEqual([harness.sink.told, reason], [['acked 1 1 1000 0'], LINK_CLOSE.notOwner])
})

test('arguments and results keep their form: bytes, maps, numbers, what is not there, what classes show', () => {
  class Packed {
    readonly iterations = 5
    get salt(): Uint8Array { return new Uint8Array([1]) }
  }
  const value = {
    bytes: new Uint8Array([1, 2]), map: new Map([['a', new Map([['b', 1]])]]), far: Infinity, large: Number.MAX_SAFE_INTEGER, negative: -5, none: null, absent: undefined,
    list: [1, 'ü', false, null], packed: new Packed(),
  }
  const back = decodeValue(encodeValue(value).slice())
  const { absent: _absent, packed: _packed, ...rest } = value
  assert.deepEqual(back, { ...rest, packed: { iterations: 5, salt: new Uint8Array([1]) } })
  assert.equal(decodeValue(encodeValue(undefined).slice()), null)
  assert.throws(() => decodeValue(new Uint8Array([0xc1])))
})

test('a visit says and hears what visits may, and ends with the shard, with itself, and with its link', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  const visitor = { user: 'alice', deviceNumber: 3, outboxEpoch: 5 }
  const { router, attachment } = remote.visit(visitor, harness.sink)
  router.message(attachment, 1, 'bob', Buffer.from('hi'), NONE)
  router.mark(attachment, 2, 'bob', 2, 7)
  router.operate(attachment, 3, 'bob', 7, 1, Buffer.from('ho'))
  await harness.pass(20)
  const [visit] = harness.router.visits
  assert.deepEqual(visit?.visitor, visitor)
  assert.deepEqual(harness.router.calls, ['message 1 bob hi', 'mark 2 bob 2 7', 'operate 3 bob 7 1 ho'])
  visit.sink.acked(1, 9, 1_700_000_000_000)
  visit.sink.refused(2, ERROR.unavailable, 50)
  await harness.pass(20)
  assert.deepEqual(harness.sink.told, ['acked 1 9 1700000000000 0', `refused 2 ${String(ERROR.unavailable)} 50`])
  router.detach(attachment)
  await harness.pass(20)
  assert.equal(harness.router.calls.at(-1), 'left')
  remote.visit(visitor, harness.sink)
  await harness.pass(20)
  harness.router.visits[1]!.sink.ended(ERROR.storageUnavailable)
  remote.visit(visitor, harness.sink)
  await harness.pass(20)
  assert.deepEqual(harness.sink.ends, [ERROR.storageUnavailable])
  remote.close()
  await harness.pass(300)
  assert.deepEqual(harness.sink.ends, [ERROR.storageUnavailable, ERROR.storageUnavailable])
  assert.throws(() => remote.visit(visitor, harness.sink), LinkLostError)
})

test('a visit that says what none may loses its link, and nothing is done', async () => {
  const frames: readonly ((out: ByteBuffer, id: number) => void)[] = [
    (out, id) => { appendSession(out, LINK.start, id) },
    (out, id) => { appendNumber(out, LINK.cursor, id, 1) },
    (out, id) => { appendNumber(out, LINK.activity, id, ACTIVITY.active) },
    (out, id) => { appendNames(out, LINK.watch, id, ['bob']) },
    (out, id) => { appendNames(out, LINK.unwatch, id, ['bob']) },
    (out, id) => { appendTyping(out, id, 'bob', 1) },
  ]
  for (const append of frames) {
    const harness = new LinkHarness()
    const remote = await harness.dial()
    let reason = -1
    remote.onEnd = (code) => { reason = code }
    // The first session of the link.
    remote.visit({ user: 'alice', deviceNumber: 3, outboxEpoch: 5 }, harness.sink)
    append(remote.link.beginSend(), 1)
    remote.link.endSend()
    await harness.pass(200)
    assert.deepEqual([reason, harness.router.calls], [LINK_CLOSE.malformed, ['left']])
  }
})
