import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GroupInfo, GroupMember } from '../../protocol/client/node.js'
import type { Element } from '../../protocol/element.js'
import { element } from '../../protocol/element.js'
import { lineText } from './line-editor.js'
import { outcomeEvent, whoReadLines } from './screen-groups.js'
import { nameStyle } from './screen-layout.js'
import { watchedUsers } from './screen-presence.js'
import type { Effect, ScreenEvent, ScreenState, ShownMessage } from './screen-state.js'
import { newScreenState } from './screen-state.js'
import { update } from './screen-update.js'
import { lineWithoutStyle, render } from './screen-view.js'
import { key, type, typeOnly } from './testing/typing.js'

const NOW = Date.UTC(2026, 0, 1, 12)
const LINK = 'bm90IGEgcmVhbCBsaW5rIQ'

function shown(state: ScreenState): string[] {
  return render(state, NOW).lines.map((line) => lineWithoutStyle(line).trimEnd())
}

function has(state: ScreenState, pattern: RegExp): boolean {
  return shown(state).some((line) => pattern.test(line))
}

function message(seq: number, from: string, text: string): ShownMessage {
  return { seq, from, own: from === 'alice', timeMs: NOW + seq * 1000, text, isIncomplete: false, change: null }
}

function naming(kind: string, ...names: readonly string[]): Element {
  return element(kind, {}, ...names.map((name) => element('member', { name })))
}

function change(seq: number, from: string, what: Element, conversation = '#skiing'): ScreenEvent {
  return { kind: 'message', conversation, message: { ...message(seq, from, ''), change: what } }
}

function wrote(seq: number, from: string, text: string): ScreenEvent {
  return { kind: 'message', conversation: '#skiing', message: message(seq, from, text) }
}

function listed(role = 'admin', unread = 0): ScreenEvent {
  return {
    kind: 'conversations',
    list: [
      { conversation: '#skiing', tail: 3, read: 3 - unread, unread, last: message(3, 'bob', 'snow!'), members: [{ member: '#skiing', delivered: 3, read: 0 }], group: { name: 'Skiing ⛷️', size: 3, role } },
      { conversation: 'dave', tail: 1, read: 1, unread: 0, last: { ...message(1, 'dave', 'hi'), timeMs: NOW - 9000 }, members: [], group: null },
    ],
  }
}

const MEMBERS = ['alice', 'bob', 'carol'].map((user) => ({ user }))
const LOAD_GROUP: Effect = { kind: 'load-group', group: '#skiing' }

function listScreen(role = 'admin', unread = 0): ScreenState {
  const state = newScreenState({ me: 'alice', server: 'tcp://h', isColored: true, columns: 80, rows: 24 })
  update(state, { kind: 'connection', connection: 'online', detail: '' })
  update(state, listed(role, unread))
  return state
}

/** The group, open, with one message. */
function inGroup(role = 'admin'): ScreenState {
  const state = listScreen(role)
  type(state, '#skiing')
  update(state, { kind: 'history', conversation: '#skiing', messages: [message(3, 'bob', 'snow!')], more: false })
  if (role !== 'former') update(state, { kind: 'group', group: '#skiing', info: { name: 'Skiing ⛷️', size: 3, role, members: MEMBERS } })
  return state
}

test('the list shows a group by address and name, with the last sender', () => {
  const state = listScreen('member', 1)
  assert.ok(has(state, /^ {3}1 {2}#skiing Skiing ⛷️ +1 new +\d\d:\d\d +bob: snow!$/))
  update(state, change(4, 'bob', naming('add', 'erin')))
  assert.ok(has(state, /#skiing Skiing ⛷️ +1 new +\d\d:\d\d +bob added erin$/))
})

test('an open group shows its name, its size, who wrote in a colour of their own, and changes as dim lines', () => {
  const state = inGroup()
  assert.match(shown(state)[0] ?? '', /^ alice › #skiing · Skiing ⛷️ · 3 members /)
  update(state, change(4, 'alice', naming('add', 'erin')))
  update(state, wrote(5, 'carol', 'where?'))
  assert.ok(has(state, /^ \d\d:\d\d · you added erin$/))
  assert.ok(has(state, /carol: where\?$/))
  const spans = render(state, NOW).lines.flat()
  assert.equal(spans.find((span) => span.text.includes('you added erin'))?.style, 'dim')
  assert.equal(spans.find((span) => span.text === 'carol: ')?.style, nameStyle('carol'))
  assert.ok(new Set(['bob', 'carol', 'dave', 'erin', 'frank', 'grace'].map(nameStyle)).size > 2)
})

test('opening a group asks who is in it, and a change asks again, one question at a time', () => {
  const state = listScreen()
  assert.deepEqual(type(state, '1'), [LOAD_GROUP, { kind: 'load', conversation: '#skiing', before: null }])
  assert.deepEqual(update(state, change(4, 'bob', naming('add', 'erin'))), [])
  assert.deepEqual(update(state, { kind: 'group', group: '#skiing', info: { name: 'S', size: 3, role: 'admin', members: MEMBERS } }), [LOAD_GROUP])
  update(state, { kind: 'group', group: '#skiing', info: { name: 'S', size: 4, role: 'admin', members: [...MEMBERS, { user: 'erin' }] } })
  assert.match(shown(state)[0] ?? '', /#skiing · S · 4 members/)
  update(state, key('escape'))
  assert.deepEqual(update(state, change(5, 'bob', naming('remove', 'erin'))), [], 'nobody looks at it')
})

test('a group that was not known asks for its name, and a new name is shown at once', () => {
  const state = listScreen()
  assert.deepEqual(update(state, change(7, 'bob', naming('add', 'alice'), '#team')), [{ kind: 'load-group', group: '#team' }])
  update(state, { kind: 'group', group: '#team', info: { name: 'The team', size: 2, role: 'member', members: [] } })
  assert.ok(has(state, /#team The team +\d\d:\d\d +bob added you$/))
  update(state, change(8, 'bob', element('info', { name: 'Us' }), '#team'))
  assert.ok(has(state, /#team Us +\d\d:\d\d +bob called the group “Us”$/))
})

test('[GRP-21] changes do not count as unread, and nothing is marked read for them', () => {
  const state = listScreen()
  update(state, change(4, 'bob', naming('add', 'erin')))
  assert.ok(!has(state, / new /))
  update(state, wrote(5, 'bob', 'hello'))
  assert.ok(has(state, /#skiing .*1 new/))
  update(state, { kind: 'receipt', conversation: '#skiing', member: 'alice', mark: 'read', seq: 5 })
  type(state, '#skiing')
  update(state, { kind: 'history', conversation: '#skiing', messages: [message(5, 'bob', 'hello')], more: false })
  const marks = update(state, change(6, 'bob', element('policy', { post: 'admins' }))).filter((effect) => effect.kind === 'mark-read')
  assert.deepEqual(marks, [])
  assert.ok(update(state, wrote(7, 'bob', 'well')).some((effect) => effect.kind === 'mark-read' && effect.seq === 7))
})

test('[GRP-14] the marks of an own message in a group follow the receipts for all', () => {
  const state = inGroup()
  type(state, 'hello')
  update(state, { kind: 'sent', localId: 1, to: '#skiing', seq: 4, timeMs: NOW })
  assert.ok(has(state, /you: hello ✓$/))
  update(state, { kind: 'receipt', conversation: '#skiing', member: '#skiing', mark: 'delivered', seq: 4 })
  assert.ok(has(state, /you: hello ✓✓$/))
  update(state, { kind: 'receipt', conversation: '#skiing', member: '#skiing', mark: 'read', seq: 4 })
  assert.equal(render(state, NOW).lines.flat().find((span) => span.text.includes('✓✓'))?.style, 'read')
})

for (const [what, author, element_] of [
  ['is removed', 'bob', naming('remove', 'alice')], ['leaves, also on another device', 'alice', element('leave')], ['sees the group disbanded', 'bob', element('disband')],
] as const) {
  test(`[GRP-11] who ${what} sees that the conversation has ended, and can't type into it`, () => {
    const state = inGroup()
    update(state, change(4, author, element_))
    assert.ok(has(state, /^ you are no longer in #skiing: this conversation has ended for you$/))
    assert.match(shown(state).at(-1) ?? '', /^ #skiing \(closed\) >$/)
    assert.deepEqual(type(state, 'hello?'), [])
    update(state, { kind: 'paste', text: 'hello?' })
    assert.equal(lineText(state.line), '')
    assert.deepEqual(type(state, '//hello?'), [])
    type(state, '/list')
    assert.equal(state.open, null)
    assert.deepEqual(type(state, '#skiing'), [])
    update(state, change(5, 'bob', naming('add', 'alice')))
    assert.equal(type(state, 'here I am').filter((effect) => effect.kind === 'send').length, 1)
  })
}

test('who is invited is told how to come in', () => {
  const state = listScreen()
  update(state, change(2, 'bob', naming('invite', 'alice'), '#team'))
  type(state, '#team')
  assert.ok(has(state, /^ you are invited to #team: \/join or \/leave$/))
  update(state, { kind: 'history-failed', conversation: '#team', isUnknown: true, reason: 'x' })
  assert.ok(!has(state, /type the first message/))
  assert.deepEqual(type(state, '/join'), [{ kind: 'group-request', request: { group: '#team', action: { kind: 'join', code: null } } }])
  update(state, change(3, 'alice', element('join'), '#team'))
  assert.ok(!has(state, /you are invited to/))
})

const COMMANDS: readonly (readonly [line: string, group: string, action: object])[] = [
  ['/group create team bob carol --name "The team"', '#team', { kind: 'create', options: { name: 'The team', members: ['bob', 'carol'], policy: {} } }],
  ['/group add dave', '#skiing', { kind: 'change', change: { kind: 'add', members: ['dave'] } }],
  ['/group add #team dave', '#team', { kind: 'change', change: { kind: 'add', members: ['dave'] } }],
  ['/invite dave erin', '#skiing', { kind: 'change', change: { kind: 'invite', members: ['dave', 'erin'] } }],
  ['/group remove bob', '#skiing', { kind: 'change', change: { kind: 'remove', members: ['bob'] } }],
  ['/group role admin bob', '#skiing', { kind: 'change', change: { kind: 'role', role: 'admin', members: ['bob'] } }],
  ['/group owner bob', '#skiing', { kind: 'change', change: { kind: 'owner', members: ['bob'] } }],
  ['/group rename In the "snow" --ever', '#skiing', { kind: 'change', change: { kind: 'info', name: 'In the "snow" --ever' } }],
  ['/group about down and up', '#skiing', { kind: 'change', change: { kind: 'info', about: 'down and up' } }],
  ['/group picture "in the snow.jpg"', '#skiing', { kind: 'set-picture', path: 'in the snow.jpg' }],
  ['/group policy post=admins', '#skiing', { kind: 'change', change: { kind: 'policy', policy: { post: 'admins' } } }],
  ['/group link --expires 7d', '#skiing', { kind: 'link', expiresInMs: 604_800_000, uses: null, needsApproval: false }],
  [`/group unlink ${LINK}`, '#skiing', { kind: 'unlink', code: LINK }],
  [`/join #team/${LINK}`, '#team', { kind: 'join', code: LINK }],
  ['/group join team', '#team', { kind: 'join', code: null }],
  ['/who', '#skiing', { kind: 'info', code: null }],
  ['/group members', '#skiing', { kind: 'info', code: null }],
  ['/group info', '#skiing', { kind: 'info', code: null }],
  ['/leave', '#skiing', { kind: 'change', change: { kind: 'leave' } }],
  ['/group disband', '#skiing', { kind: 'change', change: { kind: 'disband' } }],
]

for (const [line, group, action] of COMMANDS) {
  test(`the command: ${line}`, () => { assert.deepEqual(type(inGroup(), line), [{ kind: 'group-request', request: { group, action } }]) })
}

test('commands that make no sense are told in one line, and do nothing', () => {
  const state = inGroup()
  for (const [line, told] of [
    ['/group', /\/group takes create, /], ['/group add', /say whom: add NAME/], ['/group role bob', /role takes admin or member/],
    ['/group policy post=nobody', /post= takes all or admins/], ['/group link --expires soon', /--expires takes a time/], ['/group add no_name! x', /is no name of a user/],
    ['/group link --nonsense', /nonsense/],
  ] as const) {
    assert.deepEqual(type(state, line), [], line)
    assert.match(state.notice, told)
  }
  update(state, key('escape'))
  assert.deepEqual(type(state, '/leave'), [])
  assert.match(state.notice, /open a group first/)
})

test('a refusal is one sentence, a success needs none, and what was joined is opened', () => {
  const state = listScreen()
  update(state, { kind: 'notice', text: 'there is no user zed' })
  assert.ok(has(state, /^ there is no user zed$/))
  update(state, { kind: 'open', conversation: '#team' })
  assert.equal(state.open, '#team')
})

test('a long panel can be turned page by page, nothing is marked read under it, and Esc closes it', () => {
  const state = inGroup()
  update(state, { kind: 'panel', lines: Array.from({ length: 60 }, (_, at) => `member ${at + 1}`) })
  assert.ok(has(state, /^ member 1$/))
  assert.ok(has(state, /Page Down: more · Esc goes back/))
  assert.deepEqual(update(state, wrote(4, 'bob', 'x')), [])
  for (let press = 0; press < 5; press += 1) update(state, key('pagedown'))
  assert.ok(has(state, /^ member 60$/))
  for (let press = 0; press < 5; press += 1) update(state, key('pageup'))
  assert.ok(has(state, /^ member 1$/))
  assert.deepEqual(update(state, key('escape')), [{ kind: 'mark-read', conversation: '#skiing', seq: 4 }])
  assert.equal(state.open, '#skiing')
})

test('/read asks about the last own message, and sorts the others by what they have done', () => {
  const state = inGroup()
  type(state, '/read')
  assert.match(state.notice, /no message of yours/)
  type(state, 'hello')
  update(state, { kind: 'sent', localId: 1, to: '#skiing', seq: 4, timeMs: NOW })
  update(state, change(5, 'alice', naming('add', 'erin')))
  assert.deepEqual(type(state, '/read'), [{ kind: 'who-read', conversation: '#skiing', seq: 4, timeMs: NOW, text: 'hello' }])
  const marks = [['bob', 4, 4], ['carol', 4, 2], ['dave', 3, 0], ['erin', 5, 5], ['alice', 4, 4]] as const
  const members = marks.map(([user]) => ({ user, sinceMs: user === 'erin' ? NOW + 1 : 0 }))
  const lines = whoReadLines({ seq: 4, timeMs: NOW, text: 'hello' }, 'alice', marks.map(([member, delivered, read]) => ({ member, delivered, read })), members)
  assert.deepEqual(lines.filter((line) => line.includes(':')).map((line) => line.replace(/: +/, ': ')), ['read: bob', 'delivered: carol', 'not yet: dave'])
})

test('Tab completes commands, groups, members and people, and tells the choices', () => {
  const state = inGroup()
  const tabbed = (text: string): string => {
    update(state, { kind: 'key', key: { name: 'u', ctrl: true, meta: false, text: '' } })
    typeOnly(state, text)
    update(state, key('tab'))
    return lineText(state.line)
  }
  assert.equal(tabbed('/inv'), '/invite ')
  assert.equal(tabbed('/l'), '/l')
  assert.match(state.notice, /^\/list {2}\/leave$/)
  assert.equal(tabbed('/group re'), '/group re')
  assert.equal(tabbed('/group ren'), '/group rename ')
  assert.equal(tabbed('/group remove b'), '/group remove bob ')
  assert.equal(tabbed('/group role ad'), '/group role admin ')
  assert.equal(tabbed('/group role admin c'), '/group role admin carol ')
  assert.equal(tabbed('/group policy po'), '/group policy post=')
  assert.equal(tabbed('/group policy post=ad'), '/group policy post=admins ')
  assert.equal(tabbed('/invite d'), '/invite dave ')
  assert.equal(tabbed('/to #s'), '/to #skiing ')
  assert.equal(tabbed('good morning ca'), 'good morning carol ')
  assert.equal(tabbed('good morning zz'), 'good morning zz')
  assert.equal(tabbed('al'), 'al', 'not oneself')
  assert.equal(tabbed('see @ca'), 'see @carol ')
  assert.equal(tabbed('@ca'), '@carol ')
  tabbed('')
  update(state, key('escape'))
  assert.equal(tabbed('da'), 'dave ')
  assert.equal(update(state, key('return')).length, 1)
  assert.equal(state.open, 'dave')
})

test('the help lists every command about groups', () => {
  const state = listScreen()
  update(state, { kind: 'resize', columns: 80, rows: 70 })
  type(state, '/help')
  const help = shown(state).join('\n')
  for (const word of ['create', 'add', 'remove', 'role', 'owner', 'rename', 'about', 'picture', 'policy', 'link', 'unlink', 'deny', 'disband', 'info', 'leave']) assert.match(help, new RegExp(`/group ${word}`))
  for (const word of ['/who', '/read', '/invite', '/join', '/leave', 'Tab']) assert.ok(help.includes(word), word)
})

test('who declines an invitation, is turned down or no longer invited reads that, and not that it was in the group', () => {
  const cases: [string, Element, RegExp][] = [
    ['alice', naming('deny', 'alice'), /^ you decided not to join #skiing$/],
    ['bob', naming('deny', 'alice'), /^ the invitation to #skiing was taken back$/],
  ]
  for (const [from, what, pattern] of cases) {
    const state = listScreen('invited')
    type(state, '#skiing')
    update(state, change(4, from, what))
    assert.ok(has(state, pattern), shown(state).join('\n'))
    typeOnly(state, 'hello')
    assert.doesNotMatch(state.notice, /no longer/)
  }
  const state = listScreen('requested')
  type(state, '#skiing')
  update(state, change(4, 'bob', naming('deny', 'alice')))
  assert.ok(has(state, /^ you were not let into #skiing$/))
})

test('changes name contacts as the user does, and quotes and the list too', () => {
  const state = inGroup()
  update(state, { kind: 'contacts', contacts: new Map([['bob', 'Bobby B.'], ['erin', '']]) })
  update(state, change(4, 'bob', naming('add', 'erin', 'alice')))
  assert.ok(has(state, /· Bobby B\. added erin and you$/))
  update(state, { kind: 'message', conversation: '#skiing', message: { ...message(5, 'carol', 'yes!'), replyTo: 3 } })
  assert.ok(has(state, /↪ Bobby B\.: snow!$/))
  update(state, change(6, 'carol', naming('remove', 'bob')))
  update(state, key('escape'))
  assert.ok(has(state, /carol removed Bobby B\.$/))
})

test('[OPS-17] who is mentioned sees it, and of an answer that was deleted the quote goes as well', () => {
  const state = inGroup()
  update(state, { kind: 'message', conversation: '#skiing', message: { ...message(4, 'carol', 'hey @alice'), mentions: ['alice'], replyTo: 3 } })
  update(state, { kind: 'message', conversation: '#skiing', message: { ...message(5, 'carol', 'hey @bob'), mentions: ['bob'] } })
  assert.equal(shown(state).filter((line) => /^ +mentions you$/.test(line)).length, 1)
  assert.ok(has(state, /↪ bob: snow!$/))
  update(state, { kind: 'operation', conversation: '#skiing', operation: { seq: 6, from: 'carol', target: 4, kind: 'delete', text: '' } })
  assert.ok(!has(state, /↪/))
})

test('/who in a group says which of its members are online, as long as it is looked at', () => {
  const state = inGroup()
  type(state, '/who')
  const member = (user: string): GroupMember => ({ user, role: 'member', sinceMs: NOW })
  const info: GroupInfo = {
    group: '#skiing', name: 'Skiing', about: '', picture: '', createdMs: NOW, size: 3, role: 'member', policy: null,
    members: ['alice', 'bob', 'carol'].map(member), invited: [], requests: [], links: [],
  }
  const event = outcomeEvent({ group: '#skiing', action: { kind: 'info', code: null } }, { kind: 'info', info })
  assert.ok(event !== null)
  update(state, event)
  assert.deepEqual(watchedUsers(state).slice(0, 2), ['bob', 'carol'])
  assert.ok(has(state, /^ {3}bob +member +since [^●]*$/))
  update(state, { kind: 'presence', presence: { user: 'bob', isOnline: true, lastSeenMs: null } })
  assert.ok(has(state, /^ {3}bob +member +since .* {2}● online$/))
  assert.ok(!has(state, /^ {3}carol.*online/))
  update(state, key('escape'))
  assert.ok(!watchedUsers(state).includes('carol'))
})
