import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { preparePassword } from './password.js'
import { hexBytes } from './testing/reference-encoder.js'
import { textVectors } from './testing/vectors.js'
import { checkText } from './text.js'
import { countCodePoints, decodeString, decodeText, encodeText, utf8Size, writeUtf8 } from './utf8.js'

for (const { requirement, name, hex, result } of textVectors.texts) {
  test(`[${requirement}] a text: ${name}`, () => {
    assert.equal(checkText(new Uint8Array(hexBytes(hex))), result)
  })
}

for (const { requirement, name, input, result } of textVectors.passwords) {
  test(`[${requirement}] a password: ${name}`, () => {
    assert.equal(preparePassword(input), result)
    if (result !== null) assert.equal(preparePassword(result), result)
  })
}

test('[ADR-6] a password of any length is answered without work on all of it', () => {
  assert.equal(preparePassword('x'.repeat(10_000_000)), null)
})

test('[FRM-9] finds the same bytes well-formed as the platform does', () => {
  const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf))
  fc.assert(fc.property(fc.array(byte, { maxLength: 8 }), (list) => {
    const bytes = new Uint8Array(list)
    const isGood = isUtf8(bytes) && !bytes.includes(0)
    assert.equal(countCodePoints(bytes, 0, bytes.length, Infinity) >= 0, isGood)
    assert.equal(decodeString(bytes, 0, bytes.length), isGood ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) : null)
  }), { numRuns: 20_000 })
})

test('[FRM-9] every lead byte with every second byte, and their ends', () => {
  for (let lead = 0x80; lead < 0x100; lead++) {
    for (let second = 0; second < 0x100; second++) {
      for (const tail of [[], [0x80], [0xbf], [0x80, 0x80], [0xbf, 0xbf], [0x7f, 0x80], [0x80, 0xc0]]) {
        const bytes = new Uint8Array([lead, second, ...tail])
        const isGood = isUtf8(bytes) && second !== 0
        assert.equal(countCodePoints(bytes, 0, bytes.length, Infinity) >= 0, isGood, Buffer.from(bytes).toString('hex'))
      }
    }
  }
})

test('[FRM-9] sizes and writes any text as the platform does', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 100 }), fc.constantFrom('', '\ud800', '\udc00'), (text, end) => {
    const whole = text.replaceAll('\u0000', '') + end
    const expected = new TextEncoder().encode(whole)
    assert.equal(utf8Size(whole), expected.length)
    const bytes = new Uint8Array(expected.length + 2)
    assert.equal(writeUtf8(bytes, 1, whole, expected.length), expected.length + 1)
    assert.deepEqual(bytes.slice(1, -1), expected)
    assert.deepEqual([bytes[0], bytes.at(-1)], [0, 0])
    assert.deepEqual(encodeText(whole), expected)
  }), { numRuns: 2000 })
})

test('[MSG-7] counts what an iterator counts, and stops looking behind the limit', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
    const plain = text.replaceAll('\u0000', 'x')
    const bytes = encodeText(plain)
    assert.equal(countCodePoints(bytes, 0, bytes.length, Infinity), [...plain].length)
    assert.equal(decodeText(bytes), plain)
  }))
  assert.equal(countCodePoints(new Uint8Array([0x61, 0x61, 0xff]), 0, 3, 1), 2)
})
