/** Damaged frames: the check that no bytes make the decoder throw, hang or accept two spellings of one frame. */
import assert from 'node:assert/strict'
import { FrameDecoder } from '../frame-decoder.js'
import { encodeFrame } from '../generated/frames.js'
import type { Frame } from '../generated/frames.js'
import { frameToXml } from '../xml.js'
import { checkText } from '../text.js'
import { hexBytes, toHex } from './reference-encoder.js'
import { codecVectors } from './vectors.js'

/** A small seeded generator (mulberry32): the same seed gives the same run. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const seeds = codecVectors.valid.map((vector) => hexBytes(vector.hex)).filter((bytes) => bytes.length < 400)
const telling = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xc0, 0xe0, 0xed, 0xf4, 0xff]

function damage(random: () => number): number[] {
  const pick = (bound: number) => Math.floor(random() * bound)
  const bytes = [...seeds[pick(seeds.length)]!]
  for (let count = 1 + pick(3); count > 0; count--) {
    const place = pick(bytes.length + 1)
    const byte = random() < 0.5 ? telling[pick(telling.length)]! : pick(256)
    switch (pick(5)) {
      case 0: bytes[Math.min(place, bytes.length - 1)] = byte; break
      case 1: bytes.splice(place, 0, byte); break
      case 2: bytes.splice(place, 1 + pick(3)); break
      case 3: bytes.push(...seeds[pick(seeds.length)]!.slice(0, pick(20))); break
      default: bytes.splice(place, 0, ...bytes.slice(place, place + pick(8)))
    }
    if (bytes.length === 0) return [0]
  }
  // Most damage should reach the fields, so mend the length of short frames.
  if (random() < 0.8 && bytes.length < 128) bytes[0] = bytes.length - 1
  return bytes
}

/** What came of a run. */
export interface MutationCounts {
  readonly frames: number
  readonly errors: number
  readonly incomplete: number
}

/**
 * Decodes `count` damaged frames. Every one that decodes must encode to the bytes it came from, since a frame has one spelling; cut in
 * two anywhere it must decode alike. Throws at the first that does not.
 */
export function runMutations(count: number, seed: number): MutationCounts {
  const random = randomFrom(seed)
  const counts = { frames: 0, errors: 0, incomplete: 0 }
  for (let index = 0; index < count; index++) {
    const bytes = new Uint8Array(damage(random))
    const whole = outcome([bytes])
    const split = Math.floor(random() * bytes.length)
    assert.equal(outcome([bytes.subarray(0, split), bytes.subarray(split)]), whole, toHex(bytes))
    if (whole.endsWith('error')) counts.errors++
    else if (whole === '') counts.incomplete++
    else counts.frames++
  }
  return counts
}

/** Hex of the frames, encoded again, and the error that ended them. */
function outcome(pieces: readonly Uint8Array[]): string {
  const decoder = new FrameDecoder(4096)
  let result = ''
  for (const piece of pieces) {
    decoder.push(piece)
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
      if (typeof frame === 'number') return `${result} ${frame} error`
      result += again(frame, pieces)
    }
  }
  return result
}

function again(frame: Frame, pieces: readonly Uint8Array[]): string {
  const hex = toHex(encodeFrame(frame))
  assert.ok(pieces.map(toHex).join('').includes(hex), `a second spelling of ${hex}`)
  frameToXml(frame)
  if ('text' in frame) checkText(frame.text)
  return hex
}
