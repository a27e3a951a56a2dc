/** Groups from terminal to terminal: made, joined, talked in, changed and left, with lines for people and for scripts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Program } from './harness.js'
import { type Place, placeForFile, TIMEOUT_SECONDS } from './harness.js'

let place: Place
placeForFile(async (made) => {
  place = made
  await place.start()
  await place.addUsers('alice', 'bob', 'carol', 'dave', 'erin')
})

function group(user: string, ...words: readonly string[]): Program {
  return place.chat('group', user, words)
}

async function answer(user: string, ...words: readonly string[]): Promise<object> {
  const [object] = await group(user, ...words, '--json').finishJson<object>()
  return object ?? {}
}

async function refused(user: string, ...words: readonly string[]): Promise<string> {
  const program = group(user, ...words)
  assert.deepEqual(await program.finish(1), [])
  assert.match(program.stderr, /^chat: [^\n]+\n$/)
  return program.stderr.slice('chat: '.length).trim()
}

interface InfoJson {
  readonly size: number
  readonly role: string
  readonly policy: { readonly post: string } | null
  readonly members: readonly { readonly user: string; readonly role: string }[]
  readonly requests: readonly string[]
  readonly links: readonly { readonly code: string; readonly uses: number | null }[]
}

test('a group from its making to its end, each step by its own command', async () => {
  assert.deepEqual(await answer('alice', 'create', 'skiing', '--name', 'Skiing ⛷️', 'bob'), { group: '#skiing', seq: 1 })
  assert.deepEqual(await answer('alice', 'create', 'skiing'), { group: '#skiing', seq: 1 })
  assert.match(await refused('carol', 'create', 'skiing'), /^the name #skiing is taken/)
  assert.deepEqual(await answer('alice', 'add', 'skiing', 'bob'), { group: '#skiing', seq: 0 })
  assert.equal(await refused('bob', 'add', 'skiing', 'carol'), 'your role in #skiing does not allow that: ask an admin or the owner')
  assert.equal(await refused('alice', 'add', 'skiing', 'nobody-here'), 'there is no user nobody-here')
  assert.deepEqual(await answer('alice', 'role', 'skiing', 'admin', 'bob'), { group: '#skiing', seq: 2 })
  assert.deepEqual(await answer('bob', 'invite', '#skiing', 'carol'), { group: '#skiing', seq: 3 })
  assert.equal((await answer('carol', 'info', 'skiing') as InfoJson).role, 'invited')
  assert.deepEqual(await answer('carol', 'join', 'skiing'), { group: '#skiing', seq: 4 })
  await place.send('carol', '#skiing', ['snow!'])
  assert.deepEqual(await group('alice', 'policy', 'skiing', 'post=admins').finish(), ['#skiing: done, as number 6'])
  const muted = place.chat('send', 'carol', ['#skiing', 'more snow!'])
  await muted.finish(3)
  assert.match(muted.stderr, /^chat: the message to #skiing was refused: only admins may write in #skiing\n$/)
  await group('alice', 'rename', 'skiing', 'In the snow').finish()
  await group('alice', 'about', 'skiing', 'down and up').finish()
  await group('alice', 'owner', 'skiing', 'bob').finish()
  const info = await answer('bob', 'info', 'skiing') as InfoJson
  assert.deepEqual([info.size, info.role, info.policy?.post], [3, 'owner', 'admins'])
  assert.deepEqual(info.members.map(({ user, role }) => `${user} ${role}`), ['alice admin', 'bob owner', 'carol member'])
  assert.match((await group('carol', 'list').finish()).join('\n'), /^#skiing {2}In the snow {2}3 members {2}member$/m)
  await group('bob', 'remove', 'skiing', 'carol').finish()
  assert.equal(await refused('carol', 'info', 'skiing'), 'you are not in #skiing, or there is no such group')
  await group('alice', 'leave', 'skiing').finish()
  await group('bob', 'disband', 'skiing').finish()
  const list = await group('carol', 'list', '--json').finishJson<{ group: string; role: string }>()
  assert.deepEqual(list.map((one) => [one.group, one.role]), [['#skiing', 'former']])
})

test('links let people in, with approval or without, until they are used up or revoked', async () => {
  await group('alice', 'create', 'links').finish()
  const open = await answer('alice', 'link', 'links', '--uses', '1', '--expires', '7d') as { code: string; uses: number; expires: number; approval: boolean }
  assert.deepEqual([open.uses, open.approval], [1, false])
  assert.ok(Math.abs(open.expires - Date.now() - 604_800_000) < 60_000)
  assert.equal((await answer('bob', 'info', `#links/${open.code}`) as InfoJson).size, 1)
  assert.deepEqual(await answer('bob', 'join', `#links/${open.code}`), { group: '#links', seq: 2 })
  assert.equal(await refused('carol', 'join', `links/${open.code}`), 'the link to #links is unknown, revoked, expired or used up')
  const [text = ''] = await group('alice', 'link', 'links', '--approval').finish()
  const [link = ''] = text.split(' ')
  assert.match(text, /^#links\/[A-Za-z0-9_-]{22} {2}an admin approves$/)
  assert.deepEqual(await group('carol', 'join', link).finish(), ['asked to join #links: an admin has to approve'])
  await group('dave', 'join', link).finish()
  assert.deepEqual((await answer('bob', 'info', 'links') as InfoJson).requests, ['carol', 'dave'])
  await group('alice', 'deny', 'links', 'dave').finish()
  await group('alice', 'add', 'links', 'carol').finish()
  assert.deepEqual(await group('alice', 'unlink', link).finish(), [`${link} lets nobody in any more`])
  assert.match(await refused('dave', 'join', link), /^the link to #links is unknown/)
  const info = await answer('alice', 'info', 'links') as InfoJson
  assert.deepEqual([info.members.map(({ user }) => user), info.links], [['alice', 'bob', 'carol'], []])
})

test('[GRP-2] recv and history show changes in their place among the messages', async () => {
  const state = ['--device', 'reader', '--timeout', TIMEOUT_SECONDS]
  await group('alice', 'create', 'places', 'erin').finish()
  await place.send('alice', '#places', ['first'])
  await group('alice', 'role', 'places', 'admin', 'erin').finish()
  const withoutTime = (line: string): string => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/, '')
  const places = (await place.chat('recv', 'erin', ['--count', '3', ...state]).finish()).map(withoutTime)
  assert.deepEqual(places, ['alice made #places with erin', 'alice → #places: first', 'alice made erin an admin of #places'])
  const page = await place.chat('history', 'erin', ['--json', '--with', '#places']).finishJson<{ seq: number; text?: string; change?: object }>()
  assert.deepEqual(page.map(({ seq, text, change }) => [seq, text, change !== undefined]), [[1, undefined, true], [2, 'first', false], [3, undefined, true]])
  assert.deepEqual(page[2]?.change, { name: 'role', attributes: { role: 'admin' }, members: ['erin'] })
  const [last] = await place.chat('history', 'erin', ['--limit', '1', '--with', '#places']).finish()
  assert.equal(withoutTime(last ?? ''), 'alice made erin an admin of #places')
})

test('[OPS-17] @name in a message for a group mentions a member', async () => {
  await group('alice', 'create', 'mentioned', 'erin').finish()
  await place.send('alice', '#mentioned', ['@erin, see @nobody'])
  const [message] = await place.chat('history', 'erin', ['#mentioned', '--json', '--limit', '1']).finishJson<{ mentions?: string[] }>()
  assert.deepEqual(message?.mentions, ['erin', 'nobody'])
})
