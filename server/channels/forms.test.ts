import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PairSide } from '../profiles/pair.js'
import { decodeValue, encodeValue } from '../link/call-codec.js'
import { bytes, count, flag, type Form, FormError, listOf, nothing, record, text } from './forms.js'
import { QUESTIONS } from './questions.js'

/** As another process has it. */
function carried<T>(form: Form<T>, value: T): T {
  return form.read(decodeValue(encodeValue(form.write(value)).slice()))
}

void test('values come as they went', () => {
  const each = record({ name: text, seq: count, isOn: flag, bytes, list: listOf(record({ first: count })) })
  const value = { name: 'alice', seq: 2 ** 53 - 1, isOn: false, bytes: Uint8Array.of(0, 255), list: [{ first: 0 }, { first: 7 }] }
  assert.deepEqual(carried(each, value), value)
  assert.equal(carried(nothing, undefined), undefined)
})

void test('the side of a pair is one again on the other side', () => {
  for (const side of [new PairSide(0, false, true, []), new PairSide(9, true, false, [{ first: 2, last: 4 }])]) {
    const other = carried(QUESTIONS.side.answer, side)
    assert.deepEqual(other, side)
    assert.equal(other.withWritten().hasWritten, true)
  }
})

void test('what a later build adds is left out', () => {
  assert.deepEqual(record({ exists: flag }).read({ exists: true, isNew: 1 }), { exists: true })
})

void test('what is of another form is told from what is', () => {
  const wrong: readonly [Form<unknown>, unknown][] = [
    [text, 1], [flag, 0], [bytes, 'text'], [count, -1], [count, 0.5], [count, 2 ** 53], [count, '1'], [count, null],
    [listOf(text), 'text'], [listOf(text), [1]], [listOf(text), null], [record({ a: text }), null], [record({ a: text }), {}], [record({ a: text }), ['a']],
    [QUESTIONS.side.answer, { blockedFrom: 0, isContact: false, hasWritten: false }],
  ] as readonly [Form<unknown>, unknown][]
  for (const [form, wire] of wrong) assert.throws(() => form.read(wire), FormError)
})
