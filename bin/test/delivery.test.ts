/** Messages from terminal to terminal: over every transport, to several devices, to those who were away. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../../protocol/client/node.js'
import type { AckJson, MessageJson } from './harness.js'
import { numbered, Place, placeForFile, TIMEOUT_SECONDS } from './harness.js'

let place: Place
placeForFile(async (made) => {
  place = made
  await place.makeCertificate()
  await place.start('tcp', 'ws', 'tls', 'wss')
})

/** Users of one test. */
async function users(name: string): Promise<[alice: string, bob: string]> {
  const pair: [string, string] = [`alice-${name}`, `bob-${name}`]
  await place.addUsers(...pair)
  return pair
}

test('a message goes from one terminal to another while both run', async () => {
  const [alice, bob] = await users('live')
  const receiver = place.chat('recv', bob, ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS])
  const ack = JSON.parse((await place.chat('send', alice, ['--json', bob, 'hello, bob']).finish())[0] ?? '') as AckJson
  assert.deepEqual({ ...ack, time: 0, clientId: 0 }, { to: bob, clientId: 0, seq: 1, time: 0 })
  assert.ok(Math.abs(ack.time - Date.now()) < 60_000, 'time is in Unix milliseconds')
  const message = await receiver.lineJson<MessageJson>()
  assert.deepEqual(Object.keys(message), ['conversation', 'from', 'seq', 'index', 'time', 'text'])
  assert.deepEqual({ ...message, index: 0 }, { conversation: alice, from: alice, seq: 1, index: 0, time: ack.time, text: 'hello, bob' })
  await place.send(alice, bob, ['again'])
  assert.equal((await receiver.lineJson<MessageJson>()).text, 'again')
  await receiver.finish()
})

test('what was sent to somebody who was never connected waits for the first connection', async () => {
  const [alice, bob] = await users('first')
  await place.send(alice, bob, numbered('waiting', 5))
  const messages = await place.receive(bob, 5)
  assert.deepEqual(messages.map((message) => message.text), numbered('waiting', 5))
})

test('over TCP and WebSocket alike, one device comes and goes: every message once and in order', async () => {
  const [alice, bob] = await users('away')
  await place.send(alice, bob, numbered('first', 3))
  const state = ['--state', place.path('bob-away')]
  const texts = (await place.receive(bob, 3, ...state)).map((message) => message.text)
  await place.chat('send', alice, [bob, '-'], { scheme: 'ws', input: 'second 1\nsecond 2' }).finish()
  const overWebSocket = place.chat('recv', bob, ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS, ...state], { scheme: 'ws' })
  texts.push(...(await overWebSocket.finishJson<MessageJson>()).map((message) => message.text))
  assert.deepEqual(texts, [...numbered('first', 3), ...numbered('second', 2)])
  // Nothing is left: it waits for the time given, and says that it got nothing.
  const rest = place.chat('recv', bob, ['--json', '--count', '1', '--timeout', '0.5', ...state])
  assert.deepEqual(await rest.finish(3), [])
  assert.match(rest.stderr, /^chat: time is up after 0 of 1 messages\n$/)
})

for (const scheme of ['tls', 'wss'] as const) {
  test(`over ${scheme} with the certificate named, and not without it`, async () => {
    const [alice, bob] = await users(scheme)
    const ca = ['--ca', place.environment['CHATD_LISTEN_TLS_CERTIFICATE'] ?? '']
    await place.chat('send', alice, [...ca, bob, 'secret'], { scheme }).finish()
    const [message] = await place.chat('recv', bob, ['--json', '--count', '1', '--timeout', TIMEOUT_SECONDS, ...ca], { scheme }).finishJson<MessageJson>()
    assert.equal(message?.text, 'secret')
    const distrustful = place.chat('send', alice, [bob, 'not sent'], { scheme })
    await distrustful.finish(4)
    assert.match(distrustful.stderr, /^chat: [^\n]*certificate[^\n]*--ca[^\n]*\n$/)
  })
}

test('of several servers one that is not trusted is named, and passed over', async (t) => {
  const [alice, bob] = await users('several')
  const ca = ['--ca', place.environment['CHATD_LISTEN_TLS_CERTIFICATE'] ?? '']
  const other = await Place.make(t)
  await other.makeCertificate()
  await other.start('tls')
  const servers = (...urls: readonly string[]): string[] => ['--server', urls.join(','), ...ca]
  const sender = place.chat('send', alice, [...servers(other.url('tls'), place.url('tls')), '--json', bob, 'hi'])
  assert.equal((await sender.finishJson<AckJson>())[0]?.to, bob)
  assert.equal(sender.stderr.split('\n').length, 2)
  assert.ok(sender.stderr.includes(`the certificate of ${other.url('tls').replace(/\/$/, '')} is not trusted`))
  const hopeless = place.chat('send', alice, [...servers(other.url('tls'), other.url('tls').replace('127.0.0.1', 'localhost')), bob, 'not sent'])
  await hopeless.finish(4)
  assert.match(hopeless.stderr, /^chat: the certificate of .*\nchat: no certificate is trusted, of tls:[^\n]* nor of tls:[^\n]*: [^\n]* is not the right --ca\n$/)
})

test('--count takes no more from the queue than it prints', async () => {
  const [alice, bob] = await users('count')
  await place.send(alice, bob, numbered('n', 10))
  const seqs: number[] = []
  for (const count of [1, 4, 5]) seqs.push(...(await place.receive(bob, count)).map((message) => message.seq))
  assert.deepEqual(seqs, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('each of several devices gets every message, the sender\'s other devices too', async () => {
  const [alice, bob] = await users('devices')
  // Known to the server before the messages: a sender's only device is told nothing of its own, and what all devices have is kept for no other.
  for (const [user, device] of [[alice, 'tablet'], [bob, 'phone'], [bob, 'laptop']] as const) {
    const client = new Client({ server: place.url(), user, device, password: `password of ${user}` })
    await client.connect()
    await client.close()
  }
  const tablet = place.chat('recv', alice, ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS, '--device', 'tablet'])
  const phones = ['phone', 'laptop'].map((device) => place.chat('recv', bob, ['--json', '--count', '2', '--timeout', TIMEOUT_SECONDS, '--device', device]))
  await place.send(alice, bob, ['one', 'two'])
  for (const program of phones) {
    assert.deepEqual((await program.finishJson<MessageJson>()).map((message) => message.text), ['one', 'two'])
  }
  const own = await tablet.finishJson<MessageJson>()
  assert.deepEqual(own.map((message) => [message.conversation, message.from, message.text]), [[bob, alice, 'one'], [bob, alice, 'two']])
})

test('a user sends and receives at the same time without naming devices', async () => {
  const [alice, bob] = await users('both')
  const receiver = place.chat('recv', bob, ['--json', '--count', '1', '--timeout', TIMEOUT_SECONDS])
  const sender = place.chat('send', bob, ['--json', alice, '-'], { input: null })
  sender.process.stdin.write('from bob\n')
  assert.equal((await sender.lineJson<AckJson>()).seq, 1)
  await place.send(alice, bob, ['from alice'])
  const first = await receiver.lineJson<MessageJson>()
  // Bob's receiving device is told what his sending device sent, if it was there by then.
  if (first.from === alice) assert.equal(first.text, 'from alice')
  else assert.deepEqual([first.from, first.text], [bob, 'from bob'])
  sender.process.stdin.end()
  await sender.finish()
  await receiver.finish()
})

test('two commands that need the same device take turns when they send, and say so when they receive', async () => {
  const [alice, bob] = await users('locked')
  const senders = ['one', 'two', 'three'].map((text) => place.chat('send', alice, ['--json', bob, text]))
  const acks = await Promise.all(senders.map((sender) => sender.finishJson<AckJson>()))
  assert.deepEqual(acks.map(([ack]) => ack?.seq).sort(), [1, 2, 3])
  const receiver = place.chat('recv', bob, ['--json'])
  for (let count = 0; count < 3; count += 1) await receiver.line()
  const second = place.chat('recv', bob, ['--json', '--count', '1'])
  await second.finish(5)
  assert.match(second.stderr, /^chat: .* is in use by another process: .* --device or --state\n$/)
  assert.equal(await receiver.kill('SIGTERM'), 0)
})

test('history pages backwards, oldest first in each page', async () => {
  const [alice, bob] = await users('history')
  await place.send(alice, bob, numbered('m', 250))
  const seqs = async (...options: string[]): Promise<number[]> =>
    (await place.chat('history', bob, ['--json', '--with', alice, ...options]).finishJson<MessageJson>()).map((message) => message.seq)
  const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, at) => first + at)
  assert.deepEqual(await seqs('--limit', '3'), [248, 249, 250])
  assert.deepEqual(await seqs('--limit', '220'), range(31, 250))
  assert.deepEqual(await seqs('--before', '31', '--limit', '100'), range(1, 30))
  assert.deepEqual(await seqs(), range(201, 250))
  const [message] = await place.chat('history', alice, ['--json', '--with', bob, '--limit', '1']).finishJson<MessageJson>()
  assert.deepEqual({ ...message, time: 0 }, { conversation: bob, from: alice, seq: 250, time: 0, text: 'm 250' })
  const [line = ''] = await place.chat('history', bob, [alice, '--numbers', '--limit', '1']).finish()
  assert.match(line, /^250  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  [^ ]+: m 250$/)
})

test('asking for history takes nothing off the queue', async () => {
  const [alice, bob] = await users('peek')
  await place.send(alice, bob, ['hello'])
  await place.chat('history', bob, ['--with', alice]).finish()
  assert.equal((await place.receive(bob, 1))[0]?.text, 'hello')
})

test('devices lists what has signed in, and removes one', async () => {
  const [alice, bob] = await users('list')
  await place.send(alice, bob, ['x'])
  await place.receive(bob, 1, '--device', 'phone')
  const list = async (): Promise<string[]> =>
    (await place.chat('devices', bob, ['--json']).finishJson<{ device: string; current: boolean }>()).filter((device) => !device.current).map((device) => device.device)
  assert.deepEqual(await list(), ['phone'])
  await place.chat('devices remove phone', bob, []).finish()
  assert.deepEqual(await list(), [])
  const unknown = place.chat('devices remove nonsense', bob, [])
  await unknown.finish(1)
  assert.match(unknown.stderr, /^chat: [^\n]*no such device[^\n]*\n$/)
})

test('a device may remove itself, in whatever case its name is written', async () => {
  const [alice, bob] = await users('leave')
  await place.send(alice, bob, ['x'])
  const own = (await place.chat('devices', bob, ['--json']).finishJson<{ device: string; current: boolean }>()).find((device) => device.current)?.device ?? ''
  const removed = place.chat(`devices remove ${own.toUpperCase()}`, bob, [])
  assert.deepEqual(await removed.finish(), [])
  assert.equal(removed.stderr, '')
  const back = place.chat('devices', bob, ['--json'])
  assert.equal((await back.finishJson<{ current: boolean }>()).filter(({ current }) => current).length, 1)
  assert.equal(back.stderr, '', 'that it signs in with the password again is nobody\'s trouble')
})

test('what is refused is told in one line each, and the exit code says that not all was sent', async () => {
  const [alice, bob] = await users('refused')
  const unknown = place.chat('send', alice, ['--json', 'nobody-here', 'hello'])
  assert.deepEqual(await unknown.finish(3), [])
  assert.match(unknown.stderr, /^chat: the message to nobody-here was refused: [^\n]+\n$/)
  const long = place.chat('send', alice, ['--json', bob, '-'], { input: `fine\n${'x'.repeat(701)}\nalso fine\n` })
  assert.equal((await long.finishJson<AckJson>(3)).length, 2)
  assert.match(long.stderr, /^chat: the message to \S+ \(line 2\) was refused: [^\n]+\n$/)
})

test('a wrong password, an unknown user and an unreadable file end with codes of their own', async () => {
  const [alice, bob] = await users('wrong')
  const account = ['--server', place.url(), '--password-file', place.path(`${alice}.password`)]
  const wrong = place.run('chat', ['recv', ...account, '--user', bob])
  await wrong.finish(4)
  assert.match(wrong.stderr, /^chat: bob-wrong was not let in: check the name and the password in .*\n$/)
  await place.run('chat', ['send', ...account, '--user', 'nobody-at-all', alice, 'x']).finish(4)
  const missing = place.run('chat', ['send', '--server', place.url(), '--user', alice, '--password-file', place.path('none'), bob, 'x'])
  await missing.finish(1)
  assert.match(missing.stderr, /^chat: can't read --password-file .*\(ENOENT\).*\n$/)
})

test('a state directory that can not be made has a code of its own', async () => {
  const [alice, bob] = await users('state')
  const program = place.chat('send', alice, ['--state', place.path(`${alice}.password`), bob, 'x'])
  await program.finish(5)
  assert.match(program.stderr, /^chat: [^\n]* can't be used, [^\n]* --state: [^\n]*ENOTDIR[^\n]*\n$/)
})

test('of two programs on one device the first one ends and says why', async () => {
  const [alice, bob] = await users('replaced')
  await place.send(alice, bob, ['hello'])
  const first = place.chat('recv', bob, ['--json', '--device', 'phone', '--state', place.path('replaced-1')])
  await first.line()
  await place.chat('recv', bob, ['--device', 'phone', '--state', place.path('replaced-2'), '--timeout', '0.5']).finish()
  assert.deepEqual(await first.finish(1), [])
  assert.match(first.stderr, /^chat: another program connected as device phone of bob-replaced: [^\n]*--device\n$/)
})

test('lines for people show names and text, with nothing in them that acts on a terminal', async () => {
  const [alice, bob] = await users('plain')
  const sent = await place.chat('send', alice, [bob, 'hi \u001b[31mred']).finish()
  assert.match(sent[0] ?? '', /^sent to bob-plain as number 1 at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  const [line] = await place.chat('recv', bob, ['--count', '1', '--timeout', TIMEOUT_SECONDS]).finish()
  assert.match(line ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}alice-plain: hi ␛\[31mred$/)
})

test('recv ends quietly when nobody reads its output, and what was not printed comes again', async () => {
  const [alice, bob] = await users('pipe')
  await place.send(alice, bob, ['one'])
  const receiver = place.chat('recv', bob, ['--json'])
  assert.equal((await receiver.lineJson<MessageJson>()).text, 'one')
  receiver.closeOutput()
  await place.send(alice, bob, ['two'])
  assert.equal(await receiver.ended, 0)
  assert.equal(receiver.stderr, '')
  assert.deepEqual((await place.receive(bob, 1)).map((message) => message.text), ['two'])
})

test('the interactive program says what to use where there is no terminal', async () => {
  const program = place.run('chat', [])
  await program.finish(2)
  assert.match(program.stderr, /^chat: .*use `chat send` and `chat recv` in scripts.*\n$/)
})

test('[TOK-8] without --allow-plaintext nobody signs in over a network without encryption, and one line says what to do', async () => {
  const [alice] = await users('plaintext')
  const options = ['--timeout', TIMEOUT_SECONDS, 'bob', 'hi']
  // The last --server counts; this one is an address for documentation, where nobody is. [RFC 5737]
  const refused = place.chat('send', alice, ['--server', 'ws://192.0.2.1:5380', ...options])
  await refused.finish(4)
  assert.match(refused.stderr, /^chat: ws:\/\/192\.0\.2\.1:5380 [^\n]*wss:\/\/[^\n]*--allow-plaintext[^\n]*\n$/)
  const allowed = place.chat('send', alice, ['--server', 'ws://192.0.2.1:5380', '--allow-plaintext', '--timeout', '0.1', 'bob', 'hi'])
  await allowed.finish(3)
})
