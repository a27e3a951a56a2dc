import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tellEntries } from '../testing/entries.js'
import { encodeCursor, encodeMark, encodeMessage, encodePing, encodeSkip } from '../../protocol/generated/frames.js'
import { ERROR, FRAME, MARK, LIMIT } from '../../protocol/generated/registry.js'
import { createHarness, names, settle } from './testing/harness.js'

const encode = (text: string): Uint8Array => Buffer.from(text)
const CRITICAL = Uint8Array.from([100, 1, 0])

test('[MSG-1] hands stanzas over in order and answers with time as an offset from welcome', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  const welcomeMs = harness.clock.nowMs()
  transport.deliver(encodeMessage(1, 'bob', encode('hi')), encodeMark(5, 'bob', MARK.read, 7), encodeCursor(3))
  assert.deepEqual(harness.router.calls, ['message 1 bob hi', 'mark 5 bob 2 7', 'cursor 3'])
  place.sink.acked(1, 12, welcomeMs + 40)
  place.sink.acked(5, 7, welcomeMs - 9)
  await settle()
  const frames = transport.take()
  assert.deepEqual(frames.map((frame) => frame.type === FRAME.ack ? [frame.clientId, frame.seq, frame.timeOffset] : []), [[1, 12, 40], [5, 7, -9]])
})

test('tells a refusal with code, wait and a sentence', async () => {
  const { transport, place } = await createHarness().open()
  transport.deliver(encodeMessage(4, 'bob', encode('hi')))
  place.sink.refused(4, ERROR.noSuchUser, 0)
  await settle()
  const [refuse] = transport.take()
  assert.ok(refuse?.type === FRAME.refuse)
  assert.deepEqual([refuse.clientId, refuse.error, refuse.retryAfterMs, refuse.reason], [4, ERROR.noSuchUser, 0, 'There is no such user.'])
})

test('passes entries and done through as they are', async () => {
  const { transport, place } = await createHarness().open()
  tellEntries(place.sink, encodeSkip(300))
  place.sink.done(300)
  await settle()
  assert.deepEqual(names(transport.frames), ['skip', 'done'])
})

test('[MSG-2] [207 invalid-client-id] closes when a client id is 0 or does not rise, over messages and marks alike', async () => {
  for (const frames of [
    [encodeMessage(0, 'bob', encode('x'))],
    [encodeMessage(3, 'bob', encode('x')), encodeMessage(3, 'bob', encode('y'))],
    [encodeMessage(3, 'bob', encode('x')), encodeMark(2, 'bob', MARK.read, 1)],
  ]) {
    const harness = createHarness()
    const { transport } = await harness.open()
    transport.deliver(...frames)
    await settle()
    assert.equal(transport.closedWith, ERROR.invalidClientId)
    assert.equal(harness.router.calls.length, frames.length - 1)
  }
})

test('[MSG-15] [208 too-many-unacknowledged] closes at one stanza more than welcome allows, not at the last that it allows', async () => {
  const max = LIMIT.openStanzasMax
  const harness = createHarness({ limits: { unacknowledgedMax: max } })
  const { transport, place } = await harness.open()
  for (let id = 1; id <= max; id++) transport.deliver(encodeMessage(id, 'bob', encode('x')))
  place.sink.acked(1, 1, 0)
  transport.deliver(encodeMessage(max + 1, 'bob', encode('x')))
  await settle()
  assert.equal(transport.endedWith, 0)
  transport.deliver(encodeMessage(max + 2, 'bob', encode('x')))
  await settle()
  assert.equal(transport.closedWith, ERROR.tooManyUnacknowledged)
})

test('[QUE-5] [205 invalid-cursor] closes when the shard says that the cursor is none', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  harness.router.isCursorValid = false
  transport.deliver(encodeCursor(9))
  await settle()
  assert.equal(transport.closedWith, ERROR.invalidCursor)
  assert.ok(place.isDetached)
})

test('[FRM-7] [408 unsupported-extension] refuses a mark with a critical extension, and goes on', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  transport.deliver(encodeMark(1, 'bob', MARK.read, 1, CRITICAL), encodeMark(2, 'bob', MARK.read, 1))
  await settle()
  const [refuse] = transport.take()
  assert.ok(refuse?.type === FRAME.refuse && refuse.clientId === 1 && refuse.error === ERROR.unsupportedExtension)
  assert.deepEqual(harness.router.calls, ['mark 2 bob 2 1'])
})

test('[MSG-19] [400 bad-request] refuses extensions too large to be given back by history', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const half = harness.config.limits.frameBytesMax / 2
  const block = (size: number): Uint8Array => Buffer.concat([Uint8Array.from([9, 0x80 | (size & 0x7f), 0x80 | ((size >> 7) & 0x7f), size >> 14]), Buffer.alloc(size)])
  transport.deliver(encodeMessage(1, 'bob', encode('x'), block(half - 4)), encodeMessage(2, 'bob', encode('y'), block(half)))
  await settle()
  const [refuse] = transport.take()
  assert.ok(refuse?.type === FRAME.refuse && refuse.clientId === 2 && refuse.error === ERROR.badRequest)
  assert.deepEqual(harness.router.calls, ['message 1 bob x'])
})

test('[FLW-1] stops reading from a client above its rate, and loses none of its frames', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const harness = createHarness({ rate: { messagesPerSecond: 10, messagesBurst: 5 } })
  const { transport } = await harness.open()
  transport.deliver(...Array.from({ length: 8 }, (_, i) => encodeMessage(i + 1, 'bob', encode('x'))))
  await settle()
  assert.equal(harness.router.calls.length, 6)
  assert.ok(transport.isPaused)
  for (let ms = 0; ms < 300; ms += 20) {
    harness.clock.ms += 20
    t.mock.timers.tick(20)
    await settle()
  }
  assert.equal(harness.router.calls.length, 8)
  harness.clock.ms += 1000
  t.mock.timers.tick(20)
  await settle()
  assert.ok(!transport.isPaused)
  assert.equal(harness.counters.throttled, 3)
})

test('[FLW-1] a device that has used up its burst gets no other one by connecting again', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const harness = createHarness({ rate: { messagesPerSecond: 10, messagesBurst: 100 } })
  const { rates } = harness.connections
  const burst = Array.from({ length: 100 }, (_, i) => encodeMessage(i + 1, 'bob', encode('x')))
  const first = await harness.open()
  first.transport.deliver(...burst)
  await settle()
  assert.ok(!first.transport.isPaused)
  first.transport.handler?.gone()
  assert.equal(rates.size, 1)
  const second = await harness.open()
  second.transport.deliver(encodeMessage(1, 'bob', encode('x')))
  assert.equal(rates.size, 0)
  await settle()
  assert.ok(second.transport.isPaused)
  second.transport.handler?.gone()
  harness.clock.ms += 9000
  harness.connections.sweep()
  assert.equal(rates.size, 1)
  harness.clock.ms += 200
  harness.connections.sweep()
  assert.equal(rates.size, 0)
})

test('[FLW-1] stops reading above the rate in bytes', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const harness = createHarness({ rate: { bytesPerSecond: 100_000, bytesBurst: 65_536 } })
  const { transport } = await harness.open()
  for (let i = 0; i < 40; i++) transport.deliver(Buffer.concat(Array.from({ length: 1000 }, () => encodePing(1))))
  await settle()
  assert.ok(transport.isPaused)
  for (let seconds = 0; seconds < 300 && (transport.isPaused || transport.frames.length < 40_000); seconds++) {
    harness.clock.ms += 1000
    t.mock.timers.tick(1000)
    await settle()
  }
  assert.ok(harness.clock.ms >= 51_000, 'a frame costs its bytes and 512 more')
  assert.equal(transport.take().length, 40_000)
})

test('[FLW-1] stops reading while too many bytes wait for their commit, and goes on when they are answered', async () => {
  const harness = createHarness({ limits: { incomingBytesMax: 65_536 }, rate: { messagesPerSecond: 0, bytesPerSecond: 0 } })
  const { transport, place } = await harness.open()
  transport.deliver(...Array.from({ length: 100 }, (_, i) => encodeMessage(i + 1, 'bob', Buffer.alloc(1000))))
  await settle()
  assert.equal(harness.router.calls.length, 66)
  assert.ok(transport.isPaused)
  for (let id = 1; id <= 32; id++) place.sink.acked(id, id, 0)
  await settle()
  assert.equal(harness.router.calls.length, 66)
  for (let id = 33; id <= 40; id++) place.sink.acked(id, id, 0)
  assert.equal(harness.router.calls.length, 66, 'not within the shard\'s own call')
  await settle()
  assert.equal(harness.router.calls.length, 100)
  assert.ok(!transport.isPaused)
})
