import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from './bytes.js'
import { FrameDecoder } from './frame-decoder.js'
import { encodeMessage, encodePing } from './generated/frames.js'
import type { MessageFrame } from './generated/frames.js'
import { ERROR, FRAME, LIMIT } from './generated/registry.js'
import { uintBytes } from './testing/reference-encoder.js'
import { encodeText } from './utf8.js'

/** A message whose body has exactly `size` bytes. */
function messageOfBody(size: number): Uint8Array {
  const empty = encodeMessage(1, 'bob', new Uint8Array(size - 9)).length
  const text = new Uint8Array(2 * size - 9 - (empty - uintBytes(size).length)).fill(0x61)
  return encodeMessage(1, 'bob', text)
}

test('[FRM-3] takes a frame of exactly the limit and refuses one byte more, before its body came', () => {
  for (const limit of [16, 100, LIMIT.openFrameBytesMax, LIMIT.frameBytesMax]) {
    const frame = messageOfBody(limit)
    assert.equal(frame.length, uintBytes(limit).length + limit)
    const exact = new FrameDecoder(limit)
    exact.push(frame)
    assert.equal((exact.next() as MessageFrame).type, FRAME.message)

    const over = new FrameDecoder(limit - 1)
    const header = uintBytes(limit)
    for (const byte of header.slice(0, -1)) {
      over.push(new Uint8Array([byte]))
      assert.equal(over.next(), null)
    }
    over.push(new Uint8Array([header.at(-1)!]))
    assert.equal(over.next(), ERROR.frameTooLarge)
  }
})

test('[FRM-3] refuses a length as soon as its first bytes exceed the limit, however the bytes come', () => {
  for (const [limit, bytes] of [[LIMIT.frameBytesMax, [0xff, 0xff, 0xff]], [LIMIT.openFrameBytesMax, [0xff, 0xff]], [100, [0xe5]]] as const) {
    const atOnce = new FrameDecoder(limit)
    atOnce.push(Uint8Array.from(bytes))
    assert.equal(atOnce.next(), ERROR.frameTooLarge)
    const piecewise = new FrameDecoder(limit)
    for (const byte of bytes.slice(0, -1)) {
      piecewise.push(Uint8Array.of(byte))
      assert.equal(piecewise.next(), null)
    }
    piecewise.push(Uint8Array.of(bytes.at(-1)!))
    assert.equal(piecewise.next(), ERROR.frameTooLarge)
  }
})

test('[OPN-5] a limit raised between two frames counts from the next one', () => {
  const decoder = new FrameDecoder(8)
  decoder.push(concatBytes(encodePing(1), encodePing(2), messageOfBody(50)))
  assert.deepEqual(decoder.next(), { type: FRAME.ping, nonce: 1, extensions: new Uint8Array(0) })
  decoder.frameBytesMax = 50
  assert.ok(typeof decoder.next() === 'object')
  assert.equal((decoder.next() as MessageFrame).type, FRAME.message)
  assert.equal(decoder.next(), null)
})

test('[FRM-4] after an error it says the same error for ever and takes nothing more', () => {
  const decoder = new FrameDecoder()
  decoder.push(concatBytes(encodePing(1), new Uint8Array([0]), encodePing(2)))
  assert.ok(typeof decoder.next() === 'object')
  assert.equal(decoder.next(), ERROR.malformedFrame)
  assert.equal(decoder.next(), ERROR.malformedFrame)
  decoder.push(encodePing(3))
  assert.equal(decoder.next(), ERROR.malformedFrame)
  assert.equal(decoder.bytesWaiting, 0)
})

test('[FRM-5] bytes pushed before the last were taken are not lost', () => {
  const decoder = new FrameDecoder()
  const bytes = concatBytes(encodePing(1), encodePing(2), encodePing(300))
  for (const byte of bytes) decoder.push(new Uint8Array([byte]))
  assert.equal(decoder.bytesWaiting, bytes.length)
  const nonces: number[] = []
  for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
    assert.ok(typeof frame === 'object' && frame.type === FRAME.ping)
    nonces.push(frame.nonce)
  }
  assert.deepEqual(nonces, [1, 2, 300])
})

test('[FRM-12] says whether the bytes end within a frame', () => {
  const decoder = new FrameDecoder()
  const ping = encodePing(300)
  decoder.push(ping)
  assert.ok(typeof decoder.next() === 'object')
  assert.equal(decoder.next(), null)
  assert.equal(decoder.isWithinFrame, false)
  decoder.push(ping.subarray(0, 1))
  assert.equal(decoder.next(), null)
  assert.equal(decoder.isWithinFrame, true)
  decoder.push(ping.subarray(1))
  assert.ok(typeof decoder.next() === 'object')
  assert.equal(decoder.next(), null)
  assert.equal(decoder.isWithinFrame, false)
})

test('[FRM-5] a chunk may be reused once next has returned null', () => {
  const decoder = new FrameDecoder()
  const frame = encodeMessage(1, 'bob', encodeText('hello'))
  const chunk = new Uint8Array(4)
  const texts: string[] = []
  for (let start = 0; start < frame.length; start += chunk.length) {
    const size = Math.min(chunk.length, frame.length - start)
    chunk.set(frame.subarray(start, start + size))
    decoder.push(chunk.subarray(0, size))
    for (let next = decoder.next(); next !== null; next = decoder.next()) {
      texts.push(new TextDecoder().decode((next as MessageFrame).text))
    }
    chunk.fill(0xff)
  }
  assert.deepEqual(texts, ['hello'])
})

test('[FRM-5] memory of a frame handed out is never written again', () => {
  const decoder = new FrameDecoder()
  const kept: MessageFrame[] = []
  for (let id = 1; id <= 20; id++) {
    const frame = encodeMessage(id, 'bob', encodeText(`text ${id}`))
    for (const byte of frame) {
      decoder.push(new Uint8Array([byte]))
      for (let next = decoder.next(); next !== null; next = decoder.next()) kept.push(next as MessageFrame)
    }
  }
  assert.deepEqual(kept.map((frame) => new TextDecoder().decode(frame.text)), Array.from({ length: 20 }, (_, index) => `text ${index + 1}`))
})

test('[FRM-19] memory grows with what was received, not with the length announced', () => {
  const before = process.memoryUsage().arrayBuffers
  const decoders: FrameDecoder[] = []
  for (let count = 0; count < 1000; count++) {
    const decoder = new FrameDecoder(LIMIT.frameBytesMax)
    // A length of 65536 and four bytes of the body.
    decoder.push(new Uint8Array([0x80, 0x80, 0x04, 18, 1, 3, 0x62]))
    assert.equal(decoder.next(), null)
    decoders.push(decoder)
  }
  const grown = process.memoryUsage().arrayBuffers - before
  assert.ok(grown < 1000 * 1024, `${grown} bytes for ${decoders.length} decoders`)
})

test('[FRM-6] a flood of frames to ignore costs no stack', () => {
  const decoder = new FrameDecoder()
  const flood = new Uint8Array(200_000)
  for (let index = 0; index < flood.length; index += 2) flood.set([1, 1], index)
  decoder.push(flood)
  assert.equal(decoder.next(), null)
  assert.equal(decoder.isWithinFrame, false)
})
