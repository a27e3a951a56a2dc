/**
 * Words: what text is cut into for the index, and how a search is compared with a message. Two texts that a person takes for the same
 * word have the same form here: case, diacritics and compatibility forms of Unicode are folded away. [SCH-2]
 *
 * Scripts that write without spaces (Chinese, Japanese, Thai …) give a word for each letter, and what stands together in the search has
 * to stand together in the message: that finds every part of a text, and does not depend on a dictionary. Intl.Segmenter has one, of
 * whatever version of ICU this Node was built with, cuts the same text in other places after an update, and takes seven times as long.
 */
import { LIMIT } from '../../protocol/generated/registry.js'

/** Words are compared by so many UTF-16 units from their beginning. */
export const WORD_LETTERS_MAX = 32

/** So many letters of ASCII take as long as another. */
export const ASCII_SHARE = 5
const ASCII = /^[\x00-\x7f]*$/
const ASCII_WORD = /[a-z0-9]+/g
/** Diacritics of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic, which most people leave out; not the vowels of India. */
const DIACRITICS = /[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/g
const UNSPACED_LETTER = '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}'
  + '\\p{Script=Myanmar}\\p{Extended_Pictographic}\u30fc]'
const WORD = new RegExp(`${UNSPACED_LETTER}\\p{M}*|(?:(?!${UNSPACED_LETTER})[\\p{L}\\p{N}\\p{M}])+`, 'gu')
const UNSPACED = new RegExp(`^${UNSPACED_LETTER}`, 'u')

/** The text with everything folded away that makes no difference. Folding twice gives the same. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  let folded = foldOnce(text)
  // Few letters need a second look: one that only upper case takes apart.
  for (let again = foldOnce(folded); again !== folded; again = foldOnce(again)) folded = again
  return folded
}

function foldOnce(text: string): string {
  const bare = text.normalize('NFKD').replace(DIACRITICS, '')
  // By way of upper case, so that ß is ss, and the two small sigmas are one.
  return bare.toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKD').replace(DIACRITICS, '').normalize('NFC')
}

/** The different words of a text, the first ones up to the limit. */
export function wordsOf(text: string): Set<string> {
  return wordsOfFolded(fold(text))
}

/** What it takes to fold a text and look through it, in letters: some letters are taken apart into many, and ASCII takes little. */
export function lettersOf(folded: string): number {
  return ASCII.test(folded) ? Math.ceil(folded.length / ASCII_SHARE) : folded.length
}

/** The words of a text that is folded already. */
export function wordsOfFolded(folded: string): Set<string> {
  const words = new Set<string>()
  for (const [word] of folded.matchAll(ASCII.test(folded) ? ASCII_WORD : WORD)) {
    words.add(cut(word))
    if (words.size >= LIMIT.searchMessageWordsMax) break
  }
  return words
}

/** What is searched for. */
export interface WordQuery {
  /** Whole words. */
  readonly words: readonly string[]
  /** The beginning of a word: what was typed last. */
  readonly prefix: string
  /** What has to stand together. */
  readonly runs: readonly string[]
}

/** null: no word in it, more than searchWordsMax different ones, or too many bytes. Letters that stand together count as one. [SCH-6] */
export function parseWords(text: string): WordQuery | null {
  if (Buffer.byteLength(text) > LIMIT.searchBytesMax) return null
  const words = new Set<string>()
  const runs: string[] = []
  let spaced = 0
  let runEnd = -1
  let last = ''
  for (const { 0: word, index } of fold(text).matchAll(WORD)) {
    last = cut(word)
    if (UNSPACED.test(word)) {
      if (index === runEnd) runs.push(`${runs.pop() ?? ''}${word}`)
      else runs.push(word)
      runEnd = index + word.length
    } else if (!words.has(last)) {
      spaced++
    }
    words.add(last)
  }
  if (last === '' || spaced + runs.length > LIMIT.searchWordsMax) return null
  words.delete(last)
  return { words: [...words], prefix: last, runs: runs.filter((run) => run.length > 1) }
}

/** Whether the text, which is folded, holds what is searched for. */
export function isMatch(folded: string, { words, prefix, runs }: WordQuery): boolean {
  const present = wordsOfFolded(folded)
  for (const word of words) if (!present.has(word)) return false
  for (const run of runs) if (!folded.includes(run)) return false
  if (present.has(prefix)) return true
  for (const word of present) if (word.startsWith(prefix)) return true
  return false
}

function cut(word: string): string {
  if (word.length <= WORD_LETTERS_MAX) return word
  // Not within a surrogate pair.
  const end = word.charCodeAt(WORD_LETTERS_MAX - 1)
  return word.slice(0, end >= 0xd800 && end <= 0xdbff ? WORD_LETTERS_MAX - 1 : WORD_LETTERS_MAX)
}
