/** Objects of one kind have one hidden class: V8's inline caches on the path of a frame then see one shape, not several. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { decodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { FRAMES } from './generated/registry.js'
import { FrameDecoder } from './frame-decoder.js'
import { hexBytes } from './testing/reference-encoder.js'
import { codecVectors } from './testing/vectors.js'

setFlagsFromString('--allow-natives-syntax')
const haveSameMap = runInNewContext('(left, right) => %HaveSameMap(left, right)') as (left: object, right: object) => boolean

function decodeVector(hex: string): Frame {
  const bytes = new Uint8Array(hexBytes(hex))
  let start = 0
  while (bytes[start]! >= 0x80) start++
  const frame = decodeFrame(bytes, start + 1, bytes.length)
  assert.ok(frame !== null && typeof frame === 'object')
  return frame
}

test('[FRM-1] every frame of one type has one shape, whatever its fields hold', () => {
  // Once through first: V8 widens a field's representation when the first large number comes, and moves on to a new shape for good.
  for (const vector of codecVectors.valid) decodeVector(vector.hex)
  for (const info of FRAMES.values()) {
    const frames = codecVectors.valid.filter((vector) => vector.frame === info.name).map((vector) => decodeVector(vector.hex))
    assert.ok(frames.length > 1, info.name)
    for (const frame of frames) assert.ok(haveSameMap(frame, frames[0]!), info.name)
  }
})

test('[FRM-1] the check sees a bad shape: another order of fields, one field more, one deleted', () => {
  const frame = decodeVector(codecVectors.valid.find((vector) => vector.frame === 'ack')!.hex) as Frame & { type: 20 }
  const { type, clientId, seq, timeOffset, extensions } = frame
  assert.ok(!haveSameMap(frame, { type, seq, clientId, timeOffset, extensions }))
  assert.ok(!haveSameMap(frame, Object.assign({ ...frame }, { more: 1 })))
  const shorter: Record<string, unknown> = { type, clientId, seq, timeOffset, extensions }
  delete shorter['extensions']
  assert.ok(!haveSameMap(frame, shorter))
})

test('[FRM-5] every decoder has one shape, before, within and after its frames', () => {
  const fresh = new FrameDecoder(100)
  const used = new FrameDecoder(2 ** 40)
  used.push(new Uint8Array([2, 44, 1, 2, 44]))
  while (used.next() !== null);
  assert.ok(haveSameMap(fresh, used))
  used.push(new Uint8Array([1, 0]))
  assert.ok(typeof used.next() === 'object')
  assert.equal(typeof used.next(), 'number')
  assert.ok(haveSameMap(fresh, used))
})
