import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isGroup, normalizeConversation, normalizeDevice, normalizeGroup, normalizeUser, parseFullAddress } from './address.js'
import { addressVectors } from './testing/vectors.js'

for (const { requirement, name, input, result } of addressVectors.names) {
  test(`[${requirement}] a name: ${name}`, () => {
    assert.equal(normalizeUser(input), result)
    assert.equal(normalizeDevice(input), result, '[ADR-3]')
    assert.equal(normalizeGroup(`#${input}`), result === null ? null : `#${result}`, '[ADR-4]')
  })
}

for (const { requirement, name, input, result } of addressVectors.conversations) {
  test(`[${requirement}] a conversation: ${name}`, () => {
    assert.equal(normalizeConversation(input), result)
    if (result !== null) assert.equal(isGroup(result), result.startsWith('#'))
  })
}

for (const { requirement, name, input, result } of addressVectors.fullAddresses) {
  test(`[${requirement}] a full address: ${name}`, () => {
    const parsed = parseFullAddress(input)
    assert.equal(parsed === null ? null : `${parsed.user}/${parsed.device}`, result)
  })
}

test('[ADR-2] what is normalised stays as it is, and nothing outside the rules gets through', () => {
  const unit = fc.oneof(fc.constantFrom(...'aZ09._-#/ @'), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }))
  fc.assert(fc.property(fc.array(unit, { maxLength: 70 }), (units) => {
    const normalized = normalizeUser(units.join(''))
    if (normalized === null) return
    assert.match(normalized, /^[a-z0-9][a-z0-9._-]{0,63}$/)
    assert.equal(normalizeUser(normalized), normalized)
  }), { numRuns: 2000 })
})
