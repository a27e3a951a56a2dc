/** The interactive program against a real server, through a keyboard and a terminal of streams. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { Place } from './harness.js'
import type { Seat } from './seat.js'
import { signIn, sit } from './seat.js'

async function placeWithUsers(t: TestContext): Promise<Place> {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  return place
}

test('two people chat, one over WebSocket: the marks change from sent to delivered to read', async (t) => {
  const place = await placeWithUsers(t)
  const alice = sit(t, place, signIn(place, 'alice'))
  await alice.screen.sees(/● online/)
  alice.type('bob\r')
  await alice.screen.sees(/type the first message/)
  alice.type('are you there?\r')
  await alice.screen.sees(/you: are you there\? ✓$/)

  const bob = sit(t, place, signIn(place, 'bob', 'ws'))
  await bob.screen.sees(/1 {2}alice .*1 new .*are you there\?/)
  await alice.screen.sees(/you: are you there\? ✓✓$/)
  bob.type('1\r')
  await bob.screen.sees(/alice: are you there\?$/)
  bob.type('yes')
  alice.type('good\r')
  await bob.screen.sees(/alice: good$/)
  await bob.screen.sees(/^ alice > yes$/)
  bob.type('!\r')
  await alice.screen.sees(/bob: yes!$/)
  bob.type('/quit\r')
  assert.equal(await bob.ended, 0)
  assert.equal(bob.screen.modes.has('?1049'), false)
})

test('a read message is shown as read, in words where colours are not wanted', async (t) => {
  const place = await placeWithUsers(t)
  const alice = sit(t, place, signIn(place, 'alice'), { NO_COLOR: '1' })
  alice.type('bob\r')
  await alice.screen.sees(/type the first message/)
  alice.type('hello\r')
  await alice.screen.sees(/you: hello ✓$/)
  const bob = sit(t, place, signIn(place, 'bob'))
  await bob.screen.sees(/1 new/)
  await alice.screen.sees(/you: hello ✓✓$/)
  bob.type('alice\r')
  await bob.screen.sees(/alice: hello$/)
  await alice.screen.sees(/you: hello ✓✓ read$/)
})

test('the server goes and comes back: the screen says so, and what was typed meanwhile arrives', async (t) => {
  const place = await placeWithUsers(t)
  const alice = sit(t, place, signIn(place, 'alice'))
  await alice.screen.sees(/● online/)
  alice.type('bob\r')
  await alice.screen.sees(/type the first message/)
  await place.server?.kill('SIGKILL')
  await alice.screen.sees(/○/)
  alice.type('typed while away\r')
  await alice.screen.sees(/you: typed while away …$/)
  await place.start()
  await alice.screen.sees(/you: typed while away ✓$/)
  assert.equal((await place.receive('bob', 1))[0]?.text, 'typed while away')
})

test('what is missing on the command line is asked for, the password without showing it', async (t) => {
  const place = await placeWithUsers(t)
  const password = (await readFile(place.path('alice.password'), 'utf8')).trim()
  const alice = sit(t, place, [])
  await alice.screen.sees(/server/)
  alice.type(`${place.url()}\r`)
  await alice.screen.sees(/user:/)
  alice.type('alice\r')
  await alice.screen.sees(/password of alice:/)
  alice.type(`${password}\r`)
  await alice.screen.sees(/● online/)
  assert.ok(!alice.screen.lines.join('\n').includes(password))
  alice.type('\u0003')
  assert.equal(await alice.ended, 0)
})

test('a wrong password gives the terminal back before it says so', async (t) => {
  const place = await placeWithUsers(t)
  const seat = sit(t, place, ['--server', place.url(), '--user', 'alice', '--password-file', place.path('bob.password')])
  assert.equal(await seat.ended, 4)
  assert.equal(seat.screen.modes.has('?1049'), false)
  assert.match(seat.errors(), /^chat: alice was not let in: .*\n$/)
})

/** The marks of others may be on their way when first asked for. */
async function readByBoth(seat: Seat): Promise<void> {
  for (;;) {
    seat.type('/read\r')
    const line = await seat.screen.sees(/^ read: /)
    seat.type('\u001b')
    await seat.screen.sees(/Enter sends/)
    if (/^ read: +bob, carol$/.test(line)) return
  }
}

test('three people in a group: changes, marks for all, who is in it, who has read, and the end for one of them', async (t) => {
  const place = await placeWithUsers(t)
  await place.addUsers('carol')
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((user) => sit(t, place, signIn(place, user))) as [Seat, Seat, Seat]
  for (const seat of [alice, bob, carol]) await seat.screen.sees(/● online/)
  alice.type('/group create skiing bob --name "In the snow"\r')
  await alice.screen.sees(/^ alice › #skiing · In the snow · 2 members/)
  await alice.screen.sees(/· you made the group with bob$/)
  await bob.screen.sees(/1 {2}#skiing In the snow .*alice made the group with you$/)
  bob.type('1\r')
  await bob.screen.sees(/^ bob › #skiing · In the snow · 2 members/)
  bob.type('/invite carol\r')
  await bob.screen.sees(/^ your role in #skiing does not allow that: ask an admin or the owner$/)
  alice.type('/invi\tcarol\r')
  await carol.screen.sees(/#skiing In the snow .*alice invited you$/)
  carol.type('#skiing\r')
  await carol.screen.sees(/you are invited to #skiing/)
  carol.type('/join\r')
  await carol.screen.sees(/· you joined$/)
  await bob.screen.sees(/· carol joined$/)
  alice.type('who comes?\r')
  await carol.screen.sees(/alice: who comes\?$/)
  await bob.screen.sees(/alice: who comes\?$/)
  await alice.screen.sees(/you: who comes\? ✓✓$/)
  await readByBoth(alice)
  alice.type('/who\r')
  await alice.screen.sees(/^ +alice +owner +since/)
  await alice.screen.sees(/^ +carol +member +since/)
  alice.type('\u001b')
  await alice.screen.sees(/Enter sends/)
  alice.type('/group remove carol\r')
  await carol.screen.sees(/· alice removed you$/)
  await carol.screen.sees(/^ #skiing \(closed\) >/)
  await bob.screen.sees(/^ bob › #skiing · In the snow · 2 members/)
  alice.type('/group add nobody-here\r')
  await alice.screen.sees(/^ there is no user nobody-here$/)
})
