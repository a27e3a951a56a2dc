import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { INCOMPLETE_NOTE } from './formats.js'
import { element } from '../../protocol/element.js'
import type { Effect, ScreenEvent, ScreenState, ShownMessage } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { MESSAGES_KEPT_MAX, update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'
import { textWidth } from './text-width.js'
import { key, type } from './testing/typing.js'

const NOW = Date.UTC(2026, 0, 1, 12)

function screen(columns = 80, rows = 24): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns, rows })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  return state
}

function message(seq: number, text: string, own = false, from = own ? 'alice' : 'bob'): ShownMessage {
  return { seq, from, own, timeMs: NOW + seq * 1000, text, isIncomplete: false }
}

function received(seq: number, text: string, own = false): ScreenEvent {
  return { kind: 'message', conversation: 'bob', message: message(seq, text, own) }
}

function shown(state: ScreenState): string[] {
  return render(state, NOW).lines.map((line) => lineWithoutStyle(line).trimEnd())
}

function has(state: ScreenState, pattern: RegExp): boolean {
  return shown(state).some((line) => pattern.test(line))
}

/** The conversation with bob, open and loaded with these messages. */
function withBob(messages: readonly ShownMessage[], more = false, rows = 24): ScreenState {
  const state = screen(80, rows)
  assert.deepEqual(type(state, 'bob'), [{ kind: 'load', conversation: 'bob', before: null }])
  update(state, { kind: 'history', conversation: 'bob', messages, more })
  return state
}

test('[FRM-7] a message that has more to it is marked, in its conversation and in the list', () => {
  const state = withBob([message(1, 'whole')])
  assert.equal(has(state, /can't show/), false)
  update(state, { kind: 'message', conversation: 'bob', message: { ...message(2, 'look'), isIncomplete: true } })
  const lines = shown(state)
  const position = lines.findIndex((line) => line.endsWith('bob: look'))
  assert.equal(lines[position + 1], `       ${INCOMPLETE_NOTE}`)
  update(state, key('escape'))
  assert.ok(has(state, /bob .*look \[this version can't show all of it\]$/))
})

test('the list shows who wrote last, what, and how many are unread', () => {
  const state = screen()
  update(state, {
    kind: 'conversations',
    list: [
      { conversation: 'carol', tail: 1, read: 0, unread: 0, last: { ...message(1, 'bye', true), timeMs: NOW - 5000 }, members: [{ member: 'carol', delivered: 1, read: 0 }] },
      { conversation: 'bob', tail: 4, read: 2, unread: 2, last: message(4, 'see you'), members: [] },
    ],
  })
  assert.ok(has(state, /^ {3}1 {2}bob .*2 new .* see you$/))
  assert.ok(has(state, /^ {3}2 {2}carol .*✓✓ bye$/))
  update(state, received(5, 'again'))
  assert.ok(has(state, /bob .*3 new .* again$/))
})

test('a message of the backlog that the list counted already is not counted twice', () => {
  const state = screen()
  update(state, { kind: 'conversations', list: [{ conversation: 'bob', tail: 2, read: 0, unread: 2, last: message(2, 'b'), members: [] }] })
  update(state, received(1, 'a'))
  update(state, received(2, 'b'))
  assert.ok(has(state, /bob .*2 new/))
})

test('a number opens the conversation that stood there when the line was begun', () => {
  const state = screen()
  update(state, received(1, 'hi'))
  update(state, { kind: 'message', conversation: 'carol', message: { ...message(1, 'older', false, 'carol'), timeMs: NOW - 9000 } })
  assert.ok(has(state, /1 {2}bob/))
  update(state, key('2', '2'))
  update(state, { kind: 'message', conversation: 'carol', message: { ...message(2, 'newer', false, 'carol'), timeMs: NOW + 90_000 } })
  const effects = update(state, key('return'))
  assert.deepEqual(effects, [{ kind: 'load', conversation: 'carol', before: null }])
  assert.equal(state.open, 'carol')
})

test('opening shows the history and marks it read', () => {
  const state = screen()
  update(state, received(2, 'two'))
  type(state, '1')
  const effects = update(state, { kind: 'history', conversation: 'bob', messages: [message(1, 'one'), message(2, 'two')], more: false })
  assert.deepEqual(effects, [{ kind: 'mark-read', conversation: 'bob', seq: 2 }])
  const lines = shown(state)
  assert.match(lines.at(-4) ?? '', /bob: one$/)
  assert.match(lines.at(-3) ?? '', /bob: two$/)
})

test('a message that comes while a line is being typed leaves the line as it is, and is read at once', () => {
  const state = withBob([message(1, 'one')])
  update(state, key('h', 'h'))
  update(state, key('i', 'i'))
  assert.deepEqual(update(state, received(2, 'two')), [{ kind: 'mark-read', conversation: 'bob', seq: 2 }])
  assert.equal(shown(state).at(-1), ' bob > hi')
  assert.match(shown(state).at(-3) ?? '', /bob: two$/)
})

test('a message is shown at once, then its marks change: sent, delivered, read, and never back', () => {
  const state = withBob([])
  assert.deepEqual(type(state, 'hello'), [{ kind: 'send', localId: 1, to: 'bob', text: 'hello' }])
  assert.ok(has(state, /you: hello …$/))
  update(state, { kind: 'sent', localId: 1, to: 'bob', seq: 1, timeMs: NOW })
  assert.ok(has(state, /you: hello ✓$/))
  update(state, { kind: 'receipt', conversation: 'bob', member: 'bob', mark: 'delivered', seq: 1 })
  assert.ok(has(state, /you: hello ✓✓$/))
  assert.equal(markStyle(state), 'dim')
  update(state, { kind: 'receipt', conversation: 'bob', member: 'bob', mark: 'read', seq: 1 })
  assert.equal(markStyle(state), 'read')
  update(state, { kind: 'receipt', conversation: 'bob', member: 'bob', mark: 'delivered', seq: 1 })
  assert.equal(markStyle(state), 'read')
})

function markStyle(state: ScreenState): string | undefined {
  return render(state, NOW).lines.flat().find((span) => span.text.includes('✓✓'))?.style
}

test('without colours a message that was read says so', () => {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: false, columns: 80, rows: 24 })
  type(state, 'bob')
  update(state, { kind: 'history', conversation: 'bob', messages: [message(1, 'x', true)], more: false })
  update(state, { kind: 'receipt', conversation: 'bob', member: 'bob', mark: 'read', seq: 1 })
  assert.ok(has(state, /you: x ✓✓ read$/))
})

test('a refused message says why and stays', () => {
  const state = withBob([])
  type(state, 'hello')
  update(state, { kind: 'refused', localId: 1, to: 'bob', reason: 'There is no such user.' })
  assert.ok(has(state, /you: hello ✗$/))
  assert.ok(has(state, /There is no such user/))
})

test('what another device of the user has read is not unread here', () => {
  const state = screen()
  for (let seq = 1; seq <= 3; seq += 1) update(state, received(seq, 'x'))
  update(state, { kind: 'receipt', conversation: 'bob', member: 'alice', mark: 'read', seq: 2 })
  assert.ok(has(state, /bob .*1 new/))
  update(state, { kind: 'receipt', conversation: 'bob', member: 'alice', mark: 'read', seq: 3 })
  assert.ok(!has(state, / new /))
})

test('Page Up scrolls, asks for older messages at the top, and nothing is marked read meanwhile', () => {
  const state = withBob(Array.from({ length: 30 }, (_, at) => message(at + 11, `m${at + 11}`)), true, 10)
  let effects: Effect[] = []
  for (let press = 0; press < 9 && effects.length === 0; press += 1) effects = update(state, key('pageup'))
  assert.deepEqual(effects, [{ kind: 'load', conversation: 'bob', before: 11 }])
  assert.ok(has(state, /m11$/))
  assert.deepEqual(update(state, received(41, 'new')), [])
  assert.ok(has(state, /m11$/), 'the text being read stays')
  update(state, { kind: 'history', conversation: 'bob', messages: Array.from({ length: 10 }, (_, at) => message(at + 1, `m${at + 1}`)), more: false })
  for (let press = 0; press < 9; press += 1) update(state, key('pageup'))
  assert.ok(has(state, /m1$/))
  assert.ok(!has(state, /older messages/))
  for (let press = 0; press < 12; press += 1) effects = update(state, key('pagedown'))
  assert.ok(has(state, /bob: new$/))
  assert.equal(state.conversations.get('bob')?.read, 41)
})

test('[MSG-18] history and live messages that overlap are shown once, in the order of seq', () => {
  const state = screen()
  type(state, 'bob')
  update(state, received(3, 'c'))
  update(state, { kind: 'history', conversation: 'bob', messages: [message(1, 'a'), message(2, 'b'), message(3, 'c')], more: false })
  update(state, received(2, 'b'))
  assert.deepEqual(state.conversations.get('bob')?.messages.map((one) => one.seq), [1, 2, 3])
})

test('a conversation that nobody has begun is empty; another failure is told', () => {
  const state = screen()
  type(state, 'bob')
  update(state, { kind: 'history-failed', conversation: 'bob', isUnknown: true, reason: 'x' })
  assert.ok(has(state, /type the first message/))
  type(state, '/to carol')
  update(state, { kind: 'history-failed', conversation: 'carol', isUnknown: false, reason: 'no answer' })
  assert.ok(has(state, /no answer/))
})

test('a conversation opened without a connection is loaded when there is one', () => {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  assert.deepEqual(type(state, '/to bob'), [])
  assert.deepEqual(update(state, { kind: 'connection', connection: 'online', detail: '' }), [{ kind: 'load', conversation: 'bob', before: null }])
})

test('a lost connection is told with its reason, and a found one too', () => {
  const state = screen(50, 12)
  update(state, { kind: 'connection', connection: 'waiting', detail: 'no connection, trying again: connect ECONNREFUSED' })
  assert.match(shown(state)[0] ?? '', /^ alice · conversations +○ offline$/)
  assert.ok(has(state, /^ no connection, trying again: connect ECONNREFUSED/))
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  assert.match(shown(state)[0] ?? '', /● online$/)
  assert.ok(!has(state, /trying again/))
})

test('commands: help, list, quit, unknown ones, and text that begins with a slash', () => {
  const state = withBob([])
  type(state, '/help')
  assert.ok(has(state, /\/to NAME/))
  update(state, key('escape'))
  assert.ok(!has(state, /\/to NAME/))
  type(state, '/nonsense')
  assert.ok(has(state, /there is no command \/nonsense/))
  assert.deepEqual(type(state, '//shrug'), [{ kind: 'send', localId: 1, to: 'bob', text: '/shrug' }])
  type(state, '/list')
  assert.equal(state.open, null)
  assert.deepEqual(type(state, '/quit'), [{ kind: 'quit' }])
  assert.deepEqual(update(state, key('c', '', true)), [{ kind: 'quit' }])
  type(state, 'No Name')
  assert.ok(has(state, /is no name of a user/))
})

test('the line can be edited, and a text that is too long stays to be shortened', () => {
  const state = withBob([])
  for (const character of 'helo') update(state, key(character, character))
  update(state, key('left'))
  update(state, key('l', 'l'))
  update(state, key('end'))
  update(state, key('!', '!'))
  update(state, key('backspace'))
  assert.equal(shown(state).at(-1), ' bob > hello')
  update(state, key('w', '', true))
  assert.equal(shown(state).at(-1), ' bob >')
  update(state, { kind: 'paste', text: 'x'.repeat(701) })
  assert.deepEqual(update(state, key('return')), [])
  assert.ok(has(state, /too long: 701 characters/))
  update(state, key('backspace'))
  assert.equal(update(state, key('return')).length, 1)
})

test('a paste of several lines is one message', () => {
  const state = withBob([])
  update(state, { kind: 'paste', text: 'one\r\ntwo' })
  assert.equal(shown(state).at(-1), ' bob > one⏎two')
  assert.deepEqual(update(state, key('return')), [{ kind: 'send', localId: 1, to: 'bob', text: 'one\ntwo' }])
})

test('what strangers write can not act on the terminal', () => {
  const state = withBob([message(1, 'a\u001b[2Jb\u009b31m')])
  assert.ok(has(state, /bob: a␛\[2Jb\ufffd31m$/))
})

test('memory is bounded: old messages are dropped and can be asked for again', () => {
  const state = withBob([])
  for (let seq = 1; seq <= MESSAGES_KEPT_MAX + 5; seq += 1) update(state, received(seq, 'x'))
  const conversation = state.conversations.get('bob')
  assert.equal(conversation?.messages.length, MESSAGES_KEPT_MAX)
  assert.equal(conversation?.more, true)
})

test('the picture always has the rows and columns of the terminal, and the cursor stands within', () => {
  const events = fc.array(fc.oneof(
    fc.record({ kind: fc.constant('paste' as const), text: fc.string({ unit: 'binary', maxLength: 90 }) }),
    fc.constantFrom(key('return'), key('left'), key('pageup'), key('pagedown'), key('escape'), key('backspace')),
    fc.tuple(fc.integer({ min: 1, max: 30 }), fc.string({ unit: 'grapheme', maxLength: 120 }), fc.boolean()).map(([seq, text, own]) => received(seq, text, own)),
    fc.constant<ScreenEvent>({ kind: 'history', conversation: 'bob', messages: [message(1, 'x')], more: true }),
  ), { maxLength: 25 })
  fc.assert(fc.property(events, fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 30 }), (list, columns, rows) => {
    const state = screen(columns, rows)
    for (const event of [...'/to bob'].map((character) => key(character, character))) update(state, event)
    update(state, key('return'))
    for (const event of list) {
      update(state, event)
      const picture = render(state, NOW)
      assert.equal(picture.lines.length, rows)
      for (const line of picture.lines) assert.ok(textWidth(lineWithoutStyle(line)) <= columns)
      assert.ok(picture.row >= 0 && picture.row < rows && picture.column >= 0 && picture.column < columns)
    }
  }), { numRuns: 60 })
})

test('/search asks for words, in the open conversation or in all, and shows what comes until Esc', () => {
  const state = screen()
  assert.deepEqual(type(state, '/search good mor'), [{ kind: 'search', words: 'good mor', conversation: null }])
  assert.ok(has(state, /searching/))
  update(state, { kind: 'panel', lines: ['1 found for good mor:', '', '2026-01-01 12:00:00  bob: good \u001b[31mmorning'] })
  assert.ok(has(state, /bob: good .*morning/) && !shown(state).join('').includes('\u001b'))
  assert.ok(!has(state, /searching/) && has(state, /Esc goes back/))
  update(state, key('escape'))
  assert.ok(!has(state, /found for/))
  assert.deepEqual(type(state, '/search'), [])
  assert.ok(has(state, /say what to search for/))
  update(state, { kind: 'notice', text: 'Messages are not searched here.' })
  assert.ok(has(state, /not searched/))
})

test('what comes while a panel covers the conversation is not read', () => {
  const state = withBob([message(1, 'first')])
  assert.deepEqual(type(state, '/search first'), [{ kind: 'search', words: 'first', conversation: 'bob' }])
  update(state, { kind: 'panel', lines: ['1 found'] })
  assert.deepEqual(update(state, received(2, 'second')), [])
  assert.deepEqual(update(state, key('escape')), [{ kind: 'mark-read', conversation: 'bob', seq: 2 }])
  assert.ok(has(state, /second/), 'Esc only closes the panel')
})

test('/invite asks for an invite', () => {
  const state = screen()
  assert.deepEqual(type(state, '/invite'), [{ kind: 'invite' }])
  assert.ok(has(state, /making an invite/))
  type(state, '/help')
  assert.ok(has(state, /\/invite/) && has(state, /\/search WORDS/))
})

test('[OPS-4] [OPS-15] an edit, reactions, a reply and a deletion show on the screen', () => {
  const state = withBob([message(1, 'helo', true), message(2, 'nonsense')])
  const operation = (seq: number, from: string, target: number, kind: 'edit' | 'delete' | 'react', text = ''): ScreenEvent => (
    { kind: 'operation', conversation: 'bob', operation: { seq, from, target, kind, text } }
  )
  assert.deepEqual(type(state, '/edit hello'), [{ kind: 'operate', conversation: 'bob', operation: 'edit', target: 1, text: 'hello' }])
  update(state, operation(3, 'alice', 1, 'edit', 'hello'))
  update(state, operation(4, 'bob', 1, 'react', '👍'))
  let lines = shown(state)
  let at = lines.findIndex((line) => line.includes('you: hello'))
  assert.match(lines[at + 1] ?? '', /^ +edited {2}👍 1$/)
  update(state, operation(5, 'bob', 1, 'react', ''))
  assert.ok(!has(state, /👍/))
  update(state, operation(6, 'bob', 2, 'delete'))
  assert.ok(!has(state, /nonsense/))
  lines = shown(state)
  at = lines.findIndex((line) => line.endsWith('bob:'))
  assert.match(lines[at + 1] ?? '', /^ +deleted$/)
  update(state, { kind: 'message', conversation: 'bob', message: { ...message(7, 'yes'), replyTo: 1 } })
  lines = shown(state)
  at = lines.findIndex((line) => line.includes('bob: yes'))
  assert.match(lines[at - 1] ?? '', /^ +↪ you: hello$/)
})

test('[OPS-3] commands pass over changes of a group, which are nobody\'s message', () => {
  const change = element('invite', {}, element('member', { name: 'carol' }))
  const state = withBob([message(1, 'mine', true), message(2, 'theirs'), { ...message(3, '', true), change }, { ...message(4, ''), change }])
  assert.deepEqual(type(state, '/edit better'), [{ kind: 'operate', conversation: 'bob', operation: 'edit', target: 1, text: 'better' }])
  assert.deepEqual(type(state, '/react 👍'), [{ kind: 'operate', conversation: 'bob', operation: 'react', target: 2, text: '👍' }])
  assert.deepEqual(type(state, '/delete #3'), [])
  assert.match(state.notice, /no message #3/)
})

test('[OPS-6] [OPS-9] [OPS-16] commands name the last message or a number, and say what is missing', () => {
  const state = withBob([message(1, 'mine', true), message(2, 'theirs'), message(3, 'later')])
  assert.deepEqual(type(state, '/react 👍'), [{ kind: 'operate', conversation: 'bob', operation: 'react', target: 3, text: '👍' }])
  assert.deepEqual(type(state, '/react #2 -'), [{ kind: 'operate', conversation: 'bob', operation: 'react', target: 2, text: '' }])
  assert.deepEqual(type(state, '/delete'), [{ kind: 'operate', conversation: 'bob', operation: 'delete', target: 1, text: '' }])
  assert.deepEqual(type(state, '/reply #2 what  do you mean?'), [
    { kind: 'send', localId: 1, to: 'bob', text: 'what  do you mean?', references: { replyTo: 2 } },
  ])
  assert.deepEqual(type(state, '/forward #2 carol'), [{ kind: 'send', localId: 2, to: 'carol', text: 'theirs', references: { forwards: 1 } }])
  assert.deepEqual(type(state, '/edit #9 text'), [])
  assert.match(state.notice, /no message #9/)
  assert.deepEqual(type(state, '/edit'), [])
  assert.match(state.notice, /say what/)
  type(state, '/numbers')
  assert.ok(has(state, /#2 bob: theirs/))
  update(state, { kind: 'notice', text: 'The message is too old for this.' })
  assert.match(state.notice, /too old/)
})

test('[OPS-14] a deletion lowers what is unread once, and only where it was counted', () => {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  const text = (seq: number, words = `number ${seq}`): ShownMessage => ({ seq, from: 'bob', own: false, timeMs: NOW, text: words, isIncomplete: false })
  const remove = (seq: number, target: number, from = 'bob'): ScreenEvent => (
    { kind: 'operation', conversation: 'bob', operation: { seq, from, target, kind: 'delete', text: '' } }
  )
  const unread = (): number => state.conversations.get('bob')?.unread ?? -1
  update(state, { kind: 'conversations', list: [{ conversation: 'bob', tail: 5, read: 1, unread: 3, last: text(4), members: [] }] })
  update(state, remove(5, 2))
  assert.equal(unread(), 3, 'the list knew of it')
  update(state, remove(6, 4))
  update(state, remove(6, 4))
  assert.equal(unread(), 2, 'told twice')
  const last = render(state, NOW).lines.map(lineWithoutStyle).find((line) => line.includes('bob'))
  assert.match(last ?? '', /deleted/)
  update(state, { kind: 'message', conversation: 'bob', message: text(7, '') })
  update(state, remove(8, 7))
  assert.equal(unread(), 2, 'it came deleted already')
  update(state, remove(9, 3, 'alice'))
  assert.equal(unread(), 2, 'one\'s own, from another device')
})

test('the list shows its last message as operations leave it', () => {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  const last: ShownMessage = { seq: 4, from: 'bob', own: false, timeMs: NOW, text: 'helo', isIncomplete: false }
  update(state, { kind: 'conversations', list: [{ conversation: 'bob', tail: 4, read: 4, unread: 0, last, members: [] }] })
  update(state, { kind: 'operation', conversation: 'bob', operation: { seq: 5, from: 'bob', target: 4, kind: 'edit', text: 'hello there' } })
  assert.ok(render(state, NOW).lines.map(lineWithoutStyle).some((line) => line.includes('hello there')))
})
