import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HASH_FACTOR, HASH_SEED, WordTable } from './word-table.js'

const UNITS_MAX = 64

function add(table: WordTable, word: string): number {
  const units = new Uint16Array(UNITS_MAX)
  let hash = HASH_SEED
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ (units[at] = word.charCodeAt(at)), HASH_FACTOR)
  return table.add(hash, units, word.length)
}

const ascii = fc.stringMatching(/^[@a-z0-9]{1,12}$/)
const anyWord = fc.oneof(ascii, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }), fc.constantFrom('abcde', 'abcdef', 'abcdefg', 'abcd', '東京', '\ud83c', '🎉'))

for (const [what, word] of [['ASCII', ascii], ['any letters', anyWord]] as const) {
  test(`words of ${what} have one number each, and an order as strings have`, () => {
    fc.assert(fc.property(fc.array(word, { maxLength: 2000, size: 'max' }), (words) => {
      const table = new WordTable(8192)
      const numbers = words.map((each) => add(table, each))
      const different = [...new Set(words)]
      assert.equal(table.size, different.length)
      for (const [at, each] of words.entries()) assert.equal(numbers[at], different.indexOf(each))
      assert.deepEqual(table.sorted().map((number) => table.word(number)), [...different].sort())
    }), { numRuns: 30 })
  })
}

test('a full table knows its words and takes no other', () => {
  const table = new WordTable(3)
  assert.deepEqual(['one', 'two', 'three', 'four', 'two', 'one'].map((word) => add(table, word)), [0, 1, 2, -1, 1, 0])
  assert.deepEqual(table.sorted(), [0, 2, 1])
})
