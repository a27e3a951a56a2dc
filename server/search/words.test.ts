import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LIMIT } from '../../protocol/generated/registry.js'
import { fold, isMatch, parseWords, type WordQuery, WORD_LETTERS_MAX, wordsOf } from './words.js'

function query(text: string): WordQuery {
  const parsed = parseWords(text)
  assert.ok(parsed !== null, `'${text}' is a search`)
  return parsed
}

function finds(text: string, message: string): boolean {
  return isMatch(fold(message), query(text))
}

const anyText = fc.string({ unit: 'binary', maxLength: 80 })
const SAMPLES = ['Straße', 'ΟΔΟΣ οδός ς', 'İstanbul ı I', 'ŉ ǰ ΐ ﬁ ㎒ Ⅷ', 'がぎぐ ガギグ', '한국어', 'नमस्ते', 'שָׁלוֹם', 'مَرْحَبًا', '👩‍👩‍👧 🇩🇪', 'Å Å é é', 'ᾳ ᾼ', 'Ꭰꭰ', 'ა Ა']

test('[SCH-2] case, diacritics and compatibility forms make no difference', () => {
  const pairs: [string, string][] = [
    ['uber', 'Über den Wolken'], ['ÜBER', 'uber'], ['strasse', 'Straße'], ['STRASSE', 'straße'], ['cafe', 'cafe\u0301'], ['café', 'CAFE'],
    ['οδος', 'ΟΔΟΣ'], ['οδοσ', 'οδός'], ['istanbul', 'İSTANBUL'], ['fish', 'ﬁsh'], ['8', '８'], ['viii', 'Ⅷ'], ['שלום', 'שָׁלוֹם'], ['مرحبا', 'مَرْحَبًا'],
    ['ガ', 'ｶﾞ'], ['елка', 'ёлка'],
  ]
  for (const [words, message] of pairs) assert.ok(finds(words, message), `${words} finds ${message}`)
  assert.ok(!finds('की', 'का'), 'vowels of India are no diacritics')
  assert.ok(!finds('が', 'か'), 'nor are the marks of kana')
})

test('[SCH-2] every word has to be there, the last one as the beginning of one', () => {
  const message = 'Good morning, Bob! Don\'t be late: 8:30 at alice_home'
  for (const words of ['good', 'good mor', 'bob good', 'MORNING good', 'don t', 'don\'t', '30 8', 'home', 'good good', 'late lat']) assert.ok(finds(words, message), words)
  for (const words of ['mor good', 'ood', 'good night', 'evening', '83', 'orning']) assert.ok(!finds(words, message), words)
})

test('[SCH-2] scripts without spaces are found by any part of a text', () => {
  assert.ok(finds('京都', '東京都に行く'))
  assert.ok(finds('東京 行く', '東京都に行く'))
  assert.ok(!finds('京東', '東京都に行く'), 'letters have to stand together in their order')
  assert.ok(finds('สวัสดี', 'คุณสวัสดีครับ'))
  assert.ok(finds('🎉', 'party 🎉🎉 tonight'))
  assert.ok(finds('node東京', 'node東京'))
})

test('[SCH-6] a search has from one to as many words as it may, and not too many bytes', () => {
  for (const text of ['', ' ', '…!?', '\u0301', '-- --']) assert.equal(parseWords(text), null, JSON.stringify(text))
  const words = Array.from({ length: LIMIT.searchWordsMax }, (_, index) => `w${String(index)}`)
  assert.equal(query(words.join(' ')).words.length, LIMIT.searchWordsMax - 1)
  assert.ok(parseWords([...words, 'w0'].join(' ')) !== null, 'a word that comes twice counts once')
  assert.equal(parseWords([...words, 'one-more'].join(' ')), null)
  assert.ok(parseWords('東京都に行く人が多いと思います') !== null, 'letters that stand together count as one')
  assert.equal(parseWords('a'.repeat(LIMIT.searchBytesMax + 1)), null)
})

test('folding twice is folding once, and text is found by itself', () => {
  for (const text of SAMPLES) assert.equal(fold(fold(text)), fold(text), text)
  fc.assert(fc.property(anyText, (text) => { assert.equal(fold(fold(text)), fold(text)) }), { numRuns: 2000 })
  fc.assert(fc.property(anyText, (text) => {
    const parsed = parseWords(text)
    if (parsed !== null) assert.ok(isMatch(fold(text), parsed))
  }), { numRuns: 2000 })
})

test('words do not depend on case or on the form of normalisation', () => {
  fc.assert(fc.property(anyText, fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD'), (text, form) => {
    assert.deepEqual(wordsOf(text.normalize(form)), wordsOf(text))
  }), { numRuns: 1000 })
  for (const text of ['Straße', 'Ωμέγα', 'naïve CAFÉ', 'ёлка']) assert.deepEqual(wordsOf(text.toUpperCase()), wordsOf(text.toLowerCase()))
})

test('words of a message are bounded in number and length, whatever it holds', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 700 }), (text) => {
    const words = wordsOf(text)
    assert.ok(words.size <= LIMIT.searchMessageWordsMax)
    for (const word of words) {
      assert.ok(word.length > 0 && word.length <= WORD_LETTERS_MAX && Buffer.from(word).toString() === word, JSON.stringify(word))
    }
  }))
  const many = Array.from({ length: 400 }, (_, index) => index.toString(36)).join(' ')
  assert.equal(wordsOf(many).size, LIMIT.searchMessageWordsMax)
  const long = 'x'.repeat(600)
  assert.deepEqual([...wordsOf(long)], ['x'.repeat(WORD_LETTERS_MAX)])
  assert.ok(finds('x'.repeat(200), long))
  assert.equal([...wordsOf('x'.repeat(WORD_LETTERS_MAX - 1) + '𐐷'.repeat(9))][0]?.length, WORD_LETTERS_MAX - 1, 'no half of a pair')
})
