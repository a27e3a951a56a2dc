import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Command } from './arguments.js'
import { parseCommand } from './arguments.js'
import { ChatFailure, EXIT } from './failure.js'
import { helpText } from './help.js'

const ACCOUNT = ['--server', 'tcp://127.0.0.1:5322', '--user', 'alice', '--password-file', 'secret.txt']

function command<K extends Command['kind']>(kind: K, args: readonly string[]): Extract<Command, { kind: K }> {
  const parsed = parseCommand(args)
  assert.equal(parsed.kind, kind)
  return parsed as Extract<Command, { kind: K }>
}

test('send takes one text, or - for the lines of stdin, before or after the options', () => {
  assert.equal(command('send', ['send', ...ACCOUNT, 'bob', 'hi there']).text, 'hi there')
  const lines = command('send', ['send', 'bob', '-', ...ACCOUNT, '--json'])
  assert.equal(lines.text, null)
  assert.equal(lines.to, 'bob')
  assert.equal(lines.json, true)
  assert.equal(lines.timeoutMs, 60_000)
  assert.equal(command('send', ['send', ...ACCOUNT, 'bob', '--', '-x']).text, '-x')
})

test('send takes files, with a text or without one', () => {
  const files = command('send', ['send', ...ACCOUNT, '--file', 'a.jpg', '--file', 'b.mp4', '--strip', 'bob'])
  assert.deepEqual([files.to, files.text, files.files, files.strip], ['bob', '', ['a.jpg', 'b.mp4'], true])
  assert.deepEqual(command('send', ['send', '--file', 'a.jpg', 'bob', 'look', ...ACCOUNT]).text, 'look')
  assert.deepEqual(command('send', ['send', ...ACCOUNT, 'bob', 'hi']).files, [])
  assert.deepEqual(command('send', ['send', ...ACCOUNT, '--file=-a.jpg', 'bob']).files, ['-a.jpg'])
})

test('a value that begins with - is asked for in a form that can be told from an option', () => {
  assert.throws(() => parseCommand(['send', ...ACCOUNT, '--file', '-a.jpg', 'bob']), /--file has no value, or one that begins with -: write --file=VALUE; see `chat send --help`/)
  assert.throws(() => parseCommand(['send', ...ACCOUNT, 'bob', 'look', '--file']), /--file has no value|argument missing/)
})

test('fetch names a message, and perhaps one of its files', () => {
  const plain = command('fetch', ['fetch', ...ACCOUNT, '#skiing', '12'])
  assert.deepEqual([plain.conversation, plain.seq, plain.number, plain.out, plain.thumbnail], ['#skiing', 12, null, null, false])
  const narrow = command('fetch', ['fetch', ...ACCOUNT, 'bob', '12', '2', '--out', '-', '--thumbnail'])
  assert.deepEqual([narrow.number, narrow.out, narrow.thumbnail], [2, '-', true])
  assert.equal(command('blobs', ['blobs', ...ACCOUNT, '--json']).json, true)
})

test('a profile has a picture from a file, and shows it', () => {
  assert.deepEqual(command('people', ['profile', 'set', ...ACCOUNT, '--picture', 'me.jpg']).action, { kind: 'profile-set', name: undefined, about: undefined, picture: 'me.jpg' })
  assert.deepEqual(command('people', ['profile', 'picture', 'bob', ...ACCOUNT, '--out', 'bob.webp']).action, { kind: 'profile-picture', user: 'bob', wish: { out: 'bob.webp', isSmall: false } })
  assert.deepEqual(command('people', ['profile', 'picture', ...ACCOUNT, '--thumbnail']).action, { kind: 'profile-picture', user: null, wish: { out: null, isSmall: true } })
})

test('recv ends after --count or --timeout and never by itself', () => {
  const plain = command('recv', ['recv', ...ACCOUNT])
  assert.deepEqual([plain.count, plain.timeoutMs, plain.json], [null, null, false])
  const bounded = command('recv', ['recv', ...ACCOUNT, '--count', '3', '--timeout', '0.5', '--device', 'phone', '--state', 's', '--ca', 'c.pem', '--allow-plaintext'])
  assert.deepEqual([bounded.count, bounded.timeoutMs], [3, 500])
  assert.deepEqual(bounded.account, {
    server: 'tcp://127.0.0.1:5322', user: 'alice', passwordFile: 'secret.txt', device: 'phone', stateRoot: 's', certificateFile: 'c.pem',
    allowsPlaintext: true,
  })
  assert.equal(plain.account.allowsPlaintext, false)
})

test('history pages by --before and --limit', () => {
  const page = command('history', ['history', ...ACCOUNT, '--with', 'bob', '--before', '12', '--limit', '5'])
  assert.deepEqual([page.conversation, page.before, page.limit], ['bob', 12, 5])
  assert.equal(command('history', ['history', ...ACCOUNT, '--with', 'bob']).before, null)
  assert.equal(command('history', ['history', ...ACCOUNT, 'bob']).conversation, 'bob')
})

test('devices lists, or removes one', () => {
  assert.equal(command('devices', ['devices', ...ACCOUNT]).remove, null)
  assert.equal(command('devices', ['devices', 'remove', 'tablet', ...ACCOUNT]).remove, 'tablet')
})

test('presence takes users, and with --watch no end', () => {
  const once = command('presence', ['presence', ...ACCOUNT, 'bob', 'carol'])
  assert.deepEqual([once.users, once.watch, once.timeoutMs], [['bob', 'carol'], false, 60_000])
  assert.equal(command('presence', ['presence', 'bob', '--watch', ...ACCOUNT]).timeoutMs, null)
  assert.equal(command('presence', ['presence', 'bob', '--watch', '--timeout', '5', ...ACCOUNT]).timeoutMs, 5000)
})

test('privacy shows the settings, or sets those named', () => {
  assert.deepEqual(command('privacy', ['privacy', ...ACCOUNT]).change, {})
  assert.deepEqual(command('privacy', ['privacy', 'get', ...ACCOUNT]).change, {})
  const change = command('privacy', ['privacy', 'set', ...ACCOUNT, '--seen', 'except', '--except', 'bob, carol,']).change
  assert.deepEqual(change, { seen: 'except', except: ['bob', 'carol'] })
  assert.deepEqual(command('privacy', ['privacy', 'set', ...ACCOUNT, '--online', 'nobody', '--except', '']).change, { online: 'nobody', except: [] })
})

test('register needs a name and a server; the rest can be asked for', () => {
  const asked = command('register', ['register', 'carol', '--server', 'tcp://127.0.0.1:5322'])
  assert.deepEqual([asked.account.user, asked.asksPassword, asked.invite, asked.inviteFile], ['carol', true, null, null])
  const given = command('register', ['register', ...ACCOUNT, '--invite-file', 'code.txt', '--json'])
  assert.deepEqual([given.account.user, given.account.passwordFile, given.asksPassword, given.inviteFile, given.json], ['alice', 'secret.txt', false, 'code.txt', true])
  assert.equal(command('register', ['register', 'carol', '--server', 'tcp://h', '--invite', 'x-y']).invite, 'x-y')
})

test('invite makes, lists and revokes', () => {
  const create = command('invite', ['invite', 'create', ...ACCOUNT, '--uses', '2', '--expires', '30m'])
  assert.deepEqual([create.action, create.uses, create.ageMs], ['create', 2, 1_800_000])
  assert.deepEqual(command('invite', ['invite', 'list', ...ACCOUNT]).uses, null)
  assert.equal(command('invite', ['invite', 'revoke', '7m4hx2kq', ...ACCOUNT]).id, '7m4hx2kq')
})

test('search takes words, and what narrows them', () => {
  const plain = command('search', ['search', ...ACCOUNT, 'good', 'mor'])
  assert.deepEqual([plain.words, plain.conversation, plain.from, plain.sinceMs, plain.limit], ['good mor', null, null, null, 50])
  const narrow = command('search', ['search', ...ACCOUNT, 'tea', '--with', 'bob', '--from', 'bob', '--since', '2026-01-31', '--until', '2026-02-01T10:00Z', '--limit', '7'])
  assert.deepEqual([narrow.conversation, narrow.from, narrow.limit], ['bob', 'bob', 7])
  assert.equal(narrow.sinceMs, new Date(2026, 0, 31).getTime())
  assert.equal(narrow.untilMs, Date.UTC(2026, 1, 1, 10))
})

test('without a command the interactive program asks for what is missing', () => {
  assert.equal(command('screen', []).account.server, null)
  assert.equal(command('screen', ['--server', 'wss://chat.example', '--user', 'bob']).account.server, 'wss://chat.example')
})

test('--help works on everything, and every help names its exit codes', () => {
  for (const topic of ['send', 'fetch', 'blobs', 'recv', 'history', 'devices', 'presence', 'privacy', 'register', 'invite', 'search', 'group'] as const) {
    assert.deepEqual(parseCommand([topic, '--help']), { kind: 'help', topic })
    assert.deepEqual(parseCommand(['help', topic]), { kind: 'help', topic })
    assert.match(helpText(topic), /exit codes:/)
  }
  assert.deepEqual(parseCommand(['-h']), { kind: 'help', topic: 'chat' })
  assert.deepEqual(parseCommand(['help']), { kind: 'help', topic: 'chat' })
  assert.throws(() => parseCommand(['help', 'sned']), /there is no command 'sned'/)
  assert.deepEqual(parseCommand(['--version']), { kind: 'version' })
  for (const topic of ['chat', 'send', 'fetch', 'blobs', 'recv', 'history', 'devices', 'presence', 'privacy', 'register', 'invite', 'search', 'group'] as const) {
    for (const line of helpText(topic).split('\n')) assert.ok(line.length <= 130, line)
  }
})

const WRONG: readonly (readonly string[])[] = [
  ['nonsense'],
  ['send', ...ACCOUNT],
  ['send', ...ACCOUNT, 'bob'],
  ['send', ...ACCOUNT, 'bob', 'two', 'words'],
  ['send', '--server', 'tcp://h:1', '--user', 'a', 'bob', 'hi'],
  ['send', '--server', 'http://h:1', '--user', 'a', '--password-file', 'f', 'bob', 'hi'],
  ['send', '--server', 'tcp://', '--user', 'a', '--password-file', 'f', 'bob', 'hi'],
  ['send', '--server', 'tcp://h:99999', '--user', 'a', '--password-file', 'f', 'bob', 'hi'],
  ['send', '--server', 'tcp://user:secret@h:1', '--user', 'a', '--password-file', 'f', 'bob', 'hi'],
  ['send', ...ACCOUNT, '--unknown', 'bob', 'hi'],
  ['send', ...ACCOUNT, '--timeout', 'soon', 'bob', 'hi'],
  ['send', ...ACCOUNT, '--device', '', 'bob', 'hi'],
  ['send', ...ACCOUNT, '--file', 'a.jpg'],
  ['send', ...ACCOUNT, '--file', 'a.jpg', 'bob', '-'],
  ['send', ...ACCOUNT, '--file', '', 'bob'],
  ['send', ...ACCOUNT, '--strip', 'bob', 'hi'],
  ['send', ...ACCOUNT, ...Array.from({ length: 11 }, (_, at) => ['--file', `f${String(at)}`]).flat(), 'bob'],
  ['fetch', ...ACCOUNT, 'bob'],
  ['fetch', ...ACCOUNT, 'bob', '0'],
  ['fetch', ...ACCOUNT, 'bob', '7', 'x'],
  ['fetch', ...ACCOUNT, 'bob', '7', '1', '2'],
  ['blobs', ...ACCOUNT, 'bob'],
  ['profile', 'get', 'bob', ...ACCOUNT, '--out', 'f'],
  ['profile', 'picture', 'bob', 'carol', ...ACCOUNT],
  ['recv', ...ACCOUNT, 'bob'],
  ['recv', ...ACCOUNT, '--count', '0'],
  ['recv', ...ACCOUNT, '--count', '1.5'],
  ['recv', ...ACCOUNT, '--timeout', '99999999999'],
  ['history', ...ACCOUNT],
  ['history', ...ACCOUNT, 'bob', 'carol'],
  ['history', ...ACCOUNT, 'bob', '--with', 'carol'],
  ['history', ...ACCOUNT, '--with', 'bob', '--limit', '-1'],
  ['devices', ...ACCOUNT, 'remove'],
  ['presence', ...ACCOUNT],
  ['presence', ...ACCOUNT, ...Array.from({ length: 257 }, (_, i) => `u${String(i)}`)],
  ['privacy', ...ACCOUNT, 'set'],
  ['privacy', ...ACCOUNT, 'get', '--seen', 'nobody'],
  ['privacy', ...ACCOUNT, 'set', '--seen', 'friends'],
  ['privacy', ...ACCOUNT, 'put'],
  ['devices', ...ACCOUNT, 'destroy', 'tablet'],
  ['register', '--server', 'tcp://h'],
  ['register', 'carol'],
  ['register', 'carol', ...ACCOUNT],
  ['register', 'carol', 'dave', '--server', 'tcp://h'],
  ['register', 'carol', '--server', 'tcp://h', '--invite', 'a', '--invite-file', 'f'],
  ['register', 'carol', '--server', 'tcp://h', '--password', 'secret'],
  ['invite', ...ACCOUNT],
  ['invite', 'revoke', ...ACCOUNT],
  ['invite', 'list', 'x', ...ACCOUNT],
  ['invite', 'create', ...ACCOUNT, '--uses', '0'],
  ['invite', 'create', ...ACCOUNT, '--expires', 'never'],
  ['search', ...ACCOUNT],
  ['search', 'x', ...ACCOUNT, '--since', 'yesterday'],
  ['search', 'x', ...ACCOUNT, '--limit', '0'],
]

for (const args of WRONG) {
  test(`refuses as a usage error in one line that names the help: chat ${args.join(' ')}`, () => {
    assert.throws(() => parseCommand(args), (error) => {
      assert.ok(error instanceof ChatFailure)
      assert.equal(error.exitCode, EXIT.usage)
      assert.match(error.message, /^[^\n]+; see `chat [a-z ]*--help`$/)
      return true
    })
  })
}
