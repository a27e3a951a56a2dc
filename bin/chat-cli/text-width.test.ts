import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { endOf, textWidth, truncate, wrap } from './text-width.js'

test('counts columns, not code units', () => {
  assert.equal(textWidth('abc'), 3)
  assert.equal(textWidth('é'), 1)
  assert.equal(textWidth('e\u0301'), 1)
  assert.equal(textWidth('你好'), 4)
  assert.equal(textWidth('👍🏽'), 2)
  assert.equal(textWidth('👩‍👩‍👧'), 2)
  assert.equal(textWidth('✓✓'), 2)
  assert.equal(textWidth('🇩🇪'), 2)
})

test('a cut shows and never splits a character', () => {
  assert.equal(truncate('abcdef', 4), 'abc…')
  assert.equal(truncate('abcd', 4), 'abcd')
  assert.equal(truncate('你好吗', 4), '你…')
  assert.equal(truncate('abc', 0), '')
})

test('the end of a text fits and never splits a character', () => {
  assert.equal(endOf('abcdef', 4), 'cdef')
  assert.equal(endOf('你好吗', 5), '好吗')
  assert.equal(endOf('abc', 9), 'abc')
})

test('breaks lines at spaces where it can', () => {
  assert.deepEqual(wrap('the quick brown fox', 10), ['the quick', 'brown fox'])
  assert.deepEqual(wrap('ab cd efgh', 5), ['ab cd', 'efgh'])
  assert.deepEqual(wrap('abcdefgh', 3), ['abc', 'def', 'gh'])
  assert.deepEqual(wrap('one\n\ntwo', 10), ['one', '', 'two'])
  assert.deepEqual(wrap('', 10), [''])
  assert.deepEqual(wrap(' a你', 2), ['', 'a', '你'])
})

test('wrapped lines fit and lose nothing but spaces', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '你', 'é', '\n', '👍') })
  fc.assert(fc.property(text, fc.integer({ min: 2, max: 20 }), (value, columns) => {
    const lines = wrap(value, columns)
    for (const line of lines) assert.ok(textWidth(line) <= columns)
    assert.equal(lines.join('').replaceAll(' ', ''), value.replaceAll(/[ \n]/g, ''))
  }))
})
