/** The core's rules one by one: times, classes of errors, limits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EMPTY_BYTES } from '../bytes.js'
import { element } from '../element.js'
import { encodeExtensions } from '../extensions.js'
import { FrameDecoder } from '../frame-decoder.js'
import {
  encodeAck, encodeAuthenticated, encodeChange, encodeClose, encodeDelivery, encodeDone, encodeFeatures, encodePong, encodeReceipt, encodeRefuse,
  encodeSkip, encodeWelcome,
} from '../generated/frames.js'
import type { Frame } from '../generated/frames.js'
import { ERROR, ERRORS, EXTENSION, FRAME, LIMIT, MARK, RESUME } from '../generated/registry.js'
import { encodeText } from '../utf8.js'
import { localError, serverError } from './client-error.js'
import { ClientCore } from './core.js'
import type { CoreEvent, CoreNeed, CoreOptions } from './core-types.js'
import { readHistory } from './query-elements.js'
import { parseServerUrl, redirectTo } from './server-url.js'
import { applyChanges, emptyState } from './state.js'
import type { MutableState, StorageChange } from './state.js'

const SERVER = { scheme: 'tls', host: 'chat.example', port: 5323, path: '/' } as const

/** A core with its time and storage in the test's hands. */
class Bench {
  nowMs = 0
  readonly core: ClientCore
  readonly disk: MutableState
  readonly frames: Frame[] = []
  readonly events: CoreEvent[] = []
  readonly needs: CoreNeed[] = []
  dueMs = Infinity
  #writing: readonly StorageChange[] | null = null
  readonly #decoder = new FrameDecoder(1 << 20)

  constructor(options: Partial<CoreOptions> = {}, disk: MutableState = emptyState()) {
    this.disk = disk
    this.core = new ClientCore({
      servers: [SERVER], user: 'alice', device: 'phone', deviceName: '', agent: '', receives: true, window: 0, hasPassword: true, reconnects: true, allowsPlaintext: false,
      fetchesWhenFresh: false, random: () => 0.5, connectTimeoutMs: 15_000, queryTimeoutMs: 30_000, outboxEntriesMax: 100, ...options,
    }, disk)
    this.core.start(0)
    this.take()
  }

  /** Carries out what the core wants; storage is stored only by `store`. */
  take(): void {
    const output = this.core.take()
    for (const bytes of output.frames) {
      this.#decoder.push(bytes)
      const frame = this.#decoder.next()
      if (frame === null || typeof frame === 'number') assert.fail('no frame')
      this.frames.push(frame)
    }
    if (output.changes.length > 0) this.#writing = output.changes
    this.events.push(...output.events)
    this.needs.push(...output.needs)
    this.dueMs = output.dueMs
  }

  store(): void {
    while (this.#writing !== null) {
      applyChanges(this.disk, this.#writing)
      this.#writing = null
      this.core.stored(this.nowMs)
      this.take()
    }
  }

  receive(...frames: readonly Uint8Array[]): void {
    const decoder = new FrameDecoder(1 << 20)
    for (const bytes of frames) {
      decoder.push(bytes)
      const frame = decoder.next()
      if (frame === null || typeof frame === 'number') assert.fail('no frame')
      this.core.received(this.nowMs, frame)
    }
    this.take()
  }

  /** Time goes on to `nowMs`, through every timer on the way. */
  passTo(nowMs: number): void {
    while (this.dueMs <= nowMs) {
      this.nowMs = Math.max(this.nowMs, this.dueMs)
      this.core.tick(this.nowMs)
      this.take()
    }
    this.nowMs = nowMs
  }

  connect(): void {
    assert.equal(this.needs.at(-1)?.kind, 'connect')
    this.core.connected(this.nowMs, false)
    this.take()
  }

  /** By password, up to the frame before welcome. */
  login(): void {
    this.connect()
    this.receive(encodeFeatures(1, ['SCRAM-SHA-256', 'TOKEN'], [], 4096, 10_000))
    this.core.scramData(this.nowMs, 'SCRAM-SHA-256', EMPTY_BYTES)
    this.receive(Uint8Array.of(2, FRAME.challenge, 0))
    this.core.scramData(this.nowMs, 'SCRAM-SHA-256', EMPTY_BYTES)
    this.receive(encodeAuthenticated('alice', EMPTY_BYTES))
    this.core.scramVerified(this.nowMs)
    this.take()
  }

  open(welcome: Uint8Array = welcomeFrame()): void {
    this.login()
    this.receive(welcome)
    this.store()
  }

  last<K extends CoreEvent['kind']>(kind: K): CoreEvent & { readonly kind: K } {
    const event = this.events.findLast((other) => other.kind === kind)
    assert.ok(event, `no event ${kind}`)
    return event as CoreEvent & { readonly kind: K }
  }

  count(type: number): number {
    return this.frames.filter((frame) => frame.type === type).length
  }
}

function welcomeFrame(options: { unacknowledgedMax?: number; window?: number; resume?: number; cursor?: number } = {}): Uint8Array {
  const { unacknowledgedMax = 8, window = 8, resume = RESUME.fresh, cursor = 0 } = options
  const token = encodeText('token')
  return encodeWelcome('s', 1_000_000, resume, 1, cursor, 0, 5, window, unacknowledgedMax, LIMIT.frameBytesMax, 120_000, token)
}

test('[RCN-1] [RCN-2] [RCN-3] waits a drawn time below a bound that doubles up to the cap; only welcome starts over', () => {
  for (const random of [0, 0.25, 0.999]) {
    const bench = new Bench({ random: () => random })
    for (let attempt = 0; attempt < 12; attempt++) {
      if (attempt === 4) bench.connect()
      bench.core.ended(bench.nowMs, localError('connect-failed', ''))
      bench.take()
      const bound = Math.min(LIMIT.reconnectCapMs, LIMIT.reconnectBaseMs * 2 ** attempt)
      assert.equal(bench.last('disconnected').retryInMs, Math.floor(random * (bound + 1)))
      bench.passTo(bench.nowMs + bench.last('disconnected').retryInMs)
      assert.equal(bench.core.state, 'connecting')
    }
    bench.open()
    bench.receive(encodeClose(ERROR.overloaded, 5000, '', ''))
    assert.equal(bench.last('disconnected').retryInMs, 5000 + Math.floor(random * 501))
  }
})

test('[CLS-4] [CLS-5] reconnects after errors of class again, and after no other but a token that is not valid', () => {
  const codes = [...ERRORS.values()].filter(({ code }) => code < 300 && code !== ERROR.tokenInvalid)
  for (const { code, class: kind } of codes) {
    const bench = new Bench()
    bench.open()
    bench.receive(encodeClose(code, 0, '', ''))
    assert.equal(bench.core.state, kind === 'again' ? 'waiting' : 'stopped', `${code}`)
    if (kind !== 'again') assert.equal(bench.last('stopped').error?.code, code)
    // [CLS-2]
    assert.equal(bench.frames.at(-1)?.type, FRAME.bind)
  }
  for (const [code, state] of [[150, 'waiting'], [219, 'stopped'], [999, 'stopped']] as const) {
    const bench = new Bench()
    bench.open()
    bench.receive(encodeClose(code, 0, '', ''))
    assert.equal(bench.core.state, state, 'a code this version does not know')
  }
})

test('[CLS-7] follows go-to-host three times in a row at most, over the same transport', () => {
  const bench = new Bench()
  const hosts = []
  for (let round = 0; round < 5; round++) {
    const need = bench.needs.at(-1)
    if (need?.kind === 'connect') hosts.push(`${need.address.scheme} ${need.address.host}:${need.address.port}`)
    bench.connect()
    bench.receive(encodeClose(ERROR.goToHost, 0, `host${round}:99`, ''))
    bench.passTo(bench.dueMs)
  }
  assert.deepEqual(hosts, ['tls chat.example:5323', 'tls host0:99', 'tls host1:99', 'tls host2:99', 'tls chat.example:5323'])
  assert.deepEqual(redirectTo(SERVER, '[::1]:7'), { ...SERVER, host: '::1', port: 7 })
  for (const host of ['', 'a b', 'x:0', 'x:99999', 'tcp://x:1', 'a/b', 'a@x:1', 'x?y:1', 'x#y', 'x%2f:1', '[x]:1'.slice(1)]) {
    assert.equal(redirectTo(SERVER, host), null, host)
  }
})

test('[TOK-8] connects in plaintext to loopback only, by URL and by go-to-host, unless a person has allowed it', () => {
  const answers = (server: string, allowsPlaintext = false) => new Bench({ servers: [parseServerUrl(server)], allowsPlaintext }).core.state
  for (const host of ['127.0.0.1', '127.255.0.9:7', 'localhost', 'LOCALHOST:7', '[::1]:7']) {
    assert.equal(answers(`tcp://${host}`), 'connecting', host)
    assert.equal(answers(`ws://${host}/chat`), 'connecting', host)
  }
  for (const host of ['chat.example', '10.0.0.1', '[::2]', '127.0.0.1.example', 'localhost.example', '127.1', '127.0.0.256', '[::ffff:10.0.0.1]']) {
    for (const scheme of ['tcp', 'ws']) {
      const bench = new Bench({ servers: [parseServerUrl(`${scheme}://${host}`)] })
      const { error } = bench.last('stopped')
      assert.equal(error?.symbol, 'plaintext-refused', host)
      assert.equal(error.isRetryable, false)
      assert.deepEqual(bench.needs, [], 'nothing is opened')
      assert.equal(answers(`${scheme}://${host}`, true), 'connecting', host)
    }
    for (const scheme of ['tls', 'wss']) assert.equal(answers(`${scheme}://${host}`), 'connecting', host)
  }

  for (const allowsPlaintext of [false, true]) {
    const bench = new Bench({ servers: [parseServerUrl('tcp://127.0.0.1')], allowsPlaintext })
    bench.connect()
    bench.receive(encodeClose(ERROR.goToHost, 0, 'chat.example:7', ''))
    bench.passTo(bench.dueMs)
    assert.equal(bench.core.state, allowsPlaintext ? 'connecting' : 'stopped')
    assert.equal(bench.needs.filter(({ kind }) => kind === 'connect').length, allowsPlaintext ? 2 : 1)
  }
})

test('[KAL-1] pings before the silence is too long', () => {
  const bench = new Bench()
  bench.open()
  bench.passTo(119_999)
  assert.equal(bench.count(FRAME.ping), 1)
  bench.receive(encodePong(1))
  bench.passTo(239_000)
  assert.equal(bench.count(FRAME.ping), 2)
})

test('[KAL-4] a ping without an answer ends the connection after pongTimeoutMs', () => {
  const bench = new Bench()
  bench.open()
  bench.passTo(108_000 + LIMIT.pongTimeoutMs - 1)
  assert.equal(bench.core.state, 'online')
  bench.passTo(108_000 + LIMIT.pongTimeoutMs)
  assert.equal(bench.last('disconnected').error.code, ERROR.keepAliveTimeout)
  assert.deepEqual(bench.needs.find(({ kind }) => kind === 'disconnect'), { kind: 'disconnect', isDead: true })
})

test('[KAL-5] pings when an ack is late and nothing is heard', () => {
  const bench = new Bench()
  bench.open()
  bench.core.send(bench.nowMs, 'bob', 'hi', EMPTY_BYTES)
  bench.take()
  bench.store()
  bench.passTo(LIMIT.pongTimeoutMs - 1)
  assert.equal(bench.count(FRAME.ping), 0)
  bench.passTo(LIMIT.pongTimeoutMs)
  assert.equal(bench.count(FRAME.ping), 1)
})

test('[MSG-15] [OPN-11] [OPN-16] a fresh device holds its outbox until the epoch is stored, then sends as much as is allowed', () => {
  const bench = new Bench()
  for (let count = 0; count < 5; count++) bench.core.send(0, 'bob', `m${count}`, EMPTY_BYTES)
  bench.take()
  bench.store()
  bench.login()
  bench.receive(welcomeFrame({ unacknowledgedMax: 2 }))
  assert.equal(bench.count(FRAME.message), 0)
  bench.store()
  assert.equal(bench.count(FRAME.message), 2)
  bench.receive(encodeAck(1, 1, 7))
  assert.equal(bench.events.some(({ kind }) => kind === 'sent'), false, 'not before it is stored')
  assert.equal(bench.count(FRAME.message), 3)
  bench.store()
  assert.equal(bench.last('sent').ack.timeMs, 1_000_007)
})

test('[MSG-16] sends again under a new id: after retryAfterMs if it may be retried, at once if the id was stale', () => {
  const bench = new Bench()
  bench.open()
  const ids = () => bench.frames.flatMap((frame) => (frame.type === FRAME.message ? [`${frame.clientId} ${frame.to}`] : []))
  for (const to of ['bob', 'bob', 'carol']) bench.core.send(0, to, 'hi', EMPTY_BYTES)
  bench.take()
  bench.store()
  bench.receive(encodeRefuse(1, ERROR.rateLimited, 1000, ''), encodeRefuse(3, ERROR.staleClientId, 0, ''))
  bench.store()
  assert.deepEqual(ids(), ['1 bob', '2 bob', '3 carol', '4 carol'])
  const { error, retryInMs, ...held } = bench.last('held').held
  assert.deepEqual([held, error.symbol, retryInMs], [{ handle: 1, kind: 'message', to: 'bob', clientId: 1 }, 'rate-limited', 1250])
  // Behind a message that waits, the next ones to the same conversation wait too; others don't.
  bench.core.send(0, 'bob', 'later', EMPTY_BYTES)
  bench.receive(encodeAck(2, 1, 0), encodeAck(4, 1, 0))
  bench.core.send(0, 'carol', 'now', EMPTY_BYTES)
  bench.take()
  bench.store()
  assert.deepEqual(ids().slice(4), ['6 carol'])
  bench.passTo(999)
  bench.store()
  assert.equal(ids().length, 5)
  bench.passTo(2000)
  bench.store()
  assert.deepEqual(ids().slice(5), ['7 bob'])
  bench.receive(encodeAck(7, 2, 0))
  bench.store()
  assert.deepEqual(ids().slice(6), ['8 bob'])
})

test('a final refusal is told with its code, and leaves the outbox', () => {
  const bench = new Bench()
  bench.open()
  bench.core.send(0, 'nobody', 'hi', EMPTY_BYTES)
  bench.take()
  bench.store()
  bench.receive(encodeRefuse(1, ERROR.noSuchUser, 0, ''))
  bench.store()
  assert.equal(bench.last('refused').refusal.error.symbol, 'no-such-user')
  assert.equal(bench.disk.outbox.size, 0)
})

test('[QUE-13] acknowledges a message at once, receipts with delay, and half of the window whatever it is', () => {
  const bench = new Bench()
  bench.open()
  const cursors = () => bench.frames.flatMap((frame) => (frame.type === FRAME.cursor ? [frame.index] : []))
  const giveOut = () => {
    while (bench.core.nextMessage() !== null) bench.core.handled()
    bench.take()
  }
  bench.receive(encodeDelivery(1, 'bob', 1, 0, encodeText('hi')))
  giveOut()
  assert.deepEqual(cursors(), [], 'not stored yet')
  bench.store()
  assert.deepEqual(cursors(), [1])
  bench.receive(encodeReceipt(2, 'bob', '', MARK.read, 1))
  giveOut()
  bench.store()
  assert.deepEqual(cursors(), [1])
  bench.passTo(LIMIT.cursorDelayMs)
  assert.deepEqual(cursors(), [1, 2])
  bench.receive(encodeReceipt(3, 'bob', '', MARK.read, 1), encodeSkip(6))
  giveOut()
  bench.store()
  assert.deepEqual(cursors(), [1, 2, 6])
})

test('[QUE-6] entries beyond the window, and a second done, close the connection', () => {
  const bench = new Bench()
  bench.open(welcomeFrame({ window: 2 }))
  for (let index = 1; index <= 4; index++) bench.receive(encodeDelivery(index, 'bob', index, 0, encodeText('hi')))
  assert.equal(bench.core.state, 'waiting')
  const other = new Bench()
  other.open()
  other.receive(encodeDone(0), encodeDone(0))
  assert.equal(other.core.state, 'waiting')
})

for (const [server, extra] of [
  ['that knows the extension', []],
  ['of before, which sends entries all the same', [encodeDelivery(8, 'bob', 1, 1, encodeText('hi'), EMPTY_BYTES), encodeSkip(9), encodeDone(9)]],
] as const) {
  test(`[QUE-19] a client that does not receive keeps its place whatever welcome says, and acknowledges nothing: of a server ${server}`, () => {
    for (const resume of [RESUME.tooOld, RESUME.fresh]) {
      const disk = Object.assign(emptyState(), { user: 'alice', device: 'phone', queueEpoch: 1, cursor: 3 })
      const bench = new Bench({ receives: false }, disk)
      bench.open(welcomeFrame({ resume, cursor: 7 }))
      bench.receive(...extra)
      bench.store()
      bench.passTo(bench.nowMs + 5000)
      assert.equal(bench.core.nextMessage(), null)
      assert.deepEqual([bench.core.state, bench.core.isBehind, bench.count(FRAME.cursor), disk.queueEpoch, disk.cursor], ['online', false, 0, 1, 3])
      bench.core.ended(bench.nowMs, localError('connect-failed', ''))
      bench.take()
      bench.passTo(bench.dueMs)
      bench.connect()
      const binds = bench.frames.filter((frame) => frame.type === FRAME.bind)
      const expected = [1, 3, 1, [EXTENSION.noQueue, 0]]
      assert.deepEqual(binds.map(({ queueEpoch, cursor, window, extensions }) => [queueEpoch, cursor, window, [...extensions]]), [expected, expected])
      assert.ok(!bench.events.some(({ kind }) => kind === 'tooOld' || kind === 'synced'))
    }
  })
}

test('an error says its sentence once, also where the server gives the same one as its reason', () => {
  const { doc } = ERRORS.get(ERROR.noSuchUser)!
  for (const reason of ['', doc, doc.replace('.', '').toLowerCase()]) assert.equal(serverError(ERROR.noSuchUser, reason, 0).message, doc)
  assert.equal(serverError(ERROR.noSuchUser, 'there is no user bob', 0).message, `${doc} (there is no user bob)`)
})

test('[RCP-9] a watermark is shown only as far as messages are known, and rises with them', () => {
  const bench = new Bench()
  bench.open()
  bench.receive(encodeDelivery(1, 'bob', 1, 0, encodeText('hi')), encodeReceipt(2, 'bob', '', MARK.read, 3), encodeReceipt(3, 'bob', '', MARK.read, 2))
  while (bench.core.nextMessage() !== null) bench.core.handled()
  bench.take()
  assert.equal(bench.last('receipt').receipt.seq, 1)
  assert.deepEqual(bench.core.watermarks('bob').members, [{ member: 'bob', delivered: 1, read: 1 }])
  bench.receive(encodeDelivery(4, 'bob', 2, 0, encodeText('more')), encodeDelivery(5, 'bob', 3, 0, encodeText('more')))
  while (bench.core.nextMessage() !== null) bench.core.handled()
  bench.take()
  assert.equal(bench.last('receipt').receipt.seq, 3)
})

test('[GRP-20] a change is given out in its place, whatever it is called, and is told once', () => {
  const bench = new Bench()
  bench.open()
  const change = element('moved', { to: 'mars' })
  bench.receive(encodeChange(1, '#team', 'bob', 7, 1000, change))
  const message = bench.core.nextMessage()
  assert.deepEqual([message?.conversation, message?.seq, message?.from, message?.text, message?.change], ['#team', 7, 'bob', '', change])
  bench.core.handled()
  assert.equal(bench.core.isNews('#team', 7), false)
  bench.receive(encodeReceipt(2, '#team', '', MARK.read, 7))
  assert.equal(bench.core.nextMessage(), null)
  bench.take()
  assert.deepEqual(bench.core.watermarks('#team').members, [{ member: '#team', delivered: 7, read: 7 }])
})

test('[FRM-7] a message with an unknown critical extension is given out, and says that it has more to it', () => {
  const bench = new Bench()
  bench.open()
  const blocks = [[], [{ key: 1001, value: EMPTY_BYTES }], [{ key: 1000, value: EMPTY_BYTES }]]
  for (const [position, block] of blocks.entries()) {
    bench.receive(encodeDelivery(position + 1, 'bob', position + 1, 0, encodeText('hi'), encodeExtensions(block)))
    const message = bench.core.nextMessage()
    assert.equal(message?.text, 'hi')
    assert.equal(message.isIncomplete, position === 2)
    bench.core.handled()
  }
  bench.receive(encodeReceipt(4, 'bob', '', MARK.read, 3, encodeExtensions([{ key: 1000, value: EMPTY_BYTES }])))
  bench.core.nextMessage()
  bench.take()
  assert.equal(bench.last('receipt').receipt.seq, 3, 'a receipt is applied all the same')

  const parts = { time: '5', from: 'bob' }
  const page = readHistory(element('history', { with: 'bob', tail: 3, more: 'false' },
    element('message', { seq: 1, ...parts }, element('body', {}, 'hi')),
    element('message', { seq: 2, ...parts }, element('x', { key: 1001 })),
    element('message', { seq: 3, ...parts }, element('body', {}, 'hi'), element('x', { key: 1000 })),
  ), 'alice')
  assert.deepEqual(page?.messages.map(({ isIncomplete }) => isIncomplete), [false, false, true])
})

test('[OPN-3] [OPN-5] the first flight stays far below what a server takes before it has authenticated us', () => {
  const first = new Bench()
  first.open(welcomeFrame({ unacknowledgedMax: 1000 }))
  first.core.ended(0, localError('connect-failed', ''))
  for (let count = 0; count < 40; count++) first.core.send(0, 'bob', 'ö'.repeat(700), EMPTY_BYTES)
  first.take()
  first.store()
  const bench = new Bench({}, first.disk)
  bench.connect()
  assert.deepEqual(bench.frames.slice(0, 3).map(({ type }) => type), [FRAME.hello, FRAME.auth, FRAME.bind])
  assert.equal(bench.count(FRAME.message), 5)
  bench.receive(
    encodeFeatures(1, ['TOKEN'], [], 4096, 10_000), encodeAuthenticated('alice', EMPTY_BYTES),
    welcomeFrame({ unacknowledgedMax: 1000, resume: RESUME.resumed }),
  )
  assert.equal(bench.count(FRAME.message), 40)
})

test('[OPN-14] the first flight has no more stanzas than every server takes before welcome', () => {
  const first = new Bench()
  first.open(welcomeFrame({ unacknowledgedMax: 1000 }))
  first.core.ended(0, localError('connect-failed', ''))
  for (let count = 0; count < LIMIT.openStanzasMax + 10; count++) first.core.send(0, 'bob', 'hi', EMPTY_BYTES)
  first.take()
  first.store()
  const bench = new Bench({}, first.disk)
  bench.connect()
  assert.equal(bench.count(FRAME.message), LIMIT.openStanzasMax)
  bench.receive(
    encodeFeatures(1, ['TOKEN'], [], 4096, 10_000), encodeAuthenticated('alice', EMPTY_BYTES),
    welcomeFrame({ unacknowledgedMax: 1000, resume: RESUME.resumed }),
  )
  assert.equal(bench.count(FRAME.message), LIMIT.openStanzasMax + 10)
})

test('a server that takes fewer stanzas than it used to is asked again without a flight', () => {
  const first = new Bench()
  first.open()
  first.core.ended(0, localError('connect-failed', ''))
  first.core.send(0, 'bob', 'hi', EMPTY_BYTES)
  first.take()
  first.store()
  const bench = new Bench({}, first.disk)
  bench.connect()
  assert.equal(bench.count(FRAME.message), 1)
  bench.receive(
    encodeFeatures(1, ['TOKEN'], [], 4096, 10_000), encodeAuthenticated('alice', EMPTY_BYTES), encodeClose(ERROR.tooManyUnacknowledged, 0, '', ''),
  )
  bench.passTo(bench.dueMs)
  bench.connect()
  assert.equal(bench.count(FRAME.message), 1)
})

test('[QRY-1] [QRY-2] asks eight queries at a time, asks again after a reconnect, and gives up in time', () => {
  const bench = new Bench()
  bench.open()
  for (let count = 0; count < 10; count++) bench.core.query(0, element('devices'))
  bench.take()
  assert.equal(bench.count(FRAME.query), LIMIT.queriesMax)
  bench.core.ended(0, localError('connect-failed', ''))
  bench.take()
  bench.passTo(bench.dueMs)
  bench.frames.length = 0
  bench.connect()
  bench.receive(
    encodeFeatures(1, ['TOKEN'], [], 4096, 10_000), encodeAuthenticated('alice', EMPTY_BYTES), welcomeFrame({ resume: RESUME.resumed }),
  )
  assert.deepEqual(bench.frames.flatMap((frame) => (frame.type === FRAME.query ? [frame.id] : [])), [1, 2, 3, 4, 5, 6, 7, 8])
  bench.passTo(30_000)
  assert.equal(bench.events.filter(({ kind }) => kind === 'failed').length, 10)
})

test('[FRM-10] a frame that a server may not send, or not now, closes with unexpected-frame', () => {
  for (const type of [FRAME.challenge, FRAME.authenticated, FRAME.welcome, FRAME.done]) {
    const bench = new Bench()
    bench.connect()
    const bytes = type === FRAME.welcome ? welcomeFrame() : type === FRAME.authenticated ? encodeAuthenticated('alice', EMPTY_BYTES)
      : type === FRAME.done ? encodeDone(0) : Uint8Array.of(2, type, 0)
    bench.receive(bytes)
    const last = bench.frames.at(-1)
    assert.ok(last?.type === FRAME.close && last.error === ERROR.unexpectedFrame, `${type}`)
  }
})

test('without a password a token that is not valid stops the client; the token is forgotten', () => {
  const first = new Bench()
  first.open()
  const bench = new Bench({ hasPassword: false }, first.disk)
  bench.connect()
  bench.receive(encodeFeatures(1, ['TOKEN'], [], 4096, 10_000), encodeClose(ERROR.tokenInvalid, 0, '', ''))
  bench.store()
  assert.equal(bench.last('stopped').error?.symbol, 'token-invalid')
  assert.equal(bench.disk.token, null)
  const empty = new Bench({ hasPassword: false })
  assert.equal(empty.last('stopped').error?.symbol, 'no-password')
})

test('[TOK-4] [CLS-5] a token that is taken back in the session is forgotten: with a password the client logs in again, without it stops', () => {
  for (const hasPassword of [true, false]) {
    const first = new Bench()
    first.open()
    const bench = new Bench({ hasPassword }, first.disk)
    bench.connect()
    bench.receive(
      encodeFeatures(1, ['SCRAM-SHA-256', 'TOKEN'], [], 4096, 10_000), encodeAuthenticated('alice', EMPTY_BYTES), welcomeFrame({ resume: RESUME.resumed }),
    )
    bench.store()
    assert.equal(bench.core.state, 'online')
    bench.receive(encodeClose(ERROR.tokenInvalid, 0, '', ''))
    bench.store()
    assert.equal(bench.disk.token, null)
    if (hasPassword) {
      assert.equal(bench.last('disconnected').error.symbol, 'token-invalid')
      bench.passTo(bench.dueMs)
      bench.login()
    } else assert.equal(bench.last('stopped').error?.symbol, 'token-invalid')
  }
})

test('[OPN-12] a server that offers no mechanism wants encryption', () => {
  const bench = new Bench()
  bench.connect()
  bench.receive(encodeFeatures(1, [], [], 4096, 10_000))
  assert.equal(bench.last('stopped').error?.symbol, 'encryption-required')
})
