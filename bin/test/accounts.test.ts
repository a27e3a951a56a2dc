/** Accounts, invites and search by the terminal client against a real server. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import { freePort } from '../../server/testing/free-port.js'
import type { MessageJson } from './harness.js'
import { Place, TIMEOUT_SECONDS } from './harness.js'

async function placeByInvite(t: TestContext, environment: Record<string, string> = {}): Promise<Place> {
  const place = await Place.make(t)
  Object.assign(place.environment, { CHATD_AUTH_REGISTRATION: 'invite', CHATD_AUTH_USER_INVITES: '3' }, environment)
  await place.start()
  return place
}

async function password(place: Place, user: string): Promise<string> {
  await writeFile(place.path(`${user}.password`), `password of ${user}\n`)
  return place.path(`${user}.password`)
}

test('an invite makes an account, its user invites the next, and they talk', async (t) => {
  const place = await placeByInvite(t)
  const [code = ''] = await place.run('chatd', ['invite', 'create', '--data', place.data]).finish()
  const file = await password(place, 'alice')
  const register = (user: string, rest: readonly string[]): ReturnType<Place['run']> =>
    place.run('chat', ['register', user, '--server', place.url('ws'), ...rest])
  assert.deepEqual(await register('Alice', ['--password-file', file, '--invite', code, '--json']).finish(), ['{"user":"alice"}'])

  const [made] = await place.chat('invite create', 'alice', ['--json', '--uses', '2']).finishJson<{ id: string, code: string, uses: number }>()
  assert.equal(made?.uses, 2)
  await writeFile(place.path('code'), ` ${made?.code.toUpperCase() ?? ''}\n`)
  await register('bob', ['--password-file', await password(place, 'bob'), '--invite-file', place.path('code')]).finish()
  place.environment['CHAT_INVITE'] = made?.code ?? ''
  await register('carol', ['--password-file', await password(place, 'carol')]).finish()
  const refused = register('dave', ['--password-file', file])
  await refused.finish(4)
  assert.equal(refused.stderr, 'chat: an invite code is needed, and this is none that works: it may be mistyped, used, expired or revoked\n')
  const [listed] = await place.chat('invite list', 'alice', ['--json']).finishJson<{ id: string, state: string, used: number }>()
  assert.deepEqual([listed?.id, listed?.state, listed?.used], [made?.id, 'used', 2])
  const [last = ''] = await place.chat('invite create', 'alice', []).finish()
  await place.chat(`invite revoke ${last.slice(0, 8)}`, 'alice', []).finish()
  await place.chat('invite revoke', 'alice', ['zzzzzzzz']).finish(1)

  await place.send('bob', 'carol', ['we are in'])
  assert.equal((await place.receive('carol', 1))[0]?.text, 'we are in')
  const open = register('erin', ['--password-file', file, '--timeout', TIMEOUT_SECONDS, '--invite', last])
  await open.finish(4)
})

test('register says what is wrong: no server for it, a name that is taken, nobody to ask', async (t) => {
  const place = await placeByInvite(t, { CHATD_AUTH_REGISTRATION: 'open' })
  const file = await password(place, 'alice')
  const register = (user: string, rest: readonly string[]): ReturnType<Place['run']> => place.run('chat', ['register', user, '--server', place.url(), ...rest])
  const nobody = `tcp://127.0.0.1:${await freePort()}`
  // The node that is down is passed over.
  const first = place.run('chat', ['register', 'alice', '--server', `${nobody},${place.url()}`, '--password-file', file])
  assert.deepEqual(await first.finish(), ['alice has an account now'])
  const taken = register('alice', ['--password-file', await password(place, 'bob')])
  await taken.finish(4)
  assert.equal(taken.stderr, 'chat: the name alice is taken: choose another\n')
  const silent = register('bob', [])
  await silent.finish(2)
  assert.match(silent.stderr, /--password-file/)
  await place.server?.kill('SIGTERM')
  place.environment['CHATD_AUTH_REGISTRATION'] = 'closed'
  await place.start()
  const closed = register('bob', ['--password-file', file])
  await closed.finish(4)
  assert.match(closed.stderr, /does not let people make accounts/)
})

test('search finds messages newest first, page by page, also after a restart and a rebuild', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const lines = Array.from({ length: 300 }, (_, at) => at % 3 === 0 ? `Grüße Nr. ${String(at)}` : `line ${String(at)}`)
  await place.send('alice', 'bob', lines)
  const search = (user: string, options: readonly string[]): Promise<MessageJson[]> => place.chat('search', user, ['--json', ...options]).finishJson<MessageJson>()
  const seqs = (found: readonly MessageJson[]): number[] => found.map(({ seq }) => seq)
  const expected = lines.flatMap((line, at) => line.startsWith('Gr') ? [at + 1] : []).reverse()
  assert.deepEqual(seqs(await search('bob', ['grusse', '--limit', '1000'])), expected)
  assert.deepEqual(seqs(await search('alice', ['grusse', 'n', '--with', 'bob', '--limit', '3'])), expected.slice(0, 3))
  assert.deepEqual(seqs(await search('bob', ['grusse', '--from', 'bob'])), [])
  await place.server?.kill('SIGKILL')
  await place.start()
  await place.run('chatd', ['search', 'rebuild', '--data', place.data]).finish().then((output) => {
    assert.deepEqual(output, ['1 conversation, 1 full segment indexed; what is in none yet is found without'])
  })
  assert.deepEqual(seqs(await search('bob', ['GRÜSSE', '--limit', '1000'])), expected)
  const [text = ''] = await place.chat('search', 'bob', ['line', '299']).finish()
  assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}alice: line 299$/)
  assert.deepEqual(await place.chat('search', 'bob', ['nothing', 'of', 'this']).finish(), [])
  await place.chat('search', 'bob', ['?!']).finish(1)
  await place.chat('search', 'bob', ['x', '--with', 'nobody']).finish(1)
})
