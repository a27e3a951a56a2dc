/** Programs that send for as long as they run, and take nothing off the queue. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'node:test'
import type { AckJson } from './harness.js'
import { type Place, placeForFile } from './harness.js'

/** As short as a server lets it be; it looks once a second. */
const ACK_TIMEOUT_MS = 100
const WATCHED_MS = 2500

let place: Place
placeForFile(async (made) => {
  place = made
  place.environment['CHATD_LIMITS_ACK_TIMEOUT_MS'] = String(ACK_TIMEOUT_MS)
  await place.start('tcp')
  await place.addUsers('alice', 'bob')
})

test('[QUE-17] who sends for long keeps its connection, whatever comes for its user meanwhile, and that waits for who shows it', async () => {
  const sender = place.chat('send', 'alice', ['--json', 'bob', '-'], { input: null })
  const untilMs = performance.now() + WATCHED_MS
  const texts: string[] = []
  do {
    texts.push(`answer ${String(texts.length + 1)}`)
    await place.send('bob', 'alice', texts.slice(-1))
    sender.process.stdin.write('line\n')
    await sender.lineJson<AckJson>()
    await delay(100)
  } while (performance.now() < untilMs)
  sender.process.stdin.end()
  await sender.finish()
  assert.equal(sender.stderr, '')
  assert.deepEqual((await place.receive('alice', texts.length)).map(({ text }) => text), texts)
})
