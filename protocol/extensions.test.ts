import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkExtensions, checkMessageExtensions, decodeExtensions, encodeExtensions, findExtension } from './extensions.js'
import { extensionBytes, hexBytes, toHex } from './testing/reference-encoder.js'

function check(hex: string): string {
  return checkExtensions(new Uint8Array(hexBytes(hex)))
}

test('[FRM-7] tells optional from critical keys', () => {
  assert.equal(check(''), 'ok')
  assert.equal(check('0100'), 'ok')
  assert.equal(check('0102aabb0300'), 'ok')
  assert.equal(check('0000'), 'critical')
  assert.equal(check('0200'), 'critical', 'of messages alone')
  assert.equal(check('01000400'), 'critical')
})

test('[FRM-7] an attachment is known in a message, and no other critical extension is', () => {
  const ofMessage = (hex: string) => checkMessageExtensions(new Uint8Array(hexBytes(hex)))
  assert.equal(ofMessage('010002000300'), 'ok')
  assert.equal(ofMessage('0400'), 'critical', 'reserved is not defined')
  assert.equal(ofMessage('02000400'), 'critical')
  assert.equal(ofMessage('02000200'), 'malformed')
})

test('one extension is found by its key', () => {
  const find = (hex: string, key: number) => {
    const value = findExtension(new Uint8Array(hexBytes(hex)), key)
    return value === null ? null : toHex(value)
  }
  assert.equal(find('0102aabb0201cc0300', 2), 'cc')
  assert.equal(find('0102aabb0300', 3), '')
  for (const hex of ['', '0102aabb0300', '0300', '01', '0105aa', '0205aa', '02']) assert.equal(find(hex, 2), null, hex)
})

test('[FRM-8] a block out of order, doubled, cut off or too long is malformed, critical or not', () => {
  for (const hex of ['01', '0101', '010200', '01000100', '03000100', '04000200', '8100', '81', 'ff'.repeat(9)]) {
    assert.equal(check(hex), 'malformed', hex)
    assert.equal(decodeExtensions(new Uint8Array(hexBytes(hex))), null)
  }
  const block = (count: number) => toHex(extensionBytes(Array.from({ length: count }, (_, index) => ({ key: 2 * index + 1, hex: '' }))))
  assert.equal(check(block(16)), 'ok')
  assert.equal(check(block(17)), 'malformed')
})

test('[FRM-8] encodes in rising order and gives back what went in', () => {
  const value = new Uint8Array([1, 2, 3])
  const bytes = encodeExtensions([{ key: 300, value }, { key: 1, value: new Uint8Array(0) }])
  assert.equal(toHex(bytes), '0100' + 'ac0203010203')
  assert.deepEqual(decodeExtensions(bytes), [{ key: 1, value: new Uint8Array(0) }, { key: 300, value }])
  assert.equal(encodeExtensions([]).length, 0)
})

test('[FRM-8] refuses to encode a key twice or 17 extensions', () => {
  const value = new Uint8Array(0)
  assert.throws(() => encodeExtensions([{ key: 1, value }, { key: 1, value }]), RangeError)
  assert.throws(() => encodeExtensions(Array.from({ length: 17 }, (_, key) => ({ key, value }))), RangeError)
})
