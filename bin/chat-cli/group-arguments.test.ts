import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCommand } from './arguments.js'
import { ChatFailure, EXIT } from './failure.js'
import type { GroupCommand } from './group-arguments.js'
import type { GroupRequest } from './group-words.js'

const ACCOUNT = ['--server', 'tcp://127.0.0.1:5322', '--user', 'alice', '--password-file', 'secret.txt']
const CODE = 'bm90IGEgcmVhbCBsaW5rIQ'

function command(...args: readonly string[]): GroupCommand {
  const parsed = parseCommand(['group', ...args, ...ACCOUNT])
  assert.equal(parsed.kind, 'group')
  return parsed
}

function change(change: object): GroupRequest {
  return { group: '#skiing', action: { kind: 'change', change } as GroupRequest['action'] }
}

const RIGHT: readonly (readonly [args: readonly string[], request: GroupRequest | null])[] = [
  [['list'], null],
  [['create', 'Skiing', '--name', 'Skiing in May', 'bob', 'Carol', 'post=admins'], { group: '#skiing', action: { kind: 'create', options: { name: 'Skiing in May', members: ['bob', 'carol'], policy: { post: 'admins' } } } }],
  [['create', '#skiing', '--about', 'snow'], { group: '#skiing', action: { kind: 'create', options: { about: 'snow', members: [], policy: {} } } }],
  [['info', 'skiing'], { group: '#skiing', action: { kind: 'info', code: null } }],
  [['info', `#skiing/${CODE}`], { group: '#skiing', action: { kind: 'info', code: CODE } }],
  [['add', 'skiing', 'bob', 'carol'], change({ kind: 'add', members: ['bob', 'carol'] })],
  [['invite', '#skiing', 'bob'], change({ kind: 'invite', members: ['bob'] })],
  [['remove', 'skiing', 'bob'], change({ kind: 'remove', members: ['bob'] })],
  [['deny', 'skiing', 'bob'], change({ kind: 'deny', members: ['bob'] })],
  [['role', 'skiing', 'admin', 'bob'], change({ kind: 'role', role: 'admin', members: ['bob'] })],
  [['owner', 'skiing', 'bob'], change({ kind: 'owner', members: ['bob'] })],
  [['rename', 'skiing', 'In the snow'], change({ kind: 'info', name: 'In the snow' })],
  [['about', 'skiing', ''], change({ kind: 'info', about: '' })],
  [['picture', 'skiing', 'snow.jpg'], { group: '#skiing', action: { kind: 'set-picture', path: 'snow.jpg' } }],
  [['picture', 'skiing', ''], { group: '#skiing', action: { kind: 'set-picture', path: '' } }],
  [['picture', 'skiing', '--out', '-', '--thumbnail'], { group: '#skiing', action: { kind: 'get-picture', wish: { out: '-', isSmall: true } } }],
  [['policy', 'skiing', 'post=admins', 'add=all', 'history=all'], change({ kind: 'policy', policy: { post: 'admins', add: 'all', history: 'all' } })],
  [['leave', 'skiing'], change({ kind: 'leave' })],
  [['disband', 'skiing'], change({ kind: 'disband' })],
  [['link', 'skiing'], { group: '#skiing', action: { kind: 'link', expiresInMs: null, uses: null, needsApproval: false } }],
  [['link', 'skiing', '--expires', '7d', '--uses', '3', '--approval'], { group: '#skiing', action: { kind: 'link', expiresInMs: 604_800_000, uses: 3, needsApproval: true } }],
  [['unlink', 'skiing', CODE], { group: '#skiing', action: { kind: 'unlink', code: CODE } }],
  [['unlink', 'skiing', `#skiing/${CODE}`], { group: '#skiing', action: { kind: 'unlink', code: CODE } }],
  [['join', 'skiing'], { group: '#skiing', action: { kind: 'join', code: null } }],
  [['join', 'skiing', CODE], { group: '#skiing', action: { kind: 'join', code: CODE } }],
  [['join', '#skiing/-A_b'], { group: '#skiing', action: { kind: 'join', code: '-A_b' } }],
]

for (const [args, request] of RIGHT) {
  test(`reads: chat group ${args.join(' ')}`, () => { assert.deepEqual(command(...args).request, request) })
}

test('the common options are those of the other commands', () => {
  const { account, json, timeoutMs } = command('list', '--json', '--timeout', '2', '--device', 'phone')
  assert.deepEqual([account.user, account.device, json, timeoutMs], ['alice', 'phone', true, 2000])
})

const WRONG: readonly (readonly string[])[] = [
  [], ['nonsense'], ['create'], ['create', '#'], ['create', 'a b'], ['create', 'skiing', 'no name'], ['create', 'skiing', '--uses', '3'],
  ['list', 'skiing'], ['add', 'skiing'], ['add', 'skiing/abc', 'bob'], ['role', 'skiing', 'bob'], ['role', 'skiing', 'owner', 'bob'],
  ['role', 'skiing', 'admin'], ['owner', 'skiing', 'bob', 'carol'], ['rename', 'skiing'], ['rename', 'skiing', 'two', 'words'], ['about', 'skiing'],
  ['policy', 'skiing'], ['policy', 'skiing', 'post=nobody'], ['policy', 'skiing', 'toString=all'], ['policy', 'skiing', 'post'],
  ['leave', 'skiing', 'bob'], ['leave', 'skiing', '--approval'], ['disband'], ['link', 'skiing', '--expires', 'soon'],
  ['link', 'skiing', '--uses', '0'], ['unlink', 'skiing'], ['join', 'skiing', 'bad code'], ['join', 'skiing', CODE, CODE], ['join', 'skiing/'],
]

for (const args of WRONG) {
  test(`refuses as a usage error in one line that names the help: chat group ${args.join(' ')}`, () => {
    assert.throws(() => parseCommand(['group', ...args, ...ACCOUNT]), (error) => {
      assert.ok(error instanceof ChatFailure)
      assert.equal(error.exitCode, EXIT.usage)
      assert.match(error.message, /^[^\n]+; see `chat group --help`$/)
      return true
    })
  })
}

test('without an account it says what is missing', () => {
  assert.throws(() => parseCommand(['group', 'list']), /--server URL is missing/)
})
