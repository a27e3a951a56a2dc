/** Messages beyond what somebody may send who has not been answered: they wait, keep their order, and the sender is told why. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AckJson } from './harness.js'
import { numbered, type Place, placeForFile } from './harness.js'

const BURST = 20

let place: Place
placeForFile(async (made) => {
  place = made
  Object.assign(place.environment, { CHATD_RATE_STRANGER_PER_SECOND: '20', CHATD_RATE_STRANGER_BURST: String(BURST) })
  await place.start('tcp')
})

test('[MSG-20] [PRF-18] lines to somebody who has not answered arrive in order, and the sender is told once why they take so long', async () => {
  await place.addUsers('alice', 'bob')
  const lines = numbered('line', 3 * BURST)
  const sender = place.chat('send', 'alice', ['bob', '-'], { input: lines.join('\n') })
  const acks = await sender.finish()
  assert.deepEqual(acks.map((line) => / as number (\d+) at /.exec(line)?.[1]), lines.map((_, at) => String(at + 1)))
  assert.deepEqual((await place.receive('bob', lines.length)).map(({ text }) => text), lines)
  assert.match(sender.stderr, /^chat: bob has not answered yet, and until then the server takes messages to bob slowly: \d+ wait, and go by themselves, in order\n$/)
})

test('with --json that they wait is a line among the acks, and stderr says nothing', async () => {
  await place.addUsers('carol', 'dave')
  const sender = place.chat('send', 'carol', ['--json', 'dave', '-'], { input: numbered('line', 3 * BURST).join('\n') })
  const printed = await sender.finishJson<AckJson | { readonly to: string; readonly waiting: number; readonly error: string }>()
  const waiting = printed.filter((line) => 'waiting' in line)
  assert.equal(printed.length, 3 * BURST + 1)
  assert.deepEqual(waiting.map((line) => ({ ...line, waiting: 0 })), [{ to: 'dave', waiting: 0, error: 'rate-limited' }])
  assert.ok(waiting.every((line) => line.waiting > 0 && line.waiting <= 2 * BURST))
  assert.equal(sender.stderr, '')
})

test('what is refused for good while others wait is told with its line', async () => {
  await place.addUsers('erin', 'frank')
  const sender = place.chat('send', 'erin', ['frank', '-'], { input: [...numbered('line', BURST + 5), 'x'.repeat(701), 'last'].join('\n') })
  const acks = await sender.finish(3)
  assert.equal(acks.length, BURST + 6)
  assert.match(sender.stderr, new RegExp(`the message to frank \\(line ${BURST + 6}\\) was refused: the text is longer than the server allows`))
  assert.equal((await place.receive('frank', BURST + 6)).at(-1)?.text, 'last')
})
