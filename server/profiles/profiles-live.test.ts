/** Profiles, contacts, blocking, flags and reports from client to client, through whole servers on real sockets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Client, ClientError } from '../../protocol/client/node.js'
import type { ChangedEvent, ClientOptions, Message } from '../../protocol/client/node.js'
import { element } from '../../protocol/element.js'
import { encodeQuery } from '../../protocol/generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { startServer } from '../run/run.js'
import { errorOf, liveConfig, liveServer, login, PASSWORD } from '../testing/live-server.js'

const USERS = ['alice', 'bob', 'carol', 'mallory']

interface Person {
  readonly client: Client
  readonly texts: string[]
  /** Resolves with the message of that text. */
  heard(text: string): Promise<Message>
}

async function person(t: TestContext, url: string, user: string, options: Partial<ClientOptions> = {}): Promise<Person> {
  const client = new Client({ server: url, user, password: PASSWORD, device: 'phone', ...options })
  t.after(() => client.close())
  const messages = new Map<string, Message>()
  const texts: string[] = []
  const waiting = new Map<string, (message: Message) => void>()
  client.on('message', (message) => {
    messages.set(message.text, message)
    texts.push(message.text)
    waiting.get(message.text)?.(message)
  })
  await client.connect()
  return {
    client,
    texts,
    heard: (text) => new Promise((resolve) => {
      const known = messages.get(text)
      if (known === undefined) waiting.set(text, resolve)
      else resolve(known)
    }),
  }
}

function isError(symbol: string): (error: unknown) => boolean {
  return (error) => error instanceof ClientError && error.symbol === symbol
}

test('[PRF-2] [PRF-4] [PRF-5] [PRF-6] profiles go from client to client, with versions, many at once, and the name alone to the blocked', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), USERS)
  const [alice, bob] = [await person(t, url, 'alice'), await person(t, url, 'bob')]
  const own = await alice.client.setProfile({ name: 'אליס 🌻', about: 'back on Monday' })
  assert.deepEqual(own, await alice.client.setProfile())
  assert.deepEqual(await bob.client.profile('Alice'), own)
  assert.deepEqual(await bob.client.profile('alice', own.version), { ...own, profile: null })
  const many = await bob.client.profiles(['alice', 'nobody', { user: 'alice', version: own.version }])
  assert.deepEqual(many, [own, null, { ...own, profile: null }])
  assert.deepEqual(await bob.client.profiles(['nobody']), [null])
  await assert.rejects(bob.client.profile('nobody'), isError('no-such-user'))
  await assert.rejects(bob.client.profile('no body'), isError('malformed-address'))
  const hundred = Array.from({ length: LIMIT.profileUsersMax }, () => 'alice')
  assert.equal((await bob.client.profiles(hundred)).length, LIMIT.profileUsersMax)
  await assert.rejects(bob.client.profiles([...hundred, 'alice']), isError('bad-request'))
  await alice.client.send('bob', 'hi')
  assert.equal((await bob.client.conversations()).conversations[0]?.profileVersion, own.version)
  await alice.client.block('bob')
  assert.deepEqual((await bob.client.profile('alice', own.version)).profile, { name: 'אליס 🌻', about: '', picture: '' })
})

test('[PRF-1] [PRF-19] look-alike names are allowed, for the address tells who is who; names that turn others round are not', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), USERS)
  const [alice, mallory] = [await person(t, url, 'alice'), await person(t, url, 'mallory')]
  await alice.client.setProfile({ name: 'Alice' })
  await mallory.client.setProfile({ name: 'Аlice' })
  const names = (await alice.client.profiles(['alice', 'mallory'])).map((each) => [each?.user, each?.profile?.name])
  assert.deepEqual(names, [['alice', 'Alice'], ['mallory', 'Аlice']])
  await assert.rejects(mallory.client.setProfile({ name: 'ecilA\u202e' }), isError('malformed-text'))
  await assert.rejects(mallory.client.setProfile({ about: 'x'.repeat(141) }), isError('text-too-long'))
  await assert.rejects(mallory.client.setContact('alice', '\u200b'), isError('malformed-text'))
})

test('[PRF-7] [PRF-8] [PRF-16] what one device changes the other hears of, and asks for by version', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), USERS)
  const [phone, laptop, bob] = [await person(t, url, 'alice'), await person(t, url, 'alice', { device: 'laptop' }), await person(t, url, 'bob')]
  const events: ChangedEvent[] = []
  let wake = (): void => {}
  laptop.client.on('changed', (change) => {
    events.push(change)
    wake()
  })
  const changedTo = async (count: number): Promise<ChangedEvent | undefined> => {
    while (events.length < count) await new Promise<void>((resolve) => { wake = resolve })
    return events.at(-1)
  }
  await bob.client.send('alice', 'hi')
  await laptop.heard('hi')
  assert.equal(await phone.client.setContact('BOB', 'Bobby'), 1)
  assert.deepEqual(await changedTo(1), { list: 'contacts', version: 1 })
  const contacts = await laptop.client.contacts({ since: 0 })
  assert.deepEqual(contacts, { version: 1, isFull: false, more: false, items: [{ user: 'bob', name: 'Bobby', version: 1, isRemoved: false }] })
  const flags = await phone.client.setFlags('bob', { isPinned: true, mutedUntilMs: Infinity })
  assert.deepEqual(flags, { conversation: 'bob', version: 1, mutedUntilMs: Infinity, isArchived: false, isPinned: true, isMarked: false })
  assert.deepEqual(await changedTo(2), { list: 'flags', version: 1 })
  assert.deepEqual((await laptop.client.flags()).items, [flags])
  const { conversation: _, version: __, ...set } = flags
  assert.deepEqual((await laptop.client.conversations()).conversations[0]?.flags, set)
  await phone.client.setFlags('bob', { isPinned: false, mutedUntilMs: 0 })
  await phone.client.block('carol')
  assert.deepEqual(await changedTo(4), { list: 'blocked', version: 1 })
  assert.deepEqual((await laptop.client.blocked()).items.map(({ user, isRemoved }) => [user, isRemoved]), [['carol', false]])
  const { version } = await phone.client.setProfile({ about: 'new' })
  assert.deepEqual(await changedTo(5), { list: 'profile', version })
  await phone.client.removeContact('bob')
  await changedTo(6)
  assert.deepEqual((await laptop.client.contacts({ since: 1 })).items, [{ user: 'bob', name: '', version: 2, isRemoved: true }])
  await assert.rejects(phone.client.setFlags('carol', { isPinned: true }), isError('no-such-conversation'))
})

test('[PRF-10] [PRF-12] [PRF-13] the blocked side is acked and hears nothing, through a restart of the server', async (t) => {
  const config = liveConfig(t)
  const first = await liveServer(t, config, USERS)
  const mallory = await person(t, first.url, 'mallory')
  const bob = await person(t, first.url, 'bob')
  const receipts: string[] = []
  mallory.client.on('receipt', ({ mark, seq }) => { receipts.push(`${mark} ${String(seq)}`) })
  assert.equal((await mallory.client.send('bob', 'one')).seq, 1)
  await bob.heard('one')
  await bob.client.block('mallory')
  assert.equal((await mallory.client.send('bob', 'two')).seq, 2)
  await bob.client.markRead('mallory', 1)
  await assert.rejects(bob.client.send('mallory', 'stop'), isError('contact-blocked'))
  const told = await mallory.client.receipts('bob')
  assert.deepEqual(told.map(({ read }) => read), [0])
  await Promise.all([mallory.client.close(), bob.client.close()])
  await first.stop()

  const second = await startServer(config)
  t.after(() => second.stop())
  const url = second.ready.listeners[0]!
  const again = await person(t, url, 'mallory')
  assert.equal((await again.client.send('bob', 'three')).seq, 3)
  const reader = await person(t, url, 'bob', { device: 'tablet' })
  assert.deepEqual((await reader.client.history('mallory')).messages.map(({ text }) => text), ['one'])
  assert.deepEqual(await again.client.receipts('bob'), told)
  await reader.client.unblock('mallory')
  await again.client.send('bob', 'four')
  await reader.heard('four')
  assert.deepEqual((await reader.client.history('mallory')).messages.map(({ text }) => text), ['one', 'four'])
  assert.ok(!receipts.some((receipt) => receipt.startsWith('read')))
})

test('[PRS-9] presence follows blocks and contacts at once', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), USERS)
  const [bob, alice] = [await person(t, url, 'bob'), await person(t, url, 'alice')]
  const states: boolean[] = []
  let wake = (): void => {}
  alice.client.on('presence', ({ user, isOnline }) => {
    if (user === 'bob') states.push(isOnline)
    wake()
  })
  const until = async (...expected: boolean[]): Promise<void> => {
    while (states.length < expected.length) await new Promise<void>((resolve) => { wake = resolve })
    assert.deepEqual(states, expected)
  }
  await alice.client.watch('bob')
  await until(true)
  await bob.client.block('alice')
  await until(true, false)
  await bob.client.unblock('alice')
  await until(true, false, true)
  await bob.client.privacy({ online: 'contacts', seen: 'contacts' })
  await until(true, false, true, false)
  await bob.client.setContact('alice')
  await until(true, false, true, false, true)
})

test('[PRF-15] a client that fetches what it missed passes over hidden seqs, and does not ask for them again', async (t) => {
  const server = await liveServer(t, liveConfig(t), USERS)
  const [mallory, bob] = [await person(t, server.url, 'mallory'), await person(t, server.url, 'bob')]
  for (let round = 0; round < 3; round++) {
    await mallory.client.send('bob', `shown ${String(round)}`)
    await bob.client.block('mallory')
    for (let i = 0; i < 15; i++) await mallory.client.send('bob', `hidden ${String(i)}`)
    await bob.client.unblock('mallory')
  }
  const before = server.counters.queries
  const fresh = await person(t, server.url, 'bob', { device: 'tablet', fetchWhenFresh: true })
  await fresh.heard('shown 2')
  await mallory.client.send('bob', 'now')
  await fresh.heard('now')
  assert.deepEqual(fresh.texts, ['shown 0', 'shown 1', 'shown 2', 'now'])
  assert.equal(fresh.client.watermarks('mallory').tail, 49)
  assert.equal(server.counters.queries - before, 2, 'the list and one page')
})

test('[PRF-18] the client of a stranger sends on as fast as it is let, in order', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { rate: { strangerBurst: 3, strangerPerSecond: 2 } }), USERS)
  const [mallory, bob] = [await person(t, url, 'mallory'), await person(t, url, 'bob')]
  const acks = await Promise.all(['1', '2', '3', '4', '5'].map((text) => mallory.client.send('bob', text)))
  assert.deepEqual(acks.map(({ seq }) => seq), [1, 2, 3, 4, 5])
  assert.ok(acks[4]!.timeMs - acks[0]!.timeMs >= 900)
  await bob.heard('5')
  assert.deepEqual(bob.texts, ['1', '2', '3', '4', '5'])
})

test('[PRF-17] a report waits for the operator with what the reporter saw, and may block as well', async (t) => {
  const { url, router } = await liveServer(t, liveConfig(t), USERS)
  const [mallory, bob] = [await person(t, url, 'mallory'), await person(t, url, 'bob')]
  await mallory.client.send('bob', 'buy this')
  await bob.client.report('mallory', 'spam', true)
  await mallory.client.send('bob', 'and that')
  const { reports } = await router.profiles.reports(0, 10)
  assert.deepEqual(reports.map(({ reporter, conversation, reason, messages }) =>
    [reporter, conversation, reason, messages.map(({ text }) => Buffer.from(text).toString())]), [['bob', 'mallory', 'spam', ['buy this']]])
  assert.deepEqual((await bob.client.blocked()).items.map(({ user }) => user), ['mallory'])
  await assert.rejects(bob.client.report('carol', 'never met'), isError('no-such-conversation'))
})

test('queries that make no sense fail with a code, and change nothing', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), USERS)
  const { client } = await login(t, url)
  const bad: [ReturnType<typeof element>, number][] = [
    [element('block'), ERROR.badRequest], [element('block', { user: '' }), ERROR.malformedAddress], [element('block', { user: '#team' }), ERROR.malformedAddress],
    [element('block', { user: 'alice' }), ERROR.badRequest], [element('block', { user: 'nobody' }), ERROR.noSuchUser],
    [element('unblock'), ERROR.badRequest], [element('contact', { user: 'bob', removed: 'maybe' }), ERROR.badRequest],
    [element('contacts', { limit: 0 }), ERROR.badRequest], [element('contacts', { since: 'x' }), ERROR.badRequest],
    [element('blocked', { after: 'a b' }), ERROR.malformedAddress], [element('flags', { with: 'bob', mute: 'soon' }), ERROR.badRequest],
    [element('flags', { with: 'bob', pinned: 'yes' }), ERROR.badRequest], [element('flags', { with: 'bob', pinned: 'true' }), ERROR.noSuchConversation],
    [element('report', {}, 'x'), ERROR.badRequest], [element('report', { with: '#team' }, 'x'), ERROR.noSuchConversation],
    [element('profile', { user: 'bob', name: 'Bob is a fool' }), ERROR.badRequest], [element('profile', { picture: 'a/b' }), ERROR.noSuchBlob],
    [element('profile', {}, element('user')), ERROR.badRequest], [element('profile', { name: '\u2066' }), ERROR.malformedText],
  ]
  for (const [index, [query, code]] of bad.entries()) {
    client.send(encodeQuery(index + 1, query))
    assert.equal(await errorOf(client), code, JSON.stringify([query.name, [...query.attributes]]))
  }
  client.send(encodeQuery(100, element('profile', { unknown: 'x' }, element('unknown'))))
  const answer = await client.until(FRAME.result)
  assert.ok(answer.type === FRAME.result && answer.element.name === 'profile')
})
