import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from './bytes.js'
import { FrameDecoder } from './frame-decoder.js'
import { encodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { LIMIT } from './generated/registry.js'
import { frame as randomFrame } from './testing/frame-arbitrary.js'
import { frameFromJson } from './testing/json-frames.js'
import { runMutations } from './testing/mutations.js'
import { frameBytes, toHex } from './testing/reference-encoder.js'
import { frameToXml, xmlToFrame } from './xml.js'

function decodeAll(pieces: readonly Uint8Array[]): (Frame | number)[] {
  const decoder = new FrameDecoder(LIMIT.frameBytesMax)
  const frames: (Frame | number)[] = []
  for (const piece of pieces) {
    decoder.push(piece)
    for (let frame = decoder.next(); frame !== null && frames.length < 1000; frame = decoder.next()) frames.push(frame)
  }
  return frames
}

test('[FRM-1] random frames encode as the reference encoder says, and come back', () => {
  fc.assert(fc.property(randomFrame, ({ spec, fields, extensions }) => {
    const frame = frameFromJson(spec, fields, extensions)
    const bytes = encodeFrame(frame)
    assert.equal(toHex(bytes), toHex(frameBytes(spec, fields, extensions)))
    assert.deepEqual(decodeAll([bytes]), [frame])
  }), { numRuns: 3000 })
})

test('[FRM-5] a stream of random frames comes back however it is cut', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 80 }), { minLength: 1, maxLength: 30 })
  fc.assert(fc.property(fc.array(randomFrame, { minLength: 1, maxLength: 6 }), cuts, (list, sizes) => {
    const frames = list.map(({ spec, fields, extensions }) => frameFromJson(spec, fields, extensions))
    const bytes = concatBytes(...frames.map(encodeFrame))
    const pieces: Uint8Array[] = []
    for (let start = 0, index = 0; start < bytes.length; index++) {
      const size = Math.max(1, sizes[index % sizes.length]!)
      pieces.push(bytes.slice(start, start + size))
      start += size
    }
    assert.deepEqual(decodeAll(pieces), frames)
  }), { numRuns: 500 })
})

test('[FRM-1] random frames come back from their XML form', () => {
  fc.assert(fc.property(randomFrame, ({ spec, fields, extensions }) => {
    const frame = frameFromJson(spec, fields, extensions)
    const xml = frameToXml(frame)
    const read = xmlToFrame(xml)
    assert.ok(read !== null, xml)
    assert.equal(toHex(encodeFrame(read)), toHex(encodeFrame(frame)), xml)
  }), { numRuns: 1500 })
})

test('[FRM-4] no damage makes the decoder throw, or accept a frame in a second spelling', () => {
  const counts = runMutations(100_000, 20_261_123)
  assert.ok(counts.frames > 10_000 && counts.errors > 10_000, JSON.stringify(counts))
})

test('[FRM-4] no random bytes make the decoder throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    decodeAll([bytes])
    decodeAll(Array.from(bytes, (byte) => new Uint8Array([byte])))
  }), { numRuns: 5000 })
})
