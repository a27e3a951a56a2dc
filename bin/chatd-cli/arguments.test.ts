import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommand } from './arguments.js'
import { CommandFailure, EXIT, EXIT_TEXTS } from './failure.js'
import { HELP } from './help.js'

test('turns options into settings', () => {
  const command = parseCommand(['start', '--data', 'd', '--config', 'f', '--listen', 'tcp://127.0.0.1:1', '--listen', 'ws://127.0.0.1:2', '--set', 'log.level=warn'])
  assert.ok(command.kind === 'start')
  assert.equal(command.config.file, 'f')
  assert.deepEqual(Object.fromEntries(command.config.flags), {
    'log.level': 'warn', 'data.directory': 'd', 'listen.urls': 'tcp://127.0.0.1:1,ws://127.0.0.1:2',
  })
})

test('knows the commands for accounts', () => {
  const add = parseCommand(['user', 'add', 'alice', '--data', 'd', '--password-stdin'])
  assert.ok(add.kind === 'user' && add.action === 'add' && add.name === 'alice' && add.passwordStdin)
  assert.ok(parseCommand(['user', '--data', 'd', 'list', '--json']).kind === 'user-list')
  assert.ok(parseCommand(['user', 'import']).kind === 'user-import')
})

test('makes a certificate for this machine unless told otherwise', () => {
  const command = parseCommand(['cert', '--out', 'd'])
  assert.ok(command.kind === 'cert')
  assert.deepEqual([command.hosts, command.days], [['localhost', '127.0.0.1', '::1'], 90])
})

test('refuses what it does not know, naming the help to read', () => {
  const wrong: [string[], RegExp][] = [
    [['serve'], /no command serve; see `chatd --help`/],
    [['start', 'now'], /now is too much; see `chatd start --help`/],
    [['start', '--port', '1'], /Unknown option '--port'; see `chatd start --help`/],
    [['start', '--data'], /--data <value>' argument missing/],
    [['start', '--set', 'x'], /--set takes NAME=VALUE/],
    [['user'], /say what to do/],
    [['user', 'add'], /chatd user add needs a name/],
    [['user', 'rename', 'x'], /no chatd user rename/],
    [['user', 'list', 'x'], /takes no name/],
    [['cert'], /--out DIR/],
    [['cert', '--out', 'd', '--days', '0'], /--days/],
  ]
  for (const [args, message] of wrong) {
    assert.throws(() => parseCommand(args), (error) => error instanceof CommandFailure && error.exitCode === EXIT.usage && message.test(error.message) && !error.message.includes('\n'), args.join(' '))
  }
})

test('has help on everything, and a text for every exit code', () => {
  for (const topic of ['start', 'user', 'config', 'cert']) {
    assert.deepEqual(parseCommand([topic, '--help']), { kind: 'help', topic })
    assert.match(HELP[topic] ?? '', new RegExp(`^chatd ${topic}: `))
  }
  for (const args of [[], ['--help'], ['-h'], ['help']]) assert.deepEqual(parseCommand(args), { kind: 'help', topic: '' })
  assert.deepEqual(EXIT_TEXTS.map(([code]) => code), Object.values(EXIT))
})
