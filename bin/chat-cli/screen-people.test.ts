import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reportedText, shownName } from './screen-people.js'
import type { Effect, ScreenState } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'

const NOW = Date.UTC(2026, 0, 1, 12)

function screen(open: string | null): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  if (open !== null) type(state, `/to ${open}`)
  return state
}

function type(state: ScreenState, text: string): Effect[] {
  update(state, { kind: 'paste', text })
  return update(state, { kind: 'key', key: { name: 'return', ctrl: false, meta: false, text: '' } })
}

function people(effects: readonly Effect[]): unknown[] {
  return effects.flatMap((effect) => effect.kind === 'people' ? [effect.action] : [])
}

function shown(state: ScreenState): string {
  return render(state, NOW).lines.map(lineWithoutStyle).join('\n')
}

test('commands are about the open conversation, or about who is named', () => {
  const state = screen('bob')
  assert.deepEqual(people(type(state, '/block')), [{ kind: 'block', user: 'bob' }])
  assert.deepEqual(people(type(state, '/unblock Carol')), [{ kind: 'unblock', user: 'carol' }])
  assert.deepEqual(people(type(state, '/mute 8h')), [{ kind: 'mute', conversation: 'bob', forMs: 28_800_000 }])
  assert.deepEqual(people(type(state, '/pin')), [{ kind: 'pin', conversation: 'bob' }])
  assert.deepEqual(people(type(state, '/profile')), [{ kind: 'profile-get', user: 'bob' }])
  assert.deepEqual(people(type(state, '/profile = Alice A.')), [{ kind: 'profile-set', name: 'Alice A.', about: undefined, picture: undefined }])
  assert.deepEqual(people(type(state, '/contact my Bob')), [{ kind: 'contacts-set', user: 'bob', name: 'my Bob' }])
  assert.deepEqual(people(type(state, '/contact -')), [{ kind: 'contacts-remove', user: 'bob' }])
  assert.deepEqual(people(type(state, '/report he sells things')), [{ kind: 'report', conversation: 'bob', reason: 'he sells things', blocks: false }])
})

test('a command that lacks something says what', () => {
  for (const [open, line, notice] of [
    [null, '/block', /open a conversation first/], [null, '/pin', /open the conversation/], ['bob', '/mute soon', /30m/], ['bob', '/report', /say why/],
    ['bob', '/block b b', /no name of a user/], ['#team', '/block', /open a conversation first/],
  ] as const) {
    const state = screen(null)
    // Groups can be opened only once they are listed.
    if (open !== null) update(state, { kind: 'conversations', list: [{ conversation: open, tail: 0, read: 0, unread: 0, last: null, members: [] }] })
    if (open !== null) type(state, `/to ${open}`)
    assert.deepEqual(people(type(state, line)), [], line)
    assert.match(state.notice, notice, line)
  }
})

test('[PRF-19] a name out of a profile stands behind its address, one\'s own alone, and neither acts on the terminal', () => {
  const state = screen(null)
  const list = ['bob', 'mallory', 'carol'].map((conversation) => ({ conversation, tail: 1, read: 1, unread: 0, last: null, members: [] }))
  update(state, { kind: 'conversations', list })
  update(state, { kind: 'profiles', profiles: new Map([['mallory', { name: 'bob \u202e', version: 1 }], ['carol', { name: 'שלום', version: 2 }]]) })
  update(state, { kind: 'contacts', contacts: new Map([['bob', 'Bobby'], ['carol', '']]) })
  assert.deepEqual(['bob', 'mallory', 'carol', 'dave'].map((user) => shownName(state.names, user)), ['Bobby', 'mallory ~ bob \u202e', 'carol ~ שלום', 'dave'])
  assert.match(shown(state), /Bobby/)
  assert.match(shown(state), /mallory ~ bob \ufffd/)
  assert.ok(!shown(state).includes('\u202e'))
  update(state, { kind: 'contacts', contacts: new Map() })
  assert.equal(shownName(state.names, 'bob'), 'bob')
})

test('[PRF-16] pinned conversations come first, archived ones last', () => {
  const state = screen(null)
  const flags = { mutedUntilMs: 0, isArchived: false, isPinned: false, isMarked: false }
  const listed = (conversation: string, timeMs: number, set: Partial<typeof flags>) => ({
    conversation, tail: 1, read: 1, unread: 0, members: [], flags: { ...flags, ...set },
    last: { seq: 1, from: conversation, own: false, timeMs, text: 'x', isIncomplete: false },
  })
  update(state, { kind: 'conversations', list: [listed('new', 3, { isArchived: true }), listed('mid', 2, { isMarked: true }), listed('old', 1, { isPinned: true, mutedUntilMs: Infinity })] })
  assert.deepEqual(state.order, ['old', 'mid', 'new'])
  assert.match(shown(state), /old .*▲∅/)
  assert.match(shown(state), /mid .*unread/)
})

test('Tab finds people by the names that the user gave them', () => {
  const state = screen(null)
  update(state, { kind: 'contacts', contacts: new Map([['bob', 'Bobby Brown'], ['rob', 'Robert'], ['x17', 'Žofie 🦊'], ['robot', '']]) })
  const tab = (text: string): string => {
    update(state, { kind: 'paste', text })
    update(state, { kind: 'key', key: { name: 'tab', ctrl: false, meta: false, text: '\t' } })
    const { before } = state.line
    update(state, { kind: 'key', key: { name: 'c', ctrl: true, meta: false, text: '' } })
    return before
  }
  assert.equal(tab('/to bobb'), '/to bob ', 'by its name')
  assert.equal(tab('/block BROW'), '/block bob ', 'by any word of it')
  assert.equal(tab('žof'), 'x17 ')
  assert.equal(tab('/to robo'), '/to robot ', 'an address goes first')
  assert.equal(tab('/to ro'), '/to rob')
  assert.equal(state.notice, 'rob (Robert)  robot')
  assert.equal(tab('/to zzz'), '/to zzz')
})

test('who has reported is told how to hear no more of it', () => {
  assert.match(reportedText('mallory'), /\/block hears nothing more of mallory$/)
  assert.match(reportedText('#skiing'), /\/leave hears nothing more of #skiing$/)
})
