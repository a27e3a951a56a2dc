/** Clients that are sent on to the node that owns their shard. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAuth } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { openFront } from '../run/front.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { connect, HELLO, liveConfig } from '../testing/live-server.js'
import { Redirects } from './redirects.js'

const nobody = (): null => null

test('so many clients a second are sent on, by the scheme that they have come by; the others stay', () => {
  let nowMs = 0
  let hosts: { tcp?: string, wss?: string } | null = { tcp: 'b.example:5322' }
  const redirects = new Redirects({ owner: () => hosts, perSecond: 3, clock: { monotonicMs: () => nowMs } })
  const ask = (): (string | null)[] => Array.from({ length: 5 }, () => redirects.hostFor('tcp', nobody))
  assert.deepEqual(ask(), ['b.example:5322', 'b.example:5322', 'b.example:5322', null, null])
  nowMs += 700
  assert.deepEqual(ask(), ['b.example:5322', 'b.example:5322', null, null, null])
  nowMs += 60_000
  assert.equal(redirects.hostFor('wss', nobody), null, 'it takes no clients by wss')
  hosts = null
  assert.equal(redirects.hostFor('tcp', nobody), null, 'this is the owner')
  hosts = { tcp: 'c.example:1' }
  assert.deepEqual(ask(), ['c.example:1', 'c.example:1', 'c.example:1', null, null], 'no more has gathered')
  assert.equal(new Redirects({ owner: () => hosts, perSecond: 0, clock: { monotonicMs: () => nowMs } }).hostFor('tcp', nobody), null)
})

test('[CLS-7] who is sent on is told where, before it has proved anything', async (t) => {
  const redirects = new Redirects({ owner: () => ({ tcp: '127.0.0.1:9' }), perSecond: 1, clock: { monotonicMs: () => 0 } })
  const front = await openFront(liveConfig(t), { router: new FakeRouter(), desk: null, secret: { key: new Uint8Array(32), iterations: 4096 }, redirects })
  t.after(() => front.stop())
  const auth = encodeAuth('SCRAM-SHA-256', Buffer.from('n,,n=alice,r=abcdefghijklmnop'))
  const first = await connect(t, front.listeners[0]!)
  first.send(HELLO, auth)
  const close = await first.until(FRAME.close)
  assert.ok(close.type === FRAME.close && close.error === ERROR.goToHost && close.host === '127.0.0.1:9')
  const second = await connect(t, front.listeners[0]!)
  second.send(HELLO, auth)
  await second.until(FRAME.challenge)
})
