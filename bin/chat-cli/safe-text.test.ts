import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { safeJson, safeText } from './safe-text.js'

/** What may act on a terminal, written apart from the code under test. */
function isHarmless(text: string): boolean {
  return Array.from(text).every((character) => {
    const code = character.codePointAt(0) ?? 0
    const control = code < 0x20 || (code >= 0x7f && code <= 0x9f)
    const direction = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)
    return !control && !direction && code !== 0x2028 && code !== 0x2029
  })
}

test('an escape sequence in received text reaches the terminal as visible characters', () => {
  assert.equal(safeText('a\u001b[2Jb\u0007'), 'a␛[2Jb␇')
  assert.equal(safeText('\u009b31mred'), '\ufffd31mred')
  assert.equal(safeText('x\u007fy'), 'x␡y')
  assert.equal(safeText('\u202egnp.exe'), '\ufffdgnp.exe')
})

test('line ends become what the caller says, once for each', () => {
  assert.equal(safeText('a\r\nb\rc\nd\u2028e'), 'a ⏎ b ⏎ c ⏎ d ⏎ e')
  assert.equal(safeText('a\r\nb', '\n'), 'a\nb')
  assert.equal(safeText('a\tb'), 'a b')
})

test('plain text of any script stays as it is', () => {
  for (const text of ['hello', 'Grüße', '你好', 'שלום', '👩‍👩‍👧', 'e\u0301']) assert.equal(safeText(text), text)
})

test('no text whatever can act on a terminal', () => {
  assert.equal(isHarmless('\u001b'), false)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    assert.ok(isHarmless(safeText(text)))
    assert.ok(isHarmless(safeJson({ text })))
  }))
})

test('JSON lines lose nothing', () => {
  assert.equal(safeJson({ text: '\u009b\u2028' }), '{"text":"\\u009b\\u2028"}')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => {
    assert.equal((JSON.parse(safeJson({ text })) as { text: string }).text, text)
  }))
})
