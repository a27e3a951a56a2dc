/** Tokens: of devices, and the words of the dictionary. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeElement, element, encodeElement } from './element.js'
import { TOKENS } from './generated/registry.js'
import { decodeLoginToken, encodeLoginToken } from './login-token.js'
import { hexBytes, toHex } from './testing/reference-encoder.js'
import { tokenVectors } from './testing/vectors.js'

for (const { name, hex, result } of tokenVectors.logins) {
  test(`[TOK-1] a login by ${name}`, () => {
    const data = new Uint8Array(hexBytes(hex))
    const decoded = decodeLoginToken(data)
    assert.deepEqual(decoded === null ? null : { ...decoded, token: toHex(decoded.token) }, result)
    if (decoded !== null) assert.deepEqual(decodeLoginToken(encodeLoginToken(decoded.user, decoded.device, decoded.token)), { ...decoded })
  })
}

test('[ELM-2] each word of the dictionary has its number, as a name and as a value, and is malformed spelled out', () => {
  assert.deepEqual(tokenVectors.dictionary.map(({ name }) => name), TOKENS)
  for (const { name, item, asName, asValue, spelledOut } of tokenVectors.dictionary) {
    assert.equal(toHex(encodeElement(element(name))), asName)
    assert.equal(toHex(encodeElement(element('x', { a: name }))), asValue)
    assert.ok(asName.startsWith(item))
    for (const hex of spelledOut) assert.equal(decodeElement(new Uint8Array(hexBytes(hex))), null, name)
  }
})
