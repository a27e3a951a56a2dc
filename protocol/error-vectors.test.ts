/** Every error of the registry, and ones that it does not have, as the frames carry them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FrameDecoder } from './frame-decoder.js'
import { encodeFrame } from './generated/frames.js'
import { ERRORS } from './generated/registry.js'
import { frameFromJson, frameToJson } from './testing/json-frames.js'
import { frameSpec, hexBytes, toHex } from './testing/reference-encoder.js'
import { errorVectors } from './testing/vectors.js'
import { frameToXml } from './xml.js'

test('[FRM-1] every error has its vectors, in every frame that may carry it', () => {
  assert.deepEqual(errorVectors.errors.map(({ code }) => code), [...ERRORS.keys()])
  for (const { scope, frames, name } of errorVectors.errors) {
    assert.deepEqual(frames.map(({ frame }) => frame), scope === 'stream' ? ['close'] : ['refuse', 'fail', 'decline'], name)
  }
})

for (const { name, frames } of [...errorVectors.errors, ...errorVectors.unknown]) {
  test(`[FRM-1] decodes, encodes and writes the frames with ${name}`, () => {
    for (const { frame, hex, fields, xml } of frames) {
      const spec = frameSpec(frame)
      const expected = frameFromJson(spec, fields)
      const decoder = new FrameDecoder()
      decoder.push(new Uint8Array(hexBytes(hex)))
      const decoded = decoder.next()
      assert.ok(decoded !== null && typeof decoded !== 'number')
      assert.deepEqual(frameToJson(spec, decoded).fields, fields)
      assert.equal(toHex(encodeFrame(expected)), hex)
      assert.equal(frameToXml(expected), xml)
    }
  })
}
