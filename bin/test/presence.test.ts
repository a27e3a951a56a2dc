/** `chat presence` and `chat privacy` as scripts run them, and presence on the screen of somebody who talks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Place, TIMEOUT_SECONDS } from './harness.js'
import { signIn, sit } from './seat.js'

interface PresenceJson {
  readonly user: string
  readonly online: boolean
  readonly lastSeen: number | null
}

const JSON_OPTIONS = ['--json', '--timeout', TIMEOUT_SECONDS]

test('presence tells who is online and who was, in the order asked for, and --watch tells each change', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const first = await place.chat('presence', 'alice', [...JSON_OPTIONS, 'nobody', 'Bob']).finishJson<PresenceJson>()
  assert.deepEqual(first, [{ user: 'nobody', online: false, lastSeen: null }, { user: 'bob', online: false, lastSeen: null }])
  const watching = place.chat('presence', 'alice', ['--watch', '--json', 'bob'])
  assert.equal((await watching.lineJson<PresenceJson>()).online, false)
  const bob = place.chat('presence', 'bob', ['--watch', 'alice'])
  assert.match(await bob.line(), /^alice {2}online$/)
  assert.equal((await watching.lineJson<PresenceJson>()).online, true)
  await new Promise((resolve) => { setTimeout(resolve, 600) })
  await bob.kill('SIGTERM')
  const gone = await watching.lineJson<PresenceJson>()
  assert.ok(!gone.online && gone.lastSeen !== null && Math.abs(Date.now() - gone.lastSeen) < 60_000)
  await watching.kill('SIGTERM')
  assert.deepEqual(await place.chat('presence', 'alice', [...JSON_OPTIONS, 'bob']).finishJson<PresenceJson>(), [gone])
  // Programs without a person show nobody online.
  const recv = place.chat('recv', 'bob', ['--count', '1'])
  await place.send('alice', 'bob', ['hi'])
  await recv.finish()
  assert.deepEqual(await place.chat('presence', 'alice', [...JSON_OPTIONS, 'bob']).finishJson<PresenceJson>(), [gone])
})

test('privacy is shown, changed and kept, and what was hidden is not shown', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const privacy = async (...options: string[]): Promise<unknown> => (await place.chat('privacy', 'alice', [...options, ...JSON_OPTIONS]).finishJson())[0]
  assert.deepEqual(await privacy('get'), { seen: 'everybody', online: 'everybody', except: [] })
  const changed = { seen: 'nobody', online: 'except', except: ['bob', 'mallory'] }
  assert.deepEqual(await privacy('set', '--seen', 'nobody', '--online', 'except', '--except', 'mallory, Bob'), changed)
  const text = await place.chat('privacy', 'alice', ['--timeout', TIMEOUT_SECONDS]).finish()
  assert.deepEqual(text, ['last seen: nobody · online: everybody but bob, mallory'])
  const online = place.chat('presence', 'alice', ['--watch', 'bob'])
  await online.line()
  const seen = await place.chat('presence', 'bob', [...JSON_OPTIONS, 'alice']).finishJson<PresenceJson>()
  assert.deepEqual(seen, [{ user: 'alice', online: false, lastSeen: null }])
  assert.deepEqual(await privacy('set', '--except', ''), { ...changed, except: [] })
})

test('mistakes are told in one line', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice')
  const bad = place.chat('presence', 'alice', ['b/b'])
  await bad.finish(2)
  assert.match(bad.stderr, /^chat: 'b\/b' is no name of a user[^\n]*\n$/)
  const refused = place.chat('privacy', 'alice', ['set', '--except', 'b/b'])
  await refused.finish(1)
  assert.match(refused.stderr, /^chat: [^\n]+\n$/)
  const many = place.chat('privacy', 'alice', ['set', '--except', Array.from({ length: 257 }, (_, i) => `user${String(i)}`).join(',')])
  await many.finish(1)
  assert.match(many.stderr, /exceptions/)
})

test('two people see each other come, type and go', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const alice = sit(t, place, signIn(place, 'alice'))
  await alice.screen.sees(/● online/)
  alice.type('bob\r')
  await alice.screen.sees(/type the first message/)
  alice.type('hello\r')
  await alice.screen.sees(/you: hello ✓$/)
  const bob = sit(t, place, signIn(place, 'bob', 'ws'))
  await alice.screen.sees(/alice › bob · online/)
  await bob.screen.sees(/1 new/)
  bob.type('alice\r')
  await bob.screen.sees(/bob › alice · online/)
  bob.type('I am ty')
  await alice.screen.sees(/alice › bob · typing…/)
  bob.type('ping\r')
  await alice.screen.sees(/bob: I am typing$/)
  await alice.screen.sees(/alice › bob · online/)
  alice.type('/who\r')
  await alice.screen.sees(/^ ● bob {2}online/)
  alice.type('\u001b')
  bob.type('/privacy online nobody\r')
  await bob.screen.sees(/online: nobody/)
  await alice.screen.sees(/alice › bob {3}/)
  bob.type('/privacy online everybody\r')
  await alice.screen.sees(/alice › bob · online/)
  bob.type('/quit\r')
  assert.equal(await bob.ended, 0)
  await alice.screen.sees(/alice › bob · last seen \d\d:\d\d/)
})
