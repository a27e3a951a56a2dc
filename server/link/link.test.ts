/** Who gets a link, how it ends, what it bounds: spec/links.md, 1 to 9. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { testIdentity } from '../testing/live-front.js'
import type { Transport, TransportHandler } from '../listeners/transport.js'
import { dialRouter } from '../router/remote-router.js'
import { checkIdentity, DiallerHandshake, ListenerHandshake } from './handshake.js'
import { LINK_NEEDS_MORE, LinkDecoder } from './link-decoder.js'
import { appendAcked, appendHello, appendMessage, appendPing, appendWelcome, LINK, LINK_CLOSE, type LinkClose } from './link-frames.js'
import { LinkError } from './open-link.js'
import { LinkHarness } from './testing/harness.js'

function linkError(reason: LinkClose): (error: unknown) => boolean {
  return (error) => error instanceof LinkError && error.reason === reason
}

/** What comes at an end that nobody handles. */
class Ear implements TransportHandler {
  readonly decoder = new LinkDecoder(1 << 20)
  readonly types: number[] = []
  readonly closes: number[] = []
  isGone = false

  constructor(pipe: Transport) {
    pipe.start(this)
  }

  received(chunk: Uint8Array): void {
    this.decoder.push(chunk)
    for (let type = this.decoder.next(); type !== LINK_NEEDS_MORE; type = this.decoder.next()) {
      this.types.push(type)
      if (type === LINK.close) this.closes.push(this.decoder.reader.uint())
    }
  }

  drained(): void {}
  failed(): void {}
  peerEnded(): void { this.isGone = true }
  gone(): void { this.isGone = true }
}

function frame(append: (out: ByteBuffer) => void): Uint8Array {
  const out = new ByteBuffer()
  append(out)
  return out.view()
}

const HELLO = { versions: [1], cluster: 'test', node: 'front', expects: '', purpose: 'router', nonce: new Uint8Array(32) }

test('who knows the secret gets a link, and both ends know each other', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  assert.equal(remote.link.hasEnded, false)
  assert.equal(harness.acceptor.size, 1)
  assert.ok(harness.events.includes('link-opened'))
  harness.router.accounts.set('alice', { user: 'alice', disabled: false, createdMs: 5, verifier: { salt: new Uint8Array(3), iterations: 1, storedKey: new Uint8Array(1), serverKey: new Uint8Array(1) } })
  const account = await harness.wait(remote.account('alice'))
  assert.deepEqual([account?.user, account?.createdMs, account?.verifier.salt.length], ['alice', 5, 3])
})

test('who does not know the secret is refused, and told no more than that', async () => {
  const harness = new LinkHarness()
  await assert.rejects(harness.dial({ ...testIdentity('front'), secret: new Uint8Array(32).fill(8) }), linkError(LINK_CLOSE.notAuthorized))
  assert.equal(harness.acceptor.size, 0)
  assert.ok(harness.events.includes('link-refused'))
})

test('a node that is refused again and again is told of once, and another one at once', async () => {
  const harness = new LinkHarness()
  const refused = async (node: string): Promise<void> => {
    await assert.rejects(harness.dial({ ...testIdentity(node), secret: new Uint8Array(32).fill(8) }), linkError(LINK_CLOSE.notAuthorized))
  }
  for (let i = 0; i < 50; i++) await refused('n2')
  await refused('n3')
  assert.deepEqual(harness.events.filter((event) => event === 'link-refused').length, 2)
})

test('a listener that does not know the secret is found out by who dials it', async () => {
  const harness = new LinkHarness()
  harness.connect()
  const [pipe] = [harness.pipe]
  // Somebody in its place, who lets everybody in.
  const impostor = new ListenerHandshake({ ...testIdentity('owner'), secret: new Uint8Array(32).fill(9) }, null, new Uint8Array(32))
  const handler: TransportHandler = {
    received: (chunk) => {
      const decoder = new LinkDecoder(4096)
      decoder.push(chunk)
      const type = decoder.next()
      const answer = type === LINK.hello ? impostor.answer(decoder.reader) : frame((out) => appendWelcome(out, new Uint8Array(32), new Uint8Array(0)))
      assert.ok(typeof answer !== 'number')
      if (type === LINK.hello || type === LINK.proof) harness.otherPipe.write(answer)
    },
    drained: () => {}, failed: () => {}, peerEnded: () => {}, gone: () => {},
  }
  harness.otherPipe.start(handler)
  await assert.rejects(harness.wait(dialRouter(pipe, testIdentity('front'), 'owner', harness.environment)), linkError(LINK_CLOSE.notAuthorized))
})

test('a proof is good for one handshake, one direction, and one TLS session', () => {
  const identity = testIdentity('owner')
  const read = (bytes: Uint8Array): LinkDecoder => {
    const decoder = new LinkDecoder(4096)
    decoder.push(bytes)
    decoder.next()
    return decoder
  }
  const run = (listenerNonce: number, binding: Uint8Array | null, replay: Uint8Array | null): { proof: Uint8Array, verdict: Uint8Array | LinkClose } => {
    const dialler = new DiallerHandshake(testIdentity('front'), { expects: '', purpose: 'router' }, null, new Uint8Array(32).fill(1))
    const listener = new ListenerHandshake(identity, binding, new Uint8Array(32).fill(listenerNonce))
    const challenge = listener.answer(read(dialler.hello()).reader)
    assert.ok(typeof challenge !== 'number')
    const proof = dialler.challenge(read(challenge).reader)
    assert.ok(typeof proof !== 'number')
    return { proof, verdict: listener.proof(read(replay ?? proof).reader) }
  }
  const first = run(2, null, null)
  assert.ok(typeof first.verdict !== 'number')
  assert.equal(run(3, null, first.proof).verdict, LINK_CLOSE.notAuthorized, 'replayed')
  assert.equal(run(2, new Uint8Array(32), null).verdict, LINK_CLOSE.notAuthorized, 'somebody stands between two TLS sessions')
  // What the listener proves with is not what the dialler proves with.
  assert.notDeepEqual(first.verdict, read(first.proof).reader.rest())
})

test('a link leads to the node that is meant, of the same cluster, for a purpose that there is', async () => {
  const harness = new LinkHarness()
  await assert.rejects(harness.dial(testIdentity('front'), 'another'), linkError(LINK_CLOSE.wrongNode))
  await assert.rejects(harness.dial({ ...testIdentity('front'), cluster: 'other' }), linkError(LINK_CLOSE.wrongNode))
  for (const [change, reason] of [[{ versions: [99] }, LINK_CLOSE.unsupportedVersion], [{ nonce: new Uint8Array(5) }, LINK_CLOSE.malformed], [{ node: '' }, LINK_CLOSE.malformed]] as const) {
    const ear = new Ear(harness.connect())
    harness.pipe.write(frame((out) => appendHello(out, { ...HELLO, ...change })))
    await harness.pass(100)
    assert.deepEqual(ear.closes, [reason])
  }
  harness.server.stopServing()
  await assert.rejects(harness.dial(), linkError(LINK_CLOSE.notOwner))
})

test('a stranger says little, in little time, and there are few of them', async () => {
  const harness = new LinkHarness({ openingMax: 2 })
  const long = new Ear(harness.connect())
  harness.pipe.write(new Uint8Array([0xff, 0xff, 0x7f, 0, 0]))
  await harness.pass(100)
  assert.deepEqual(long.closes, [LINK_CLOSE.malformed])
  const silent = new Ear(harness.connect())
  const early = new Ear(harness.connect())
  harness.pipe.write(frame((out) => appendMessage(out, 1, 1, 'bob', new Uint8Array(1), new Uint8Array(0))))
  const third = new Ear(harness.connect())
  await harness.pass(100)
  assert.deepEqual(early.closes, [LINK_CLOSE.malformed], 'no frame before the proof')
  assert.ok(third.isGone && third.types.length === 0)
  await harness.pass(harness.environment.limits.openTimeoutMs)
  assert.ok(silent.isGone)
  assert.throws(() => checkIdentity({ ...testIdentity('x'), secret: new Uint8Array(31) }), RangeError)
})

test('an end that says nothing is taken for dead; one that lives says something', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  await harness.pass(60_000)
  assert.equal(remote.link.hasEnded, false, 'heartbeats go both ways')
  // Nothing gets through, and nobody is told.
  harness.pipe.isMuted = true
  harness.otherPipe.isMuted = true
  await harness.pass(harness.environment.limits.silenceMs + 2 * harness.environment.limits.heartbeatMs)
  assert.equal(remote.link.hasEnded, true)
  assert.equal(harness.acceptor.size, 0)
})

test('a process that was stopped for a while does not take the other end for dead', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  harness.world.passTime(60_000)
  await harness.pass(10_000)
  assert.equal(remote.link.hasEnded, false)
})

test('what waits for an end that reads nothing is bounded: the link ends', async () => {
  const harness = new LinkHarness({ outgoingBytesMax: 100_000 })
  const remote = await harness.dial()
  const { attachment } = await harness.wait(remote.attach({
    user: 'alice', device: 'phone', deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, window: 0, usedTokenHash: null, freshTokenHash: new Uint8Array(32),
  }, harness.sink))
  harness.pipe.isStuck = true
  let sent = 0
  const send = (): void => remote.message(attachment, ++sent, 'bob', new Uint8Array(1000), new Uint8Array(0))
  send()
  await harness.pass(10)
  while (!remote.link.hasEnded && sent < 1000) {
    send()
    if (sent % 20 === 0) await harness.pass(1)
  }
  assert.ok(remote.link.hasEnded && sent > 50 && sent < 200, `${String(sent)} were taken`)
  assert.deepEqual(harness.sink.ends, [107])
})

test('all that a turn has to say goes out in one write', async () => {
  const harness = new LinkHarness()
  const remote = await harness.dial()
  await harness.pass(10)
  const before = harness.pipe.writes
  for (let call = 0; call < 20; call++) void remote.account('nobody')
  await harness.pass(10)
  assert.equal(harness.pipe.writes, before + 1)
})

test('frames are the same whatever pieces they come in', () => {
  const out = new ByteBuffer()
  appendPing(out)
  appendMessage(out, 300, 7, 'böb', new Uint8Array(200).fill(3), new Uint8Array([9]))
  appendAcked(out, 300, 7, 70_000, 1_767_225_600_000, 0)
  const bytes = out.view().slice()
  const read = (pieces: readonly Uint8Array[]): unknown[] => {
    const decoder = new LinkDecoder(1000)
    const seen: unknown[] = []
    for (const piece of pieces) {
      decoder.push(piece)
      for (let type = decoder.next(); type !== LINK_NEEDS_MORE; type = decoder.next()) seen.push([type, Buffer.from(decoder.reader.rest()).toString('hex')])
    }
    return seen
  }
  const whole = read([bytes])
  assert.deepEqual(whole.map((each) => (each as unknown[])[0]), [LINK.ping, LINK.message, LINK.acked])
  for (let at = 1; at < bytes.length; at++) assert.deepEqual(read([bytes.slice(0, at), bytes.slice(at)]), whole, `cut at ${String(at)}`)
  assert.deepEqual(read(Array.from(bytes, (byte) => new Uint8Array([byte]))), whole)
})

test('a frame that is too long, empty, or of no type is malformed', () => {
  for (const bytes of [[0], [0xff, 0x7f, 1], [1, 0], [0xff, 0xff, 0xff, 0xff, 0xff, 0x01]]) {
    const decoder = new LinkDecoder(1000)
    decoder.push(new Uint8Array(bytes))
    assert.equal(decoder.next(), -1)
  }
})
