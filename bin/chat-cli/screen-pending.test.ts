/** What a person sees of messages that are not at the server, and does about them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScreenState } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'
import { type } from './testing/typing.js'

const NOW = Date.UTC(2026, 0, 1, 12)

function withBob(): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  type(state, 'bob')
  update(state, { kind: 'history', conversation: 'bob', messages: [], more: false })
  return state
}

function shown(state: ScreenState): string[] {
  return render(state, NOW).lines.map((line) => lineWithoutStyle(line).trimEnd())
}

function has(state: ScreenState, pattern: RegExp): boolean {
  return shown(state).some((line) => pattern.test(line))
}

test('what was refused says why and what can be done, also after the next key', () => {
  const state = withBob()
  type(state, 'hello')
  update(state, { kind: 'refused', localId: 1, to: 'bob', reason: 'there is no user bob' })
  assert.ok(!has(state, /not sent to/), 'it is said once')
  type(state, '/numbers')
  assert.ok(has(state, /you: hello ✗$/))
  assert.ok(has(state, /^ {7}there is no user bob · \/retry or \/discard$/))
})

test('what was refused elsewhere, or is covered, is told in the line of notices', () => {
  const state = withBob()
  type(state, 'hello')
  type(state, '/help')
  update(state, { kind: 'refused', localId: 1, to: 'bob', reason: 'there is no user bob' })
  assert.ok(has(state, /^ not sent to bob: there is no user bob$/))
})

test('/edit and /delete do not take the message before the last for it, while that is on its way', () => {
  const state = withBob()
  update(state, { kind: 'message', conversation: 'bob', message: { seq: 7, from: 'alice', own: true, timeMs: NOW, text: 'before', isIncomplete: false } })
  type(state, 'last')
  for (const command of ['/edit other', '/delete']) {
    assert.deepEqual(type(state, command), [])
    assert.ok(has(state, /your last message is not at the server yet/))
  }
  assert.deepEqual(type(state, '/edit #7 other'), [{ kind: 'operate', conversation: 'bob', operation: 'edit', target: 7, text: 'other' }])
  update(state, { kind: 'sent', localId: 1, to: 'bob', seq: 8, timeMs: NOW })
  assert.deepEqual(type(state, '/edit other'), [{ kind: 'operate', conversation: 'bob', operation: 'edit', target: 8, text: 'other' }])
})

test('/discard takes off the screen what was refused, and nothing else', () => {
  const state = withBob()
  for (const text of ['one', 'two', 'three']) type(state, text)
  update(state, { kind: 'refused', localId: 1, to: 'bob', reason: 'no' })
  update(state, { kind: 'refused', localId: 3, to: 'bob', reason: 'no' })
  assert.deepEqual(type(state, '/discard'), [])
  assert.deepEqual([has(state, /you: one/), has(state, /you: two …/), has(state, /you: three/)], [false, true, false])
  assert.deepEqual(type(state, '/discard'), [])
  assert.ok(has(state, /nothing was refused here/))
})

test('/retry sends again what was refused, in order, behind what waits, with all that belongs to it', () => {
  const state = withBob()
  update(state, { kind: 'message', conversation: 'bob', message: { seq: 7, from: 'bob', own: false, timeMs: NOW, text: 'where?', isIncomplete: false } })
  type(state, '/reply here')
  type(state, '/send beach.jpg look')
  type(state, 'waits')
  for (const localId of [1, 2]) update(state, { kind: 'refused', localId, to: 'bob', reason: 'no' })
  assert.deepEqual(type(state, '/retry'), [
    { kind: 'send', localId: 4, to: 'bob', text: 'here', references: { replyTo: 7 } },
    { kind: 'send-file', localId: 5, to: 'bob', path: 'beach.jpg', text: 'look' },
  ])
  assert.ok(!has(state, /✗/))
  const lines = shown(state)
  assert.ok(lines.findIndex((line) => line.includes('waits …')) < lines.findIndex((line) => line.includes('here …')))
  update(state, { kind: 'sent', localId: 4, to: 'bob', seq: 8, timeMs: NOW })
  assert.ok(has(state, /you: here ✓$/))
  update(state, { kind: 'refused', localId: 5, to: 'bob', reason: 'still no' })
  assert.ok(has(state, /still no · \/retry or \/discard/))
})

test('a message of an earlier run that is refused is sent again as it was', () => {
  const state = withBob()
  const extensions = Uint8Array.of(1, 2, 3)
  update(state, { kind: 'leftover', localId: -9, to: 'bob', text: 'old', extensions })
  update(state, { kind: 'refused', localId: -9, to: 'bob', reason: 'no' })
  assert.deepEqual(type(state, '/retry'), [{ kind: 'send', localId: 1, to: 'bob', text: 'old', extensions }])
})

test('/retry and /discard are for an open conversation', () => {
  const state = withBob()
  type(state, '/list')
  for (const command of ['/retry', '/discard']) {
    assert.deepEqual(type(state, command), [])
    assert.ok(has(state, /is for an open conversation/))
  }
})

test('[MSG-20] what the server does not take now says why it waits, as long as it does', () => {
  const state = withBob()
  type(state, 'hello')
  update(state, { kind: 'held', to: 'bob', reason: 'bob has not answered yet' })
  assert.ok(has(state, /^ {7}bob has not answered yet: it goes by itself$/))
  update(state, { kind: 'sent', localId: 1, to: 'bob', seq: 1, timeMs: NOW })
  assert.ok(!has(state, /by itself/))
  type(state, 'again')
  assert.ok(!has(state, /by itself/))
})
