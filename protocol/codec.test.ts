import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameDecoder } from './frame-decoder.js'
import { decodeFrame, encodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { ERROR, FRAME, FRAMES, LIMIT } from './generated/registry.js'
import { frameFromJson, frameToJson } from './testing/json-frames.js'
import { fieldBytes, frameSpec, hexBytes, toHex, uintBytes } from './testing/reference-encoder.js'
import { codecVectors } from './testing/vectors.js'

/** What a decoder makes of these pieces: frames, and at the end an error if there was one. */
function decodeAll(pieces: readonly Uint8Array[], frameBytesMax: number = LIMIT.frameBytesMax): (Frame | number)[] {
  const decoder = new FrameDecoder(frameBytesMax)
  const results: (Frame | number)[] = []
  for (const piece of pieces) {
    decoder.push(piece)
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
      results.push(frame)
      if (typeof frame === 'number') return results
    }
  }
  return results
}

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(hexBytes(hex))
}

function oneByOne(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => new Uint8Array([byte]))
}

for (const vector of codecVectors.valid) {
  test(`[FRM-1] decodes and encodes ${vector.name}`, () => {
    const spec = frameSpec(vector.frame)
    const expected = frameFromJson(spec, vector.fields, vector.extensions)
    const [frame, ...others] = decodeAll([bytesOf(vector.hex)])
    assert.deepEqual(others, [])
    assert.deepEqual(frame, expected)
    assert.deepEqual(frameToJson(spec, frame), { fields: vector.fields, extensions: vector.extensions })
    assert.equal(toHex(encodeFrame(expected)), vector.hex)
  })
}

test('[FRM-5] decodes every valid vector one byte at a time and at every split', () => {
  for (const vector of codecVectors.valid) {
    const bytes = bytesOf(vector.hex)
    const whole = decodeAll([bytes])
    assert.equal(whole.length, 1)
    assert.deepEqual(decodeAll(oneByOne(bytes)), whole)
    for (let split = 0; split <= bytes.length; split++) {
      assert.deepEqual(decodeAll([bytes.subarray(0, split), bytes.subarray(split)]), whole, `${vector.name}, split at ${split}`)
    }
  }
})

test('[FRM-4] refuses every valid vector cut off anywhere within its fields', () => {
  for (const vector of codecVectors.valid) {
    const body = fieldBytes(frameSpec(vector.frame), vector.fields)
    for (let size = 1; size < body.length; size++) {
      const bytes = new Uint8Array([...uintBytes(size), ...body.slice(0, size)])
      assert.deepEqual(decodeAll([bytes]), [ERROR.malformedFrame], `${vector.name}, cut off behind ${size}`)
    }
  }
})

for (const vector of codecVectors.invalid) {
  test(`[${vector.requirement}] refuses ${vector.name}`, () => {
    const bytes = bytesOf(vector.hex)
    const max = vector.frameBytesMax ?? LIMIT.frameBytesMax
    assert.deepEqual(decodeAll([bytes], max), [vector.error])
    assert.deepEqual(decodeAll(oneByOne(bytes), max), [vector.error])
    for (let split = 0; split <= bytes.length; split++) {
      assert.deepEqual(decodeAll([bytes.subarray(0, split), bytes.subarray(split)], max), [vector.error], `split at ${split}`)
    }
  })
}

for (const vector of codecVectors.acceptable) {
  test(`[${vector.requirement}] lets pass ${vector.name}`, () => {
    const bytes = bytesOf(vector.hex)
    const whole = decodeAll([bytes])
    assert.deepEqual(whole.map((frame) => (typeof frame === 'number' ? frame : FRAMES.get(frame.type)?.name)), vector.frames)
    assert.deepEqual(decodeAll(oneByOne(bytes)), whole)
    for (let split = 0; split <= bytes.length; split++) {
      assert.deepEqual(decodeAll([bytes.subarray(0, split), bytes.subarray(split)]), whole, `split at ${split}`)
    }
  })
}

test('[FRM-1] every frame of the registry has a vector, and every field its bounds', () => {
  const names = new Set(codecVectors.valid.map((vector) => vector.frame))
  assert.deepEqual([...FRAMES.values()].map((info) => info.name).filter((name) => !names.has(name)), [])
  for (const info of FRAMES.values()) {
    for (const field of info.fields) {
      assert.ok(codecVectors.valid.some((vector) => vector.name.startsWith(`${info.name} with ${field.name} `)), `${info.name}.${field.name}`)
    }
  }
})

test('[FRM-1] the worked example of the spec', () => {
  // 0a: ten bytes follow; 12: message; 07: client id; 03 62 6f 62: bob; 02 68 69: hi
  const message = frameFromJson(frameSpec('message'), { clientId: 7, to: 'bob', text: '6869' })
  assert.equal(toHex(encodeFrame(message)), '091207' + '03626f62' + '026869')
})

test('[FRM-1] byte fields are views of the memory that was decoded', () => {
  const bytes = bytesOf('091207' + '03626f62' + '026869')
  const frame = decodeFrame(bytes, 1, bytes.length)
  assert.ok(frame !== null && typeof frame !== 'number' && 'text' in frame)
  assert.equal(frame.text.buffer, bytes.buffer)
})

test('[FRM-18] an int is its zigzag form, to both ends of its range', () => {
  const forms: [number, number][] = [[0, 0], [-1, 1], [1, 2], [-2, 3], [63, 126], [-64, 127], [2 ** 52 - 1, 2 ** 53 - 2], [-(2 ** 52), 2 ** 53 - 1]]
  for (const [value, form] of forms) {
    const fields = { clientId: 1, seq: 1, timeOffset: value }
    const bytes = encodeFrame(frameFromJson(frameSpec('ack'), fields))
    assert.equal(toHex(bytes.subarray(4)), toHex(Uint8Array.from(uintBytes(form))), String(value))
    const [frame] = decodeAll([bytes])
    assert.ok(typeof frame === 'object' && frame.type === FRAME.ack)
    assert.equal(frame.timeOffset, value)
  }
})

test('[FRM-2] [FRM-18] refuses to encode what is no unsigned integer, no time, no int', () => {
  const bad: [string, Record<string, number>][] = [
    ['ping', { nonce: -1 }], ['ping', { nonce: 1.5 }], ['ping', { nonce: NaN }], ['ping', { nonce: 2 ** 53 }], ['ping', { nonce: Infinity }],
    ['ack', { clientId: 1, seq: 1, timeOffset: 2 ** 52 }], ['ack', { clientId: 1, seq: 1, timeOffset: -(2 ** 52) - 1 }],
    ['ack', { clientId: 1, seq: 1, timeOffset: 0.5 }],
  ]
  for (const [name, fields] of bad) {
    assert.throws(() => encodeFrame(frameFromJson(frameSpec(name), fields)), RangeError, JSON.stringify(fields))
  }
  for (const time of [-1, 2 ** 48, 0.5, NaN]) {
    const fields = { index: 1, conversation: 'bob', seq: 1, time, text: '' }
    assert.throws(() => encodeFrame(frameFromJson(frameSpec('delivery'), fields)), RangeError, String(time))
  }
  assert.equal(toHex(encodeFrame(frameFromJson(frameSpec('ack'), { clientId: 1, seq: 1, timeOffset: -0 }))), '0414010100')
})

test('[FRM-9] refuses to encode a string with U+0000, and mends a lone surrogate', () => {
  const authenticated = (user: string) => encodeFrame(frameFromJson(frameSpec('authenticated'), { user, data: '' }))
  assert.throws(() => authenticated('a\u0000'), RangeError)
  assert.equal(toHex(authenticated('\ud800')), '060c03efbfbd00')
  assert.equal(toHex(authenticated('\udc00a')), '070c04efbfbd6100')
})
