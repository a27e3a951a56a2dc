import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Key, Line } from './line-editor.js'
import { editLine, EMPTY_LINE } from './line-editor.js'

function press(line: Line, ...names: string[]): Line {
  let result = line
  for (const name of names) {
    const ctrl = name.startsWith('ctrl-')
    const key: Key = { name: ctrl ? name.slice(5) : name, ctrl, meta: false, text: name.length === 1 || name === '👍🏽' ? name : '' }
    result = editLine(result, key) ?? result
  }
  return result
}

test('typing, moving and deleting go by what a reader takes for characters', () => {
  assert.deepEqual(press(EMPTY_LINE, 'a', 'b', 'left', 'c'), { before: 'ac', after: 'b' })
  assert.deepEqual(press(EMPTY_LINE, 'a', '👍🏽', 'left'), { before: 'a', after: '👍🏽' })
  assert.deepEqual(press(EMPTY_LINE, 'a', '👍🏽', 'backspace'), { before: 'a', after: '' })
  assert.deepEqual(press(EMPTY_LINE, 'a', 'b', 'home', 'delete'), { before: '', after: 'b' })
  assert.deepEqual(press(EMPTY_LINE, 'a', 'b', 'home', 'right', 'ctrl-k'), { before: 'a', after: '' })
  assert.deepEqual(press({ before: 'one two', after: ' three' }, 'ctrl-w'), { before: 'one ', after: ' three' })
  assert.deepEqual(press({ before: 'one two', after: ' three' }, 'ctrl-u', 'ctrl-e'), { before: ' three', after: '' })
})

test('at the ends of the line nothing breaks, and other keys do nothing', () => {
  assert.deepEqual(press(EMPTY_LINE, 'backspace', 'delete', 'left', 'right', 'home', 'end'), EMPTY_LINE)
  assert.equal(editLine(EMPTY_LINE, { name: 'f5', ctrl: false, meta: false, text: '' }), null)
})
