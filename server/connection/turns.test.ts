/** How connections share the turns of the event loop and the room of the shard: who floods waits, who does not never does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeMessage, encodePing } from '../../protocol/generated/frames.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { createHarness, type FakeTransport, type Harness, settle } from '../session/testing/harness.js'
import { FRAMES_AT_ONCE } from './connections.js'
import { FRAMES_BY_TAKER, FRAMES_BY_TURN } from './turn-queue.js'

/** Above the rate after ten messages; never throttled within a test. */
const RATE = { messagesPerSecond: 100, messagesBurst: 100_000 }
const LIMITS = { unacknowledgedMax: 60_000 }
const X = Buffer.from('x')

function nextTurn(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve) })
}

function messages(from: number, count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, at) => encodeMessage(from + at, 'bob', X)))
}

/** Client ids of the messages to bob or, with `to`, to somebody else, in the order of their arrival at the router. */
function arrived(harness: Harness, to = 'bob'): number[] {
  return harness.router.calls.map((call) => call.split(' ')).filter((words) => words[2] === to).map((words) => Number(words[1]))
}

/** A device above its rate, with everything it sent so far handled. */
async function openFlooder(harness: Harness, user: string): Promise<FakeTransport> {
  const { transport } = await harness.open(user)
  transport.deliver(messages(1, 11))
  await settle()
  return transport
}

test('[FLW-1] a hundred that flood make no turn longer than its frames, and another is heard at once in each', async () => {
  const harness = createHarness({ rate: RATE, limits: LIMITS })
  const flooders: FakeTransport[] = []
  for (let at = 0; at < 100; at++) flooders.push(await openFlooder(harness, `flooder-${String(at)}`))
  const { transport: other } = await harness.open('alice')
  harness.router.calls.length = 0
  for (const flooder of flooders) flooder.deliver(messages(12, 200))
  assert.equal(harness.router.calls.length, 0, 'who is above the rate waits for its turn')
  let turns = 0
  for (let before = 0; arrived(harness).length < 20_000; turns++) {
    harness.clock.ms += 20
    other.deliver(encodeMessage(turns + 1, 'carol', X))
    assert.equal(harness.router.calls.at(-1), `message ${String(turns + 1)} carol x`)
    await nextTurn()
    assert.ok(harness.router.calls.length - before <= FRAMES_BY_TURN + FRAMES_BY_TAKER)
    before = harness.router.calls.length
  }
  assert.ok(turns <= 1.2 * 20_000 / FRAMES_BY_TURN, `${String(turns)} turns`)
})

test('[FLW-1] a hundred that begin to flood make the first turn no longer than what each may send at once', async () => {
  const harness = createHarness({ rate: RATE, limits: LIMITS })
  const devices = []
  for (let at = 0; at < 100; at++) devices.push(await harness.open(`flooder-${String(at)}`))
  for (const { transport } of devices) transport.deliver(messages(1, 200))
  assert.equal(harness.router.calls.length, 100 * FRAMES_AT_ONCE)
})

test('[FLW-1] reading pauses from one that waits for its turn when it goes on sending', async () => {
  const harness = createHarness({ rate: RATE, limits: LIMITS })
  const flooder = await openFlooder(harness, 'flooder')
  harness.router.isCrowded = true
  flooder.deliver(messages(12, 100))
  assert.ok(!flooder.isPaused)
  flooder.deliver(messages(112, 100))
  assert.ok(flooder.isPaused)
  harness.router.isCrowded = false
  harness.router.tellRoom()
  await settle()
  assert.ok(!flooder.isPaused)
  assert.deepEqual(arrived(harness), Array.from({ length: 211 }, (_, at) => at + 1))
})

test('[FLW-1] where the shard is crowded only those above their rate wait, and each commit takes some of theirs', async () => {
  const harness = createHarness({ rate: RATE, limits: LIMITS })
  const flooder = await openFlooder(harness, 'flooder')
  const { transport: other } = await harness.open('alice')
  harness.router.isCrowded = true
  harness.router.calls.length = 0
  flooder.deliver(messages(12, 100))
  other.deliver(encodeMessage(1, 'carol', X))
  await settle()
  assert.deepEqual(harness.router.calls, ['message 1 carol x'])
  for (let commit = 1; commit <= 3; commit++) {
    harness.router.tellRoom()
    assert.equal(arrived(harness).length, commit * FRAMES_BY_TAKER, 'however crowded it remains')
    await settle()
    assert.equal(arrived(harness).length, commit * FRAMES_BY_TAKER)
  }
  harness.router.isCrowded = false
  harness.router.tellRoom()
  await settle()
  assert.deepEqual(arrived(harness), Array.from({ length: 100 }, (_, at) => at + 12))
})

test('who waits for its turn when the server drains, or is closed, is closed like the others', async () => {
  const harness = createHarness({ rate: RATE, limits: { ...LIMITS, drainTimeoutMs: 100 } })
  const flooder = await openFlooder(harness, 'flooder')
  const second = await openFlooder(harness, 'second')
  harness.router.isCrowded = true
  flooder.deliver(messages(12, 100))
  second.deliver(messages(12, 100))
  harness.router.places[1]!.sink.ended(ERROR.replaced)
  assert.equal(second.closedWith, ERROR.replaced)
  const drained = harness.connections.drain()
  while (flooder.endedWith === 0) await nextTurn()
  assert.equal(flooder.closedWith, ERROR.shuttingDown)
  harness.router.isCrowded = false
  harness.router.tellRoom()
  await settle()
  assert.equal(arrived(harness).length, 22, 'what was not handed in is not')
  for (const transport of [flooder, second]) transport.handler?.gone()
  await drained
  assert.equal(harness.connections.size, 0)
})

test('[FLW-1] however chunks, crowds and rates fall, everything is handled once, in its order, and no hold stays', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const step = fc.record({ who: fc.nat(2), count: fc.integer({ min: 1, max: 60 }), isCrowded: fc.boolean(), waits: fc.nat(2) })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
    const harness = createHarness({ rate: { messagesPerSecond: 1000, messagesBurst: 200, bytesPerSecond: 0 }, limits: LIMITS })
    const names = ['ann', 'ben', 'cid']
    const transports = []
    for (const name of names) transports.push((await harness.open(name)).transport)
    const sent = [0, 0, 0]
    for (const { who, count, isCrowded, waits } of steps) {
      harness.router.isCrowded = isCrowded
      const frames = Array.from({ length: count }, () => encodeMessage(++sent[who]!, `to-${String(who)}`, X))
      transports[who]!.deliver(...frames, encodePing(1))
      for (let turn = 0; turn < waits; turn++) await nextTurn()
      if (waits === 2) harness.router.tellRoom()
    }
    harness.router.isCrowded = false
    for (let turn = 0; turn < 400 && (turn < 4 || transports.some(({ isPaused }) => isPaused)); turn++) {
      harness.router.tellRoom()
      harness.clock.ms += 20
      t.mock.timers.tick(20)
      await nextTurn()
    }
    await settle()
    for (const [who, count] of sent.entries()) {
      assert.deepEqual(arrived(harness, `to-${String(who)}`), Array.from({ length: count }, (_, at) => at + 1))
      assert.ok(!transports[who]!.isPaused)
    }
  }), { numRuns: 60 })
})
