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

test('knows the commands for invites and the index', () => {
  const create = parseCommand(['invite', 'create', '--uses', '3', '--expires', '12h', '--json', '--data', 'd'])
  assert.ok(create.kind === 'invite')
  assert.deepEqual(create.invite, { action: 'create', id: '', uses: 3, ageMs: 43_200_000, json: true })
  const plain = parseCommand(['invite', 'create'])
  assert.ok(plain.kind === 'invite' && plain.invite.uses === 1 && plain.invite.ageMs === 7 * 86_400_000)
  const forever = parseCommand(['invite', 'create', '--expires', 'never'])
  assert.ok(forever.kind === 'invite' && forever.invite.ageMs === null)
  const revoke = parseCommand(['invite', 'revoke', '7m4hx2kq'])
  assert.ok(revoke.kind === 'invite' && revoke.invite.id === '7m4hx2kq')
  assert.equal(parseCommand(['search', 'rebuild', '--data', 'd']).kind, 'search-rebuild')
  const disable = parseCommand(['user', 'disable', 'bob'])
  assert.ok(disable.kind === 'user' && disable.action === 'disable')
})

test('knows the commands for clusters', () => {
  const of = (...args: string[]): unknown => {
    const command = parseCommand(['cluster', ...args])
    assert.ok(command.kind === 'cluster')
    return command.command
  }
  assert.deepEqual(of('status', '--json', '--data', 'd'), { action: 'status', json: true })
  assert.deepEqual(of('drain', 'n1'), { action: 'drain', node: 'n1' })
  assert.deepEqual(of('move', '0', 'n2'), { action: 'move', shard: 0, node: 'n2' })
  assert.deepEqual(of('secret', '--out', 'f'), { action: 'secret', file: 'f' })
  assert.deepEqual(of('leave'), { action: 'leave' })
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
    [['cluster'], /say what to do/],
    [['cluster', 'drain'], /needs the name of a node/],
    [['cluster', 'move', 'n1'], /the number of a shard/],
    [['cluster', 'move', '1.5', 'n1'], /the number of a shard/],
    [['cluster', 'move', '0'], /needs the name of a node/],
    [['cluster', 'status', 'n1'], /takes no n1/],
    [['cluster', 'forget', 'n1', 'n2'], /n2 is too much/],
    [['cluster', 'secret'], /--out FILE/],
    [['cluster', 'split'], /no chatd cluster split/],
    [['user', 'add'], /chatd user add needs a name/],
    [['user', 'rename', 'x'], /no chatd user rename/],
    [['user', 'list', 'x'], /takes no name/],
    [['invite'], /say what to do/],
    [['invite', 'make'], /no chatd invite make/],
    [['invite', 'revoke'], /which invite/],
    [['invite', 'list', 'x'], /x is too much/],
    [['invite', 'create', '--uses', '0'], /--uses/],
    [['invite', 'create', '--uses', '1000001'], /--uses/],
    [['invite', 'create', '--expires', 'tomorrow'], /--expires/],
    [['user', 'disable'], /chatd user disable needs a name/],
    [['search'], /say what to do: rebuild/],
    [['cert'], /--out DIR/],
    [['cert', '--out', 'd', '--days', '0'], /--days/],
    [['split', 'd'], /--to DIR/],
    [['split', 'd', '--to', 'e'], /--shards/],
    [['split', 'd', '--to', 'e', '--shards', '0'], /from 1 to 256/],
    [['split', 'd', '--to', 'e', '--shards', '257'], /from 1 to 256/],
  ]
  for (const [args, message] of wrong) {
    assert.throws(() => parseCommand(args), (error) => error instanceof CommandFailure && error.exitCode === EXIT.usage && message.test(error.message) && !error.message.includes('\n'), args.join(' '))
  }
})

test('has help on everything, and a text for every exit code', () => {
  for (const topic of ['start', 'user', 'invite', 'search', 'config', 'split', 'cert']) {
    assert.deepEqual(parseCommand([topic, '--help']), { kind: 'help', topic })
    assert.match(HELP[topic] ?? '', new RegExp(`^chatd ${topic}: `))
  }
  for (const args of [[], ['--help'], ['-h'], ['help']]) assert.deepEqual(parseCommand(args), { kind: 'help', topic: '' })
  assert.deepEqual(EXIT_TEXTS.map(([code]) => code), Object.values(EXIT))
})
