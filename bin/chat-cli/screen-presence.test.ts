import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeWord } from './completion.js'
import { presenceJson, presenceLine, privacyJson } from './formats.js'
import type { Line } from './line-editor.js'
import { privacyChange, privacyText } from './privacy-command.js'
import { watchedUsers } from './screen-presence.js'
import type { Effect, ScreenEvent, ScreenState } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'

const NOW = new Date(2026, 0, 2, 12).getTime()

function screen(...names: string[]): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  update(state, { kind: 'conversations', list: names.map((conversation) => ({ conversation, tail: 0, read: 0, unread: 0, last: null, members: [] })) })
  return state
}

function press(state: ScreenState, name: string, text = ''): Effect[] {
  return update(state, { kind: 'key', key: { name, ctrl: false, meta: false, text } })
}

function type(state: ScreenState, text: string): Effect[] {
  return [...text].flatMap((character) => press(state, character, character))
}

function enter(state: ScreenState, text: string): Effect[] {
  type(state, text)
  return press(state, 'return')
}

function lines(state: ScreenState): string[] {
  return render(state, NOW).lines.map((line) => lineWithoutStyle(line).trimEnd())
}

function present(user: string, isOnline: boolean, lastSeenMs: number | null = null): ScreenEvent {
  return { kind: 'presence', presence: { user, isOnline, lastSeenMs } }
}

test('the heading tells whether the other is online, was seen, types or records, and nothing where nothing is known', () => {
  const state = screen('bob')
  enter(state, 'bob')
  const heading = (): string => lines(state)[0]!.replace(/ {2,}.*$/, '')
  assert.equal(heading(), ' alice › bob')
  update(state, present('bob', true))
  assert.equal(heading(), ' alice › bob · online')
  update(state, { kind: 'typing', conversation: 'bob', from: 'bob', typing: 'typing' })
  assert.equal(heading(), ' alice › bob · typing…')
  update(state, { kind: 'typing', conversation: 'bob', from: 'bob', typing: 'recording' })
  assert.equal(heading(), ' alice › bob · recording…')
  update(state, { kind: 'typing', conversation: 'bob', from: 'bob', typing: 'paused' })
  update(state, present('bob', false, new Date(2026, 0, 2, 9, 30).getTime()))
  assert.equal(heading(), ' alice › bob · last seen 09:30')
  update(state, present('bob', false, new Date(2026, 0, 1, 9, 30).getTime()))
  assert.equal(heading(), ' alice › bob · last seen 2026-01-01 09:30')
  update(state, present('bob', false))
  assert.equal(heading(), ' alice › bob')
  update(state, present('bob', true))
  update(state, { kind: 'connection', connection: 'waiting', detail: 'gone' })
  assert.equal(heading(), ' alice › bob', 'without a connection nothing is known')
})

test('in a group it is told who types', () => {
  const state = screen('#team')
  enter(state, '#team')
  update(state, { kind: 'typing', conversation: '#team', from: 'bob', typing: 'typing' })
  assert.match(lines(state)[0]!, /#team · bob typing…/)
  update(state, { kind: 'typing', conversation: '#team', from: 'carol', typing: 'typing' })
  assert.match(lines(state)[0]!, /#team · bob and 1 more typing…/)
})

test('the open conversation and the head of the list are watched, groups and oneself are not', () => {
  const state = screen('bob', '#team', 'alice', ...Array.from({ length: 300 }, (_, i) => `user${String(i)}`))
  assert.equal(watchedUsers(state).length, 98)
  enter(state, 'zoe')
  assert.equal(watchedUsers(state)[0], 'zoe')
  assert.ok(!watchedUsers(state).some((user) => user === 'alice' || user.startsWith('#')))
})

test('what is typed to somebody is told, a command and a line for the list are not', () => {
  const state = screen('bob')
  assert.deepEqual(type(state, 'bob').filter(({ kind }) => kind === 'typing'), [])
  press(state, 'return')
  const told = { kind: 'typing', conversation: 'bob', isPaused: false }
  assert.deepEqual(type(state, 'hi'), [told, told])
  assert.deepEqual(press(state, 'left'), [])
  press(state, 'right')
  assert.deepEqual([...press(state, 'backspace'), ...press(state, 'backspace')], [told, { ...told, isPaused: true }])
  assert.deepEqual(update(state, { kind: 'paste', text: 'pasted' }), [told])
  press(state, 'return')
  assert.deepEqual(type(state, '/who'), [])
})

test('/who shows who is online, then who was seen last, and Esc goes back', () => {
  const state = screen('bob', 'carol', 'dave', 'erin')
  update(state, present('carol', true))
  update(state, present('dave', false, new Date(2026, 0, 2, 9, 30).getTime()))
  enter(state, '/who')
  assert.deepEqual(lines(state).slice(1, 5), [
    ' ● carol  online', ' ○ dave   last seen 09:30', ' ○ bob    not online, or not shown to you', ' ○ erin   not online, or not shown to you',
  ])
  update(state, present('bob', true))
  assert.equal(lines(state)[1], ' ● bob    online', 'it is kept up to date')
  press(state, 'escape')
  assert.match(lines(state)[1]!, /^ {3}1 {2}bob/)
  const empty = screen()
  enter(empty, '/who')
  assert.ok(lines(empty).some((line) => line.includes('Nobody is in the list yet')))
})

test('/privacy asks, changes and says what is wrong with what was typed', () => {
  const state = screen('bob')
  assert.deepEqual(enter(state, '/privacy'), [{ kind: 'privacy', change: {} }])
  assert.deepEqual(enter(state, '/privacy seen nobody'), [{ kind: 'privacy', change: { seen: 'nobody' } }])
  assert.deepEqual(enter(state, '/privacy seen friends'), [])
  assert.match(state.notice, /everybody\|contacts\|except\|nobody/)
  assert.deepEqual(privacyChange(['online', 'contacts']), { online: 'contacts' })
  assert.deepEqual(privacyChange(['except', 'Bob', 'carol']), { seen: 'except', online: 'except', except: ['bob', 'carol'] })
  assert.deepEqual(privacyChange(['except']), { except: [] })
  for (const [words, pattern] of [[['except', 'b/b'], /no name of a user/], [['seen'], /shows it/]] as const) {
    const said = privacyChange(words)
    assert.ok(typeof said === 'string')
    assert.match(said, pattern)
  }
  update(state, { kind: 'notice', text: privacyText({ seen: 'contacts', online: 'except', except: ['bob'] }) })
  assert.equal(lines(state).at(-2), ' last seen: contacts · online: everybody but bob')
  assert.equal(privacyText({ seen: 'except', online: 'nobody', except: [] }), 'last seen: everybody but nobody · online: nobody')
})

test('Tab completes names and commands as far as they are beyond doubt', () => {
  const complete = (before: string, after = ''): Line => completeWord({ before, after }, ['/who', '/privacy', '/quit'], ['bob', 'bobby', 'carol'])
  assert.deepEqual(complete('/w'), { before: '/who ', after: '' })
  assert.deepEqual(complete('b'), { before: 'bob', after: '' })
  assert.deepEqual(complete('/to C', '!'), { before: '/to carol ', after: '!' })
  for (const nothing of ['', 'x', 'bob', '/', '/to ', 'say /w']) assert.deepEqual(complete(nothing), { before: nothing, after: '' })
  const state = screen('carol')
  type(state, '/to ca')
  press(state, 'tab', '\t')
  press(state, 'return')
  assert.equal(state.open, 'carol')
})

test('lines of presence and privacy have the fields of the contract in their order', () => {
  assert.equal(presenceJson({ user: 'bob', isOnline: true, lastSeenMs: null }), '{"user":"bob","online":true,"lastSeen":null}')
  assert.equal(presenceLine({ user: 'bob', isOnline: true, lastSeenMs: null }), 'bob  online')
  assert.equal(presenceLine({ user: 'bob', isOnline: false, lastSeenMs: null }), 'bob  not online')
  assert.match(presenceLine({ user: 'bob', isOnline: false, lastSeenMs: NOW }), /^bob {2}last seen 2026-01-02 12:00:00$/)
  assert.equal(privacyJson({ seen: 'except', online: 'nobody', except: ['bob'] }), '{"seen":"except","online":"nobody","except":["bob"]}')
})
