/** Profiles, contacts, blocking, reports and flags as people and operators use them: from terminal to terminal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageJson } from './harness.js'
import { type Place, placeForFile, TIMEOUT_SECONDS } from './harness.js'

let place: Place
placeForFile(async (made) => {
  place = made
  await place.start('tcp')
  await place.addUsers('alice', 'bob', 'mallory')
})

function json(command: string, user: string, ...options: readonly string[]): Promise<Record<string, unknown>[]> {
  return place.chat(command, user, [...options, '--json']).finishJson<Record<string, unknown>>()
}

test('[PRF-19] a profile is set and shown, the address before the name', async () => {
  const [set] = await json('profile set', 'alice', '--name', 'Alice 🌻', '--about', 'back on Monday')
  assert.deepEqual({ ...set, version: 0 }, { user: 'alice', name: 'Alice 🌻', about: 'back on Monday', picture: '', version: 0 })
  assert.deepEqual(await json('profile get alice', 'bob'), [set])
  assert.deepEqual(await place.chat('profile get alice', 'bob', []).finish(), ['alice  ~ Alice 🌻  "back on Monday"'])
  assert.deepEqual(await place.chat('profile set', 'mallory', ['--name', 'Alice 🌻']).finish(), [])
  assert.deepEqual(await place.chat('profile get mallory', 'bob', []).finish(), ['mallory  ~ Alice 🌻'])
  const nobody = place.chat('profile get nobody', 'bob', [])
  await nobody.finish(1)
  assert.match(nobody.stderr, /^chat: [^\n]*no user nobody[^\n]*\n$/i)
  const reversed = place.chat('profile set', 'mallory', ['--name', 'ecilA\u202e'])
  await reversed.finish(1)
})

test('contacts are added, named, listed and removed', async () => {
  assert.deepEqual(await json('contacts set bob Bobby', 'alice'), [{ user: 'bob', name: 'Bobby', version: 1 }])
  await place.chat('contacts set mallory', 'alice', []).finish()
  assert.deepEqual(await json('contacts list', 'alice'), [{ user: 'bob', name: 'Bobby' }, { user: 'mallory', name: '' }])
  assert.deepEqual(await place.chat('contacts list', 'alice', []).finish(), ['bob  Bobby', 'mallory'])
  assert.deepEqual(await json('contacts remove mallory', 'alice'), [{ user: 'mallory', removed: true, version: 3 }])
  assert.deepEqual((await json('contacts list', 'alice')).length, 1)
})

test('what a blocked user sends never arrives; the operator sees what was reported, and closes it', async () => {
  await place.send('mallory', 'bob', ['buy \u001b[31mthis'])
  assert.deepEqual((await place.receive('bob', 1)).map(({ text }) => text), ['buy \u001b[31mthis'])
  assert.deepEqual(await json('report mallory spam', 'bob', '--block'), [{ conversation: 'mallory', reported: true }])
  await place.send('mallory', 'bob', ['and that'])
  await place.send('alice', 'bob', ['hello'])
  assert.deepEqual((await place.receive('bob', 1)).map(({ text }) => text), ['hello'])
  const [blocked] = await json('blocked', 'bob')
  assert.equal(blocked?.['user'], 'mallory')
  const refused = place.chat('send', 'bob', ['mallory', 'stop it'])
  await refused.finish(3)
  assert.match(refused.stderr, /blocked/)
  assert.deepEqual(await json('unblock mallory', 'bob'), [{ user: 'mallory', blocked: false, version: 2 }])
  await place.send('mallory', 'bob', ['again'])
  assert.deepEqual((await place.receive('bob', 1)).map(({ text }) => text), ['again'])
  const history = await place.chat('history', 'bob', ['--json', '--with', 'mallory']).finishJson<MessageJson>()
  assert.deepEqual(history.map(({ seq }) => seq), [1, 3])

  const operator = (...args: readonly string[]): Promise<string[]> => place.run('chatd', ['report', ...args, '--data', place.data]).finish()
  const [line = ''] = await operator('list', '--json')
  const report = JSON.parse(line) as { id: number; messages: { text: string }[] }
  assert.deepEqual({ ...report, time: 0, messages: report.messages.map(({ text }) => text) },
    { id: 1, time: 0, reporter: 'bob', conversation: 'mallory', reason: 'spam', messages: ['buy \u001b[31mthis'] })
  const shown = await operator('show', '1')
  assert.match(shown[0] ?? '', /^1\t.*\tbob reports mallory\tspam$/)
  assert.ok(!shown.join('').includes('\u001b'), 'nothing of it acts on the terminal')
  assert.deepEqual(await operator('close', '1'), ['report 1 closed'])
  assert.deepEqual(await operator('list'), [])
  await place.run('chatd', ['report', 'show', '1', '--data', place.data]).finish(1)
})

test('flags are set for all devices of the user', async () => {
  await place.send('alice', 'bob', ['for the flags'])
  const [muted] = await json('mute bob', 'alice', '--for', '8h')
  const until = Number(muted?.['mutedUntil'])
  assert.ok(Math.abs(until - Date.now() - 8 * 3_600_000) < Number(TIMEOUT_SECONDS) * 1000)
  assert.deepEqual(await json('pin bob', 'alice', '--device', 'other'), [{ conversation: 'bob', mutedUntil: until, archived: false, pinned: true, marked: false }])
  await place.chat('unmute bob', 'alice', []).finish()
  await place.chat('unpin bob', 'alice', []).finish()
  assert.deepEqual(await json('archive bob', 'alice'), [{ conversation: 'bob', mutedUntil: 0, archived: true, pinned: false, marked: false }])
  assert.deepEqual(await json('mute bob', 'alice'), [{ conversation: 'bob', mutedUntil: 'forever', archived: true, pinned: false, marked: false }])
})

test('wrong arguments are told apart before anybody is asked', async () => {
  const wrong = ['profile', 'profile set', 'profile get a b', 'contacts', 'contacts set', 'contacts list x', 'block', 'block a b', 'report bob', 'blocked x', 'pin']
  for (const command of wrong) await place.chat(command, 'alice', []).finish(2)
  await place.chat('mute bob', 'alice', ['--for', '5 minutes']).finish(2)
  for (const args of [['report'], ['report', 'show'], ['report', 'show', 'x'], ['report', 'list', '1'], ['report', 'burn', '1']]) {
    await place.run('chatd', [...args, '--data', place.data]).finish(2)
  }
})
