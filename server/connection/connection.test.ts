import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tellEntries } from '../testing/entries.js'
import { encodeAuth, encodeClose, encodeHello, encodeMessage, encodePing, encodePong } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { createHarness, flight, HELLO, names, settle } from '../session/testing/harness.js'
import { SWEEP_MS } from './connections.js'
import { OPENING_STEP } from './opening-line.js'

const encode = (text: string): Uint8Array => Buffer.from(text)
const entry = (index: number, size = 0): Uint8Array => {
  // delivery: index, conversation, seq, time, text
  const text = Buffer.alloc(size, 'x')
  const body = Buffer.concat([Buffer.from([FRAME.delivery]), uint(index), Buffer.from([1, 0x62, 1, 0, 0, 0, 0, 0, 0]), uint(size), text])
  return Buffer.concat([uint(body.length), body])
}
function uint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  return Buffer.from([...bytes, value])
}

test('answers all frames of a turn in one write', async () => {
  const { transport } = await createHarness().open()
  const before = transport.writes.length
  transport.deliver(...Array.from({ length: 50 }, (_, i) => encodePing(i)))
  await settle()
  assert.equal(transport.take().length, 50)
  assert.equal(transport.writes.length, before + 1)
})

test('lets others have their turn after 32 frames, and loses none', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const before = harness.counters.framesIn
  transport.deliver(...Array.from({ length: 300 }, (_, i) => encodePing(i)))
  assert.equal(harness.counters.framesIn - before, 32)
  assert.ok(!transport.isPaused, 'most turns come before the next chunk')
  transport.deliver(encodePing(5000), encodePing(5001))
  assert.ok(transport.isPaused)
  await settle()
  const nonces = transport.take().map((frame) => frame.type === FRAME.pong ? frame.nonce : -1)
  assert.deepEqual(nonces, [...Array.from({ length: 300 }, (_, i) => i), 5000, 5001])
  assert.ok(!transport.isPaused)
})

test('[FRM-4] [200 malformed-frame] [FRM-11] closes a connection whose bytes do not decode', async () => {
  for (const bytes of [[0], [1, 0x80], [2, FRAME.ping, 0x80], [0x80, 0x00]]) {
    const transport = createHarness().connect()
    transport.deliver(HELLO, Uint8Array.from(bytes))
    await settle()
    assert.equal(transport.closedWith, ERROR.malformedFrame)
    assert.equal(transport.endedWith, ERROR.malformedFrame)
  }
})

test('[FRM-4] a stranger whose bytes do not decode is told so, however many come behind', async () => {
  const transport = createHarness().connect()
  transport.deliver(HELLO, Uint8Array.from([1, 0x80]), new Uint8Array(20_000))
  await settle()
  assert.equal(transport.closedWith, ERROR.malformedFrame)
})

test('[FRM-3] [201 frame-too-large] closes as soon as the length is known', async () => {
  const { transport } = await createHarness({ limits: { frameBytesMax: 16_384 } }).open()
  transport.deliver(uint(16_385))
  await settle()
  assert.equal(transport.closedWith, ERROR.frameTooLarge)
  const { transport: halfLength } = await createHarness().open()
  halfLength.deliver(Uint8Array.of(0xff, 0xff, 0xff))
  await settle()
  assert.equal(halfLength.closedWith, ERROR.frameTooLarge)
})

test('[FRM-6] [203 unsupported-frame] ignores an unknown odd frame and refuses an even one', async () => {
  const transport = createHarness().connect()
  transport.deliver(HELLO, Uint8Array.from([3, 99, 1, 2]))
  await settle()
  assert.deepEqual(names(transport.take()), ['features'])
  transport.deliver(Uint8Array.from([2, 98, 1]))
  await settle()
  assert.equal(transport.closedWith, ERROR.unsupportedFrame)
})

test('[FRM-7] [206 unsupported-critical-extension] refuses a critical extension outside a stanza', async () => {
  const transport = createHarness().connect()
  transport.deliver(encodeHello([1], 'test', Uint8Array.from([100, 1, 0])))
  await settle()
  assert.equal(transport.closedWith, ERROR.unsupportedCriticalExtension)
})

test('[FRM-12] takes several frames of one WebSocket message, and refuses one that ends within a frame', async () => {
  const harness = createHarness()
  const transport = harness.connect({ scheme: 'ws' })
  transport.deliverMessage(flight('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  assert.deepEqual(names(transport.take()), ['features', 'authenticated', 'welcome'])
  transport.deliverMessage(encodePing(1), encodePing(2).subarray(0, 2))
  await settle()
  assert.equal(transport.closedWith, ERROR.malformedFrame)
})

test('[FRM-12] refuses a WebSocket message without a frame', async () => {
  const transport = createHarness().connect({ scheme: 'ws' })
  transport.deliverMessage()
  await settle()
  assert.equal(transport.closedWith, ERROR.malformedFrame)

  const harness = createHarness()
  const held = harness.connect({ scheme: 'ws' })
  held.deliverMessage(flight('alice', 'phone', harness.tokenFor('alice', 'phone')))
  held.deliverMessage()
  await settle()
  assert.equal(held.closedWith, ERROR.malformedFrame)
})

test('[FRM-12] finds a message that ends within a frame also when it came while the connection was on hold', async () => {
  const harness = createHarness()
  const transport = harness.connect({ scheme: 'ws' })
  transport.deliverMessage(flight('alice', 'phone', harness.tokenFor('alice', 'phone')))
  transport.deliverMessage(encodePing(1).subarray(0, 2))
  transport.deliverMessage(encodePing(1).subarray(2))
  await settle()
  assert.equal(transport.closedWith, ERROR.malformedFrame)
})

test('[CLS-1] sends close last, ends its side, and handles nothing more', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  transport.deliver(encodePing(1), HELLO, encodeMessage(1, 'bob', encode('late')))
  await settle()
  assert.deepEqual(names(transport.frames), ['pong', 'close'])
  assert.equal(transport.endedWith, ERROR.unexpectedFrame)
  assert.ok(place.isDetached)
  transport.deliver(encodeMessage(2, 'bob', encode('later')))
  place.sink.acked(1, 1, harness.clock.nowMs())
  await settle()
  assert.deepEqual(harness.router.calls, [])
  assert.deepEqual([...harness.counters.closes], [['unexpected-frame\nserver', 1]])
})

test('[CLS-2] answers a close with the end of the transport alone', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  transport.deliver(encodePing(1), encodeClose(ERROR.malformedFrame, 0, '', 'your frame'))
  await settle()
  assert.deepEqual(transport.frames, [])
  assert.equal(transport.endedWith, ERROR.closed)
  assert.ok(place.isDetached)
  const line = harness.lines.find(({ event }) => event === 'connection-ended')
  assert.deepEqual([line?.fields['by'], line?.fields['detail']], ['client', 'malformed-frame: your frame'])
})

test('[CLS-3] drops a peer that does not end a closed connection', async () => {
  const harness = createHarness({ limits: { closeTimeoutMs: 5000 } })
  const { transport } = await harness.open()
  transport.deliver(HELLO)
  await settle()
  harness.clock.ms += 4999
  harness.connections.sweep()
  assert.ok(!transport.isDestroyed)
  harness.clock.ms += 1
  harness.connections.sweep()
  assert.ok(transport.isDestroyed)
  assert.equal(harness.connections.size, 0)
})

test('reads on after close, so that the close frame arrives, but drops a peer that goes on flooding', async () => {
  const { transport } = await createHarness().open()
  transport.deliver(HELLO)
  await settle()
  assert.equal(transport.closedWith, ERROR.unexpectedFrame)
  const chunk = Buffer.alloc(65_536)
  for (let i = 0; i < 16; i++) transport.deliver(chunk)
  assert.ok(!transport.isDestroyed)
  transport.deliver(chunk)
  assert.ok(transport.isDestroyed)
})

test('[OPN-6] [106 open-timeout] closes a connection that has not reached welcome in time, counted from its accept', async () => {
  const harness = createHarness()
  const silent = harness.connect()
  const { transport } = await harness.open()
  const stuck = harness.connect()
  stuck.deliver(HELLO, encodeAuth('TOKEN', Buffer.alloc(0)).subarray(0, 3))
  harness.clock.ms += 9999
  harness.connections.sweep()
  assert.equal(silent.endedWith, 0)
  harness.clock.ms += 1
  harness.connections.sweep()
  assert.equal(silent.closedWith, ERROR.openTimeout)
  assert.equal(stuck.closedWith, ERROR.openTimeout)
  assert.equal(transport.endedWith, 0)
})

test('[KAL-1] pings after silence of its own, before keepAliveMs is over', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  let pings = 0
  for (let ms = 0; ms < 120_000; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    harness.connections.sweep()
    await settle()
    for (const frame of transport.take()) {
      assert.equal(frame.type, FRAME.ping)
      pings++
      if (frame.type === FRAME.ping) transport.deliver(encodePong(frame.nonce))
    }
  }
  assert.equal(pings, 1)
  assert.equal(transport.endedWith, 0)
})

test('[KAL-3] [105 keep-alive-timeout] closes after 1.5 times keepAliveMs without a word', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  for (let ms = 0; ms < 179_000; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    harness.connections.sweep()
  }
  assert.equal(transport.endedWith, 0)
  for (let ms = 0; ms < 16_000; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    harness.connections.sweep()
  }
  assert.equal(transport.closedWith, ERROR.keepAliveTimeout)
  assert.ok(place.isDetached)
})

test('[105 keep-alive-timeout] finds a half-open peer sooner when entries wait for its acknowledgement', async () => {
  const harness = createHarness()
  const { transport, place } = await harness.open()
  tellEntries(place.sink, entry(1))
  let closedAfterMs = 0
  for (let ms = 0; ms < 120_000 && transport.endedWith === 0; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    harness.connections.sweep()
    await settle()
    closedAfterMs = ms
  }
  assert.equal(transport.closedWith, ERROR.keepAliveTimeout)
  assert.ok(closedAfterMs < 80_000, String(closedAfterMs))
})

test('[FLW-2] [104 slow-consumer] closes a client that lives but acknowledges nothing', async () => {
  const harness = createHarness({ limits: { ackTimeoutMs: 60_000 } })
  const { transport, place } = await harness.open()
  tellEntries(place.sink, entry(1))
  for (let ms = 0; ms < 59_000; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    transport.deliver(encodePing(1))
    harness.connections.sweep()
  }
  assert.equal(transport.endedWith, 0)
  for (let ms = 0; ms < 17_000; ms += SWEEP_MS) {
    harness.clock.ms += SWEEP_MS
    transport.deliver(encodePing(1))
    harness.connections.sweep()
  }
  assert.equal(transport.closedWith, ERROR.slowConsumer)
})

test('[FLW-2] [104 slow-consumer] bounds what waits for a client that does not read, and harms nobody else', async () => {
  const harness = createHarness({ limits: { outgoingBytesMax: 131_072, windowBytesMax: 65_536 } })
  const { transport, place } = await harness.open('alice')
  const other = await harness.open('bob')
  transport.isWritable = false
  let index = 0
  for (; index < 1000 && transport.endedWith === 0; index++) {
    tellEntries(place.sink, entry(index + 1, 1000))
    if (index % 10 === 0) await settle()
  }
  assert.ok(index > 130 && index < 160, String(index))
  assert.equal(transport.closedWith, ERROR.slowConsumer)
  assert.ok(place.isDetached)
  other.transport.deliver(encodePing(1))
  await settle()
  assert.deepEqual(names(other.transport.frames), ['pong'])
})

test('writes on when the socket has drained, in order', async () => {
  const { transport, place } = await createHarness().open()
  transport.isWritable = false
  for (let index = 1; index <= 200; index++) {
    tellEntries(place.sink, entry(index, 1000))
    if (index % 20 === 0) await settle()
  }
  assert.ok(transport.frames.length < 200)
  transport.isWritable = true
  transport.handler?.drained()
  await settle()
  assert.deepEqual(transport.take().map((frame) => frame.type === FRAME.delivery ? frame.index : -1), Array.from({ length: 200 }, (_, i) => i + 1))
  assert.ok(transport.writes.every((size) => size <= 65_536))
})

test('[109 too-many-connections] [103 overloaded] says why where there are too many', async () => {
  const byAddress = createHarness({ limits: { openingByAddressMax: 2 } })
  const first = byAddress.connect()
  byAddress.connect()
  const third = byAddress.connect()
  assert.equal(third.closedWith, ERROR.tooManyConnections)
  assert.equal(third.endedWith, ERROR.tooManyConnections)
  assert.equal(byAddress.connect({ address: '192.0.2.99' }).endedWith, 0)
  first.handler?.gone()
  assert.equal(byAddress.connect().endedWith, 0)

  const inAll = createHarness({ limits: { connectionsMax: 1 } })
  inAll.connect()
  const second = inAll.connect({ address: '192.0.2.99' })
  const close = second.frames.at(-1)
  assert.ok(close?.type === FRAME.close)
  assert.equal(close.error, ERROR.overloaded)
  assert.ok(close.retryAfterMs >= 5000)
})

test('as many openings are worked on at once as the operator says', () => {
  const { connections: { openings } } = createHarness({ limits: { openingsAtOnce: 2 } })
  const never = (): Promise<never> => new Promise(() => {})
  for (let count = 0; count < 5; count++) void openings.pass(0, {}, OPENING_STEP.bind, never)
  assert.equal(openings.waiting, 3)
})

test('[101 shutting-down] drains: answers what was handed in, tells everybody, and is done when all have gone', async () => {
  const harness = createHarness({ limits: { drainTimeoutMs: 5000, drainJitterMs: 3000 } })
  const { transport, place } = await harness.open()
  const opening = harness.connect()
  transport.deliver(encodeMessage(1, 'bob', encode('x')))
  const drained = harness.connections.drain()
  transport.deliver(encodeMessage(2, 'bob', encode('too late')))
  await settle()
  assert.equal(transport.endedWith, 0, 'waits for the ack')
  place.sink.acked(1, 1, harness.clock.nowMs())
  while (transport.endedWith === 0) await settle()
  assert.deepEqual(names(transport.frames), ['ack', 'close'])
  const close = transport.frames.at(-1)
  assert.ok(close?.type === FRAME.close && close.error === ERROR.shuttingDown && close.retryAfterMs < 3000)
  assert.equal(opening.closedWith, ERROR.shuttingDown)
  assert.deepEqual(harness.router.calls, ['message 1 bob x'])
  transport.handler?.gone()
  opening.handler?.gone()
  await drained
  assert.equal(harness.connections.size, 0)
  assert.equal(harness.connect().closedWith, ERROR.shuttingDown)
})

test('[101 shutting-down] lets clients go in turn, each when it has its answers, and to come back at once', async () => {
  const harness = createHarness({ limits: { drainTimeoutMs: 60_000, drainJitterMs: 1000 } })
  const sessions = []
  for (let count = 0; count < 10; count++) sessions.push(await harness.open())
  const waiting = sessions[0]!
  waiting.transport.deliver(encodeMessage(1, 'bob', encode('x')))
  const leaving = harness.connections.leave()
  const isClosed = ({ transport }: typeof waiting): boolean => transport.endedWith !== 0
  harness.clock.ms += 500
  while (!sessions.slice(1, 5).every(isClosed)) await settle()
  assert.deepEqual(sessions.filter(isClosed), sessions.slice(1, 5), 'the first waits for its ack, the others for their turn')
  harness.clock.ms += 500
  while (!sessions.slice(1).every(isClosed)) await settle()
  assert.equal(isClosed(waiting), false)
  waiting.place.sink.acked(1, 1, harness.clock.nowMs())
  await leaving
  assert.deepEqual(names(waiting.transport.frames), ['ack', 'close'])
  for (const { transport } of sessions) {
    const close = transport.frames.at(-1)
    assert.ok(close?.type === FRAME.close && close.error === ERROR.shuttingDown && close.retryAfterMs === 0)
  }
})

test('[101 shutting-down] lets the last go in its turn, too, however late that is looked at', async () => {
  const harness = createHarness({ limits: { drainTimeoutMs: 1000, drainJitterMs: 1000 } })
  const { transport } = await harness.open()
  const leaving = harness.connections.leave()
  harness.clock.ms += 60_000
  await leaving
  assert.equal(transport.endedWith, ERROR.shuttingDown)
})

test('[101 shutting-down] waits for no answer longer than half of the time to drain', async () => {
  const harness = createHarness({ limits: { drainTimeoutMs: 10_000, drainJitterMs: 0 } })
  const { transport } = await harness.open()
  transport.deliver(encodeMessage(1, 'bob', encode('x')))
  const leaving = harness.connections.leave()
  harness.clock.ms += 5000
  await leaving
  assert.equal(transport.endedWith, 0)
})

test('[240 replaced] [241 device-removed] [242 account-removed] [107 storage-unavailable] closes with the code of the shard, and does not detach', async () => {
  for (const code of [ERROR.replaced, ERROR.deviceRemoved, ERROR.accountRemoved, ERROR.storageUnavailable]) {
    const { transport, place } = await createHarness().open()
    place.sink.ended(code)
    await settle()
    assert.equal(transport.closedWith, code)
    assert.ok(!place.isDetached)
  }
})

test('counts every connection in and out', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  harness.connect({ scheme: 'ws' })
  assert.deepEqual([harness.counters.connections.tcp, harness.counters.connections.ws, harness.counters.sessions], [1, 1, 1])
  transport.handler?.peerEnded()
  transport.handler?.gone()
  assert.deepEqual([harness.counters.connections.tcp, harness.counters.sessions], [0, 0])
  assert.deepEqual([...harness.counters.closes], [['closed\nclient', 1]])
})
