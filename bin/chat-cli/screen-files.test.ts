import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attachment } from '../../protocol/client/node.js'
import { lineText } from './line-editor.js'
import { completePath, firstPath, pathBeforeCursor } from './screen-files.js'
import type { ScreenState, ShownMessage } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'
import { key, type, typeOnly } from './testing/typing.js'

const NOW = Date.UTC(2026, 0, 1, 12)
const EMPTY = new Uint8Array(0)
const BEACH: Attachment = {
  id: 'ab'.repeat(32), type: 'image/jpeg', size: 2_481_234, name: 'beach.jpg', width: 4032, height: 3024, durationMs: 0, placeholder: EMPTY, thumbnail: true,
  preview: '', key: EMPTY,
}

function withBob(...messages: readonly ShownMessage[]): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  type(state, 'bob')
  update(state, { kind: 'history', conversation: 'bob', messages, more: false })
  return state
}

function has(state: ScreenState, pattern: RegExp): boolean {
  return render(state, NOW).lines.some((line) => pattern.test(lineWithoutStyle(line).trimEnd()))
}

function carrying(seq: number, text: string, ...attachments: readonly Attachment[]): ShownMessage {
  return { seq, from: 'bob', own: false, timeMs: NOW, text, isIncomplete: false, attachments }
}

test('files of a message stand below its text, or in its place', () => {
  const state = withBob(carrying(1, 'look', BEACH), carrying(2, '', { ...BEACH, name: 'sea.jpg' }, { ...BEACH, name: 'sand.jpg' }))
  assert.ok(has(state, /bob: look$/) && has(state, /^ {7}📎 beach\.jpg 2\.4 MiB image\/jpeg, 4032×3024$/))
  assert.ok(has(state, /bob: 📎 sea\.jpg /) && has(state, /^ {7}📎 sand\.jpg /))
  update(state, key('escape'))
  assert.ok(has(state, /bob .*📎 2 files$/), 'in the list')
})

test('[OPS-7] a message of files alone is no deleted one, is counted as unread, and loses them when it is deleted', () => {
  const state = withBob()
  update(state, key('escape'))
  update(state, { kind: 'message', conversation: 'bob', message: carrying(1, '', BEACH) })
  assert.ok(has(state, /1 new .*📎 beach\.jpg$/))
  type(state, 'bob')
  update(state, { kind: 'operation', conversation: 'bob', operation: { seq: 2, from: 'bob', target: 1, kind: 'delete', text: '' } })
  assert.equal(has(state, /📎/), false)
  assert.ok(has(state, /deleted$/))
})

test('[DIS-8] a message of files alone that disappears is shown until its time is up', () => {
  const state = withBob({ ...carrying(1, '', BEACH), expiresMs: NOW + 1000 })
  assert.ok(has(state, /📎 beach\.jpg/))
  update(state, { kind: 'expire', nowMs: NOW + 1000 })
  assert.equal(has(state, /📎/), false)
})

test('/send shows how far the file is, in its message and in the line of notices, and then the message', () => {
  const state = withBob()
  assert.deepEqual(type(state, '/send "my beach.jpg" so warm here'), [{ kind: 'send-file', localId: 1, to: 'bob', path: 'my beach.jpg', text: 'so warm here' }])
  assert.ok(has(state, /you: so warm here …$/))
  update(state, { kind: 'upload', localId: 1, to: 'bob', upload: { name: 'my beach.jpg', sent: 1_120_000, total: 2_481_234 } })
  assert.ok(has(state, /^ {7}📎 my beach\.jpg 45 %, 1\.1 MiB of 2\.4 MiB$/))
  assert.ok(has(state, /^ 📎 my beach\.jpg 45 %/), 'the line of notices')
  update(state, { kind: 'uploaded', localId: 1, to: 'bob', attachments: [BEACH] })
  update(state, { kind: 'sent', localId: 1, to: 'bob', seq: 1, timeMs: NOW })
  assert.ok(has(state, /you: so warm here ✓$/) && has(state, /📎 beach\.jpg 2\.4 MiB/))
  assert.equal(has(state, /45 %/), false)
})

test('/send that is refused says why, and needs a file and a conversation', () => {
  const state = withBob()
  type(state, '/send nothing.jpg')
  update(state, { kind: 'refused', localId: 1, to: 'bob', reason: 'there is no such file' })
  assert.ok(has(state, /📎 nothing\.jpg ✗$/) && has(state, /^ {7}there is no such file · /))
  assert.deepEqual(type(state, '/send '), [])
  assert.match(state.notice, /say which file/)
  update(state, key('escape'))
  assert.deepEqual(type(state, '/send x'), [])
  assert.match(state.notice, /open conversation/)
})

test('/fetch takes the last message with files, or a numbered one, and where to', () => {
  const state = withBob(carrying(1, '', BEACH), carrying(2, 'text'))
  const effect = { kind: 'fetch', conversation: 'bob', seq: 1, attachments: [BEACH] }
  assert.deepEqual(type(state, '/fetch'), [{ ...effect, folder: '' }])
  assert.deepEqual(type(state, '/fetch #1 "~/my pictures"'), [{ ...effect, folder: '~/my pictures' }])
  assert.deepEqual(type(state, '/fetch #2'), [])
  assert.match(state.notice, /#2 carries no file/)
})

test('/forward takes the files along', () => {
  const state = withBob(carrying(7, '', BEACH))
  assert.deepEqual(type(state, '/forward carol'), [
    { kind: 'send', localId: 1, to: 'carol', text: '', references: { forwards: 1 }, forwarded: { conversation: 'bob', seq: 7, attachments: [BEACH] } },
  ])
})

test('a path may be in quotes, or have its spaces behind backslashes', () => {
  assert.deepEqual(firstPath('a.jpg the rest  of it'), { path: 'a.jpg', rest: 'the rest  of it' })
  assert.deepEqual(firstPath('"a b.jpg" c'), { path: 'a b.jpg', rest: 'c' })
  assert.deepEqual(firstPath('a\\ b.jpg c'), { path: 'a b.jpg', rest: 'c' })
  assert.deepEqual(firstPath('"unfinished thing'), { path: 'unfinished thing', rest: '' })
})

test('Tab completes the name of a file as far as all agree, with what a space needs', () => {
  const state = withBob()
  typeOnly(state, '/send pic')
  assert.deepEqual(update(state, key('tab')), [{ kind: 'list-paths', before: '/send pic', path: 'pic' }])
  update(state, { kind: 'paths', before: '/send pic', names: ['picture one.jpg', 'picture two.jpg'] })
  assert.equal(lineText(state.line), '/send picture\\ ')
  assert.equal(state.notice, 'picture one.jpg  picture two.jpg')
  typeOnly(state, 'o')
  update(state, { kind: 'paths', before: '/send pic', names: ['late.jpg'] })
  assert.equal(lineText(state.line), '/send picture\\ o', 'an answer to what stood there before')
  update(state, { kind: 'paths', before: '/send picture\\ o', names: ['picture one.jpg'] })
  assert.equal(lineText(state.line), '/send picture\\ one.jpg ')
  assert.equal(pathBeforeCursor(state.line), null)
  assert.deepEqual(completePath({ before: '/send "a', after: '' }, ['a b/']).line, { before: '/send "a b/', after: '' })
  assert.deepEqual(completePath({ before: '/send "a', after: '' }, ['a b']).line, { before: '/send "a b" ', after: '' })
})

test('Tab goes by all names, also those that there is no room to tell, and never ends within a character', () => {
  const names = Array.from({ length: 25 }, (_, at) => `photo-${at < 22 ? 1 : 2}${String(at).padStart(2, '0')}.jpg`)
  const { line, choices } = completePath({ before: '/send p', after: '' }, names)
  assert.equal(line.before, '/send photo-')
  assert.deepEqual(choices, names.slice(0, 20))
  assert.equal(completePath({ before: '/send a', after: '' }, ['a😀.jpg', 'a😁.jpg']).line.before, '/send a')
})
