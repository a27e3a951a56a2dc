/** Programs killed in the middle: nothing acknowledged is missing, doubled or out of order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AckJson, MessageJson } from './harness.js'
import { numbered, Place, TIMEOUT_SECONDS } from './harness.js'

test('the server is killed while 500 lines are being sent: after its restart every line arrives once and in order', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const lines = numbered('line', 500)
  const sender = place.chat('send', 'alice', ['--json', 'bob', '-'], { input: null })
  const receiver = place.chat('recv', 'bob', ['--json', '--count', '500', '--timeout', TIMEOUT_SECONDS])

  const acks: AckJson[] = []
  sender.process.stdin.write(lines.slice(0, 300).map((line) => `${line}\n`).join(''))
  while (acks.length < 1) acks.push(await sender.lineJson<AckJson>())
  await place.server?.kill('SIGKILL')
  sender.process.stdin.end(lines.slice(300).map((line) => `${line}\n`).join(''))
  await place.start()
  acks.push(...await sender.finishJson<AckJson>())

  const messages = await receiver.finishJson<MessageJson>()
  assert.deepEqual(acks.map((ack) => ack.seq), lines.map((_, at) => at + 1))
  assert.deepEqual(messages.map((message) => message.text), lines)
  assert.deepEqual(messages.map((message) => message.seq), acks.map((ack) => ack.seq))
  assert.deepEqual(messages.map((message) => message.time), acks.map((ack) => ack.time))
})

test('recv is killed in the middle: the next one goes on where it was, and only what was not saved is printed again', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  await place.send('alice', 'bob', numbered('line', 400))
  const first = place.chat('recv', 'bob', ['--json'])
  const seen: number[] = []
  while (seen.length < 60) seen.push((await first.lineJson<MessageJson>()).seq)
  assert.equal(await first.kill('SIGKILL'), 'SIGKILL')
  for (;;) {
    const line = await first.line().catch(() => null)
    if (line === null) break
    // The last line may have been cut by the kill.
    if (line.endsWith('}')) seen.push((JSON.parse(line) as MessageJson).seq)
  }
  const printed = seen.length
  const second = place.chat('recv', 'bob', ['--json', '--timeout', TIMEOUT_SECONDS])
  let last = 0
  const again: number[] = []
  while (last < 400) {
    last = (await second.lineJson<MessageJson>()).seq
    again.push(last)
  }
  assert.equal(await second.kill('SIGINT'), 0)
  // Dense from somewhere at or before the first that was not printed.
  const start = again[0] ?? 0
  assert.ok(start <= printed + 1, `began again at ${start} after ${printed}`)
  assert.deepEqual(again, Array.from({ length: 400 - start + 1 }, (_, at) => start + at))
})

test('send is killed in the middle: what it had taken over goes out with the next one, once', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const first = place.chat('send', 'alice', ['--json', 'bob', '-'], { input: null })
  first.process.stdin.write(numbered('line', 200).map((line) => `${line}\n`).join(''))
  await first.line()
  await first.kill('SIGKILL')
  await place.send('alice', 'bob', ['the last'])
  const history = await place.chat('history', 'bob', ['--json', '--with', 'alice', '--limit', '1000']).finishJson<MessageJson>()
  const texts = history.map((message) => message.text)
  assert.equal(texts.at(-1), 'the last')
  assert.deepEqual(texts.slice(0, -1), numbered('line', texts.length - 1))
})

test('a signal ends send in order: what was acknowledged is told, and the code says that the input was not finished', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  const sender = place.chat('send', 'alice', ['--json', 'bob', '-'], { input: null })
  sender.process.stdin.write('one\n')
  assert.equal((await sender.lineJson<AckJson>()).seq, 1)
  assert.equal(await sender.kill('SIGINT'), 3)
  assert.equal(sender.stderr, '')
  await place.send('alice', 'bob', ['two'])
  assert.deepEqual((await place.receive('bob', 2)).map((message) => message.text), ['one', 'two'])
})

test('a server that is away at first is waited for; without it the time runs out, and nothing is lost', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  await place.send('alice', 'bob', ['first'])
  await place.server?.kill('SIGTERM')
  const hopeless = place.chat('send', 'alice', ['bob', 'too early', '--timeout', '0.3'])
  assert.deepEqual(await hopeless.finish(3), [])
  assert.match(hopeless.stderr, /^chat: no connection to tcp:.*trying again: /)
  const patient = place.chat('send', 'alice', ['--json', 'bob', 'second'])
  await place.start()
  assert.equal((await patient.finishJson<AckJson>()).length, 1)
  const texts = (await place.receive('bob', 2)).map((message) => message.text)
  assert.deepEqual(texts, ['first', 'second'])
})

test('a device that was gone for a restart of the server hears what it missed', async (t) => {
  const place = await Place.make(t)
  await place.start()
  await place.addUsers('alice', 'bob')
  await place.send('alice', 'bob', ['one'])
  await place.receive('bob', 1)
  await place.send('alice', 'bob', ['two'])
  await place.server?.kill('SIGKILL')
  await place.start()
  await place.send('alice', 'bob', ['three'])
  assert.deepEqual((await place.receive('bob', 2)).map((message) => message.text), ['two', 'three'])
})
