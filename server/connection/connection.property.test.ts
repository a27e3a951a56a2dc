import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { element } from '../../protocol/element.js'
import { encodeCursor, encodeMark, encodeMessage, encodePing, encodeQuery } from '../../protocol/generated/frames.js'
import { ERRORS, FRAME, MARK } from '../../protocol/generated/registry.js'
import { createHarness, flight, type Harness, settle } from '../session/testing/harness.js'

const TOKEN_RUNS = { numRuns: 60 }

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, [...ends, bytes.length][i]))
}

test('[FRM-5] however the bytes are cut, the same frames come to the same answers', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.nat(), { maxLength: 30 }), async (places) => {
    const harness = createHarness()
    const transport = harness.connect()
    const bytes = Buffer.concat([
      flight('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeMessage(1, 'bob', Buffer.from('é'.repeat(200))), encodePing(1),
      encodeMark(2, 'bob', MARK.read, 3), encodeQuery(1, element('settings')), encodeCursor(0), encodePing(2),
    ])
    for (const [index, chunk] of cut(bytes, places).entries()) {
      transport.deliver(chunk)
      if (index % 3 === 0) await settle()
    }
    await settle()
    assert.deepEqual(harness.router.calls, [`message 1 bob ${'é'.repeat(200)}`, 'mark 2 bob 2 3', 'cursor 0'])
    const pongs = transport.frames.filter((frame) => frame.type === FRAME.pong).map((frame) => frame.type === FRAME.pong ? frame.nonce : 0)
    assert.deepEqual(pongs, [1, 2])
    assert.ok(transport.frames.some((frame) => frame.type === FRAME.result))
    assert.equal(transport.endedWith, 0)
  }), TOKEN_RUNS)
})

/** After any end: one close frame as the last, a code of the registry for streams, and nothing left behind. */
function checkEnd(harness: Harness, transport: ReturnType<Harness['connect']>): void {
  if (transport.endedWith !== 0) {
    assert.equal(ERRORS.get(transport.endedWith)?.scope, 'stream')
    assert.ok(transport.frames.filter((frame) => frame.type === FRAME.close).length <= 1)
    assert.ok(harness.router.places.every((place) => place.isDetached))
  }
  transport.handler?.gone()
  assert.deepEqual([harness.connections.size, harness.counters.sessions, harness.counters.connections.tcp], [0, 0, 0])
  assert.ok(harness.router.places.every((place) => place.isDetached))
}

test('no bytes of a stranger or of a device make the server throw, and each connection ends once', async () => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 30 })).map(([type, rest]) => Uint8Array.from([rest.length + 1, type, ...rest])),
    fc.constantFrom(encodePing(1), encodeMessage(1, 'bob', Buffer.from('x')), encodeQuery(1, element('history', { with: 'bob' })), encodeCursor(1)),
  )
  await fc.assert(fc.asyncProperty(fc.boolean(), fc.array(frame, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 8 }), async (isOpen, frames, places) => {
    const harness = createHarness()
    const transport = isOpen ? (await harness.open()).transport : harness.connect()
    for (const chunk of cut(Buffer.concat(frames), places)) transport.deliver(chunk)
    await settle()
    checkEnd(harness, transport)
  }), { numRuns: 300 })
})
