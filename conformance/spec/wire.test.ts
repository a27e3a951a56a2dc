/** Two encoders that share no line agree: the one that makes the examples of the prose, and the one behind the vectors. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { frameOf, rootFolder } from './registry.js'
import { framePieces } from './wire.js'
import type { FieldValue } from './wire.js'
import { xmlOf } from './xml-form.js'

interface Vector {
  readonly name: string
  readonly frame: string
  readonly hex: string
  readonly fields: Readonly<Record<string, FieldValue>>
  readonly extensions: readonly { readonly key: number; readonly hex: string }[]
  readonly xml?: string
}

const vectors = (JSON.parse(readFileSync(`${rootFolder}conformance/vectors/codec.json`, 'utf8')) as { valid: readonly Vector[] }).valid

function utf8(hex: string): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(hex, 'hex'))
  } catch {
    return null
  }
}

/** The vector's fields as the encoder takes them, text as text; null where the text is not UTF-8, which this encoder can't write. */
function valuesOf(vector: Vector): Record<string, FieldValue> | null {
  const values = { ...vector.fields }
  for (const field of frameOf(vector.frame).fields) {
    if (field.type !== 'text') continue
    const text = utf8(values[field.name] as string)
    if (text === null) return null
    values[field.name] = text
  }
  return values
}

function hexOf(pieces: readonly { readonly bytes: readonly number[] }[]): string {
  return Buffer.from(pieces.flatMap(({ bytes }) => bytes)).toString('hex')
}

test('every valid vector encodes to its bytes by the rules of the spec alone', () => {
  let count = 0
  for (const vector of vectors) {
    const values = valuesOf(vector)
    if (values === null) continue
    const extensions = Object.fromEntries(vector.extensions.map(({ key, hex }) => [key, hex]))
    assert.equal(hexOf(framePieces(vector.frame, values, extensions)), vector.hex, vector.name)
    count++
  }
  assert.ok(count > vectors.length - 7, 'only text that is not UTF-8 is left out')
})

test('the XML form of the vectors is the one of the spec', () => {
  let count = 0
  for (const vector of vectors) {
    const values = valuesOf(vector)
    // The escapes for what XML can't carry are the codec's own to test.
    if (values === null || vector.xml === undefined || vector.xml.includes('\\u{')) continue
    const extensions = Object.fromEntries(vector.extensions.map(({ key, hex }) => [key, hex]))
    assert.equal(xmlOf({ frame: vector.frame, values, extensions }), vector.xml, vector.name)
    count++
  }
  assert.ok(count > 20, 'the vectors have XML forms')
})

test('values that do not fit the registry are refused', () => {
  assert.throws(() => framePieces('ping', { nonce: 2 ** 53 }), RangeError)
  assert.throws(() => framePieces('ping', { nonce: 'seven' }), TypeError)
  assert.throws(() => framePieces('ping', { nonce: 7, colour: 1 }), TypeError)
  assert.throws(() => framePieces('pang', {}), RangeError)
})
