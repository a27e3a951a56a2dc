import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import {
  encodeAuth, encodeBind, encodeCursor, encodeHello, encodeMessage, encodePing, encodeResponse, type Frame,
} from '../../protocol/generated/frames.js'
import { ERROR, EXTENSION, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { type ChannelBinding, ScramClient } from '../../protocol/scram-client.js'
import { RouterError } from '../router/router.js'
import { NODE_CRYPTO, newVerifier } from './node-crypto.js'
import { bindFrame, createHarness, type FakeTransport, flight, type Harness, HELLO, names, settle, tokenAuth } from './testing/harness.js'

const encode = (text: string): Uint8Array => Buffer.from(text)

async function addUser(harness: Harness, user: string, password: string): Promise<void> {
  await harness.router.addUser(user, await newVerifier(password, 4096))
}

/** hello, then SCRAM up to the answer to the last response. */
async function scram(transport: FakeTransport, user: string, password: string, binding: ChannelBinding = 'none', mechanism?: string): Promise<Frame[]> {
  const client = new ScramClient({ user, password, binding, crypto: NODE_CRYPTO })
  transport.deliver(HELLO, encodeAuth(mechanism ?? client.mechanism, client.first()))
  await settle()
  const challenge = transport.frames.at(-1)
  if (challenge?.type !== FRAME.challenge) return transport.take()
  const final = await client.final(challenge.data)
  assert.ok(typeof final !== 'string')
  transport.deliver(encodeResponse(final))
  await settle()
  const frames = transport.take()
  const last = frames.at(-1)
  if (last?.type === FRAME.authenticated) assert.ok(client.verify(last.data))
  return frames
}

test('[OPN-3] [OPN-4] takes hello, token, bind and the first messages in one chunk, and answers in order', async () => {
  const harness = createHarness()
  const transport = harness.connect()
  const token = harness.tokenFor('alice', 'phone')
  transport.deliver(flight('alice', 'phone', token), encodeMessage(1, 'bob', encode('one')), encodeMessage(2, 'bob', encode('two')))
  assert.ok(transport.isPaused, 'reading pauses while the account is looked up')
  await settle()
  assert.deepEqual(names(transport.take()), ['features', 'authenticated', 'welcome'])
  assert.equal(transport.writes.length, 1, 'the answer to one flight is one write')
  assert.deepEqual(harness.router.calls, ['message 1 bob one', 'message 2 bob two'])
  assert.ok(!transport.isPaused)
})

test('who is at home at a shard that answers gets in, however many wait for another', async () => {
  const harness = createHarness({ limits: { openingsAtOnce: 2 } }, 2)
  const { router } = harness
  const { checkToken } = router
  router.checkToken = (user, device, hash) => user === 'bob' ? new Promise(() => {}) : checkToken.call(router, user, device, hash)
  router.homes.set('alice', 1)
  for (let count = 0; count < 3; count++) harness.connect().deliver(flight('bob', `phone-${String(count)}`, harness.tokenFor('bob', 'phone')))
  await harness.open('alice')
})

test('[FRM-5] takes the same flight byte by byte', async () => {
  const harness = createHarness()
  const transport = harness.connect()
  const bytes = Buffer.concat([flight('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeMessage(1, 'bob', encode('one'))])
  for (const byte of bytes) transport.deliver(Buffer.from([byte]))
  await settle()
  assert.deepEqual(names(transport.take()), ['features', 'authenticated', 'welcome'])
  assert.deepEqual(harness.router.calls, ['message 1 bob one'])
})

test('[OPN-2] tells in features what it offers, and in welcome where the device stands', async () => {
  const harness = createHarness({ limits: { keepAliveMs: 60_000 } })
  harness.router.attached = { ...harness.router.attached, resume: 1, cursor: 41, pending: 3 }
  const transport = harness.connect()
  harness.clock.ms += 2000
  transport.deliver(encodeHello([9, 1], 'test'), tokenAuth('Alice', 'Phone', harness.tokenFor('alice', 'phone')), encodeBind('PHONE', 'x', 5, 41, 6, 0))
  await settle()
  const [features, authenticated, welcome] = transport.take()
  assert.ok(features?.type === FRAME.features && authenticated?.type === FRAME.authenticated && welcome?.type === FRAME.welcome)
  assert.deepEqual([features.version, features.mechanisms, features.channelBindings, features.openTimeoutMs], [1, ['SCRAM-SHA-256', 'TOKEN'], [], 8000])
  assert.equal(authenticated.user, 'alice') // [ADR-5]
  assert.deepEqual([welcome.resume, welcome.cursor, welcome.pending, welcome.keepAliveMs, welcome.token.length], [1, 41, 3, 60_000, 32])
  assert.equal(welcome.time, harness.clock.nowMs())
  const { request } = harness.router.places[0]!
  assert.deepEqual([request.user, request.device, request.queueEpoch, request.cursor, request.outboxEpoch], ['alice', 'phone', 5, 41, 6])
  assert.deepEqual(Buffer.from(request.freshTokenHash), Buffer.from(NODE_CRYPTO.sha256(welcome.token) as Uint8Array)) // [TOK-1]
})

test('[QUE-17] hands on that a session takes nothing off the queue, and says nothing where it does', async () => {
  for (const [extensions, expected] of [[encodeExtensions([{ key: EXTENSION.noQueue, value: EMPTY_BYTES }]), true], [EMPTY_BYTES, undefined]] as const) {
    const harness = createHarness()
    harness.connect().deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeBind('phone', '', 0, 0, 0, 0, extensions))
    await settle()
    assert.equal(harness.router.places[0]!.request.noQueue, expected)
  }
})

test('cuts labels that are too long, between characters', async () => {
  const harness = createHarness()
  const transport = harness.connect()
  transport.deliver(encodeHello([1], 'a'.repeat(500)), tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeBind('phone', `x${'😀'.repeat(40)}`, 0, 0, 0, 0))
  await settle()
  assert.equal(harness.router.places[0]!.request.deviceName, `x${'😀'.repeat(31)}`)
  assert.equal(String(harness.lines.find(({ event }) => event === 'session-opened')?.fields['agent']).length, 128)
})

test('[TOK-2] sends no token where the shard did not take it', async () => {
  const harness = createHarness()
  harness.router.attached = { ...harness.router.attached, tokenIssued: false }
  const transport = harness.connect()
  transport.deliver(flight('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  const welcome = transport.take().at(-1)
  assert.ok(welcome?.type === FRAME.welcome && welcome.token.length === 0)
})

test('[SCR-1] logs in by password', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const transport = harness.connect()
  assert.deepEqual(names(await scram(transport, 'alice', 'secret')), ['features', 'challenge', 'authenticated'])
  transport.deliver(bindFrame('phone'))
  await settle()
  assert.deepEqual(names(transport.take()), ['welcome'])
  assert.equal(harness.router.places[0]!.request.usedTokenHash, null)
})

test('[SCR-2] logs in by password bound to the TLS connection', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const binding = new Uint8Array(32).fill(3)
  const frames = await scram(harness.connect({ scheme: 'tls', binding }), 'alice', 'secret', binding)
  assert.deepEqual(names(frames), ['features', 'challenge', 'authenticated'])
  assert.ok(frames[0]?.type === FRAME.features)
  assert.deepEqual(frames[0].mechanisms, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'TOKEN'])
  assert.deepEqual(frames[0].channelBindings, ['tls-exporter'])
})

test('[SCR-3] [223 channel-binding-failed] refuses a client bound to another connection, or talked out of binding', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const binding = new Uint8Array(32).fill(3)
  const other = harness.connect({ scheme: 'tls', binding })
  assert.equal((await scram(other, 'alice', 'secret', new Uint8Array(32).fill(4))).at(-1)?.type, FRAME.close)
  assert.equal(other.endedWith, ERROR.channelBindingFailed)
  const downgraded = harness.connect({ scheme: 'tls', binding })
  await scram(downgraded, 'alice', 'secret', 'unoffered')
  assert.equal(downgraded.endedWith, ERROR.channelBindingFailed)
})

test('[OPN-13] [220 not-authorized] answers an unknown user like a wrong password, with the same salt each time', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const salts: string[] = []
  for (const user of ['nobody', 'nobody', 'alice']) {
    const transport = harness.connect()
    const frames = await scram(transport, user, 'wrong')
    assert.deepEqual(names(frames), ['features', 'challenge', 'close'])
    assert.equal(transport.endedWith, ERROR.notAuthorized)
    assert.ok(frames[1]?.type === FRAME.challenge)
    salts.push(Buffer.from(frames[1].data).toString().split(',').slice(1).join())
  }
  assert.equal(salts[0], salts[1])
  assert.match(salts[0]!, /^s=.{24},i=4096$/)
  assert.match(salts[2]!, /^s=.{24},i=4096$/)
})

test('[SCR-6] [220 not-authorized] refuses to act for somebody else', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const transport = harness.connect()
  transport.deliver(HELLO, encodeAuth('SCRAM-SHA-256', encode('n,a=bob,n=alice,r=abcdefgh')))
  await settle()
  assert.equal(transport.closedWith, ERROR.notAuthorized)
})

test('[OPN-12] [224 encryption-required] offers and takes nothing over plain transports where encryption is required', async () => {
  const harness = createHarness({ auth: { requireEncryption: true } })
  const transport = harness.connect()
  transport.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  const [features] = transport.frames
  assert.ok(features?.type === FRAME.features && features.mechanisms.length === 0)
  assert.equal(transport.closedWith, ERROR.encryptionRequired)
})

test('[222 unsupported-mechanism] refuses a mechanism that was not offered', async () => {
  const harness = createHarness()
  for (const mechanism of ['PLAIN', 'SCRAM-SHA-256-PLUS', '']) {
    const transport = harness.connect()
    transport.deliver(HELLO, encodeAuth(mechanism, encode('x')))
    await settle()
    assert.equal(transport.closedWith, ERROR.unsupportedMechanism)
  }
})

test('[SCR-1] [SCR-2] closes with what the vectors say of first messages', async () => {
  const file = new URL('../../../conformance/vectors/scram.json', import.meta.url)
  const { refusals } = JSON.parse(readFileSync(file, 'utf8')) as {
    refusals: readonly { name: string, isPlus: boolean, offersPlus: boolean, clientFirst: string, error: number }[]
  }
  assert.ok(refusals.length > 10)
  for (const { name, isPlus, offersPlus, clientFirst, error } of refusals) {
    const transport = createHarness().connect(offersPlus ? { scheme: 'tls', binding: new Uint8Array(32) } : {})
    transport.deliver(HELLO, encodeAuth(isPlus ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256', encode(clientFirst)))
    await settle()
    assert.equal(transport.closedWith, error, name)
  }
})

test('[TOK-4] [221 token-invalid] refuses tokens that are unknown or malformed', async () => {
  const harness = createHarness()
  const good = harness.tokenFor('alice', 'phone')
  const datas = [
    Buffer.alloc(0), encode('alice'), encode('alice\0phone'), Buffer.concat([encode('alice\0phone\0'), good.subarray(1)]),
    Buffer.concat([encode('alice\0phone\0'), Buffer.alloc(32)]), Buffer.concat([encode('alice\0tablet\0'), good]),
    Buffer.concat([encode('\0phone\0'), good]), Buffer.concat([encode('al/ice\0phone\0'), good]),
  ]
  for (const data of datas) {
    const transport = harness.connect()
    transport.deliver(HELLO, encodeAuth('TOKEN', data))
    await settle()
    assert.equal(transport.closedWith, ERROR.tokenInvalid)
  }
})

test('[TOK-5] [220 not-authorized] refuses a bind for another device than the token\'s', async () => {
  const harness = createHarness()
  const transport = harness.connect()
  transport.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')), bindFrame('tablet'))
  await settle()
  assert.equal(transport.closedWith, ERROR.notAuthorized)
  assert.equal(harness.router.places.length, 0)
})

test('[225 account-disabled] refuses a disabled account, but only after the right password or token', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  harness.router.accounts.set('alice', { ...harness.router.accounts.get('alice')!, disabled: true })
  const right = harness.connect()
  await scram(right, 'alice', 'secret')
  assert.equal(right.endedWith, ERROR.accountDisabled)
  const wrong = harness.connect()
  await scram(wrong, 'alice', 'wrong')
  assert.equal(wrong.endedWith, ERROR.notAuthorized)
  const token = harness.connect()
  token.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  assert.equal(token.closedWith, ERROR.accountDisabled)
})

test('[OPN-1] [FRM-10] [204 unexpected-frame] refuses frames out of phase, and those of the other side', async () => {
  const harness = createHarness()
  const flights = [
    [encodeBind('phone', '', 0, 0, 0, 0)],
    [encodeMessage(1, 'bob', encode('x'))],
    [HELLO, HELLO],
    [HELLO, encodeResponse(encode('x'))],
    [HELLO, encodeCursor(1)],
  ]
  for (const frames of flights) {
    const transport = harness.connect()
    transport.deliver(...frames)
    await settle()
    assert.equal(transport.closedWith, ERROR.unexpectedFrame)
  }
  const { transport } = await harness.open()
  transport.deliver(HELLO)
  await settle()
  assert.equal(transport.closedWith, ERROR.unexpectedFrame)
})

test('[KAL-2] answers a ping before hello', async () => {
  const transport = createHarness().connect()
  transport.deliver(encodePing(77))
  await settle()
  const [pong] = transport.take()
  assert.ok(pong?.type === FRAME.pong && pong.nonce === 77)
})

test('[OPN-2] [202 unsupported-version] refuses a client without a version in common', async () => {
  const transport = createHarness().connect()
  transport.deliver(encodeHello([2, 3], 'from the future'))
  await settle()
  assert.equal(transport.closedWith, ERROR.unsupportedVersion)
})

test('[ADR-3] [244 malformed-device] refuses a device id that breaks the rules', async () => {
  const harness = createHarness()
  await addUser(harness, 'alice', 'secret')
  const transport = harness.connect()
  await scram(transport, 'alice', 'secret')
  transport.deliver(encodeBind('my phone', '', 0, 0, 0, 0))
  await settle()
  assert.equal(transport.closedWith, ERROR.malformedDevice)
})

test('[OPN-8] [243 too-many-devices] [107 storage-unavailable] [108 internal-error] closes with what the shard says of bind', async () => {
  const cases = [
    [new RouterError(ERROR.tooManyDevices, ''), ERROR.tooManyDevices, 0],
    [new RouterError(ERROR.unavailable, '', { retryAfterMs: 700 }), ERROR.storageUnavailable, 700],
    [new RouterError(ERROR.storageUnavailable, ''), ERROR.storageUnavailable, 0],
    [new RouterError(ERROR.noSuchUser, ''), ERROR.accountRemoved, 0],
    [new Error('a mistake'), ERROR.internalError, 0],
  ] as const
  for (const [failure, code, retryAfterMs] of cases) {
    const harness = createHarness()
    const transport = harness.connect()
    transport.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')))
    await settle()
    harness.router.failure = failure
    transport.deliver(bindFrame('phone'))
    await settle()
    const close = transport.frames.at(-1)
    assert.ok(close?.type === FRAME.close)
    assert.deepEqual([close.error, close.retryAfterMs], [code, retryAfterMs])
    assert.doesNotMatch(close.reason, /mistake/)
  }
})

test('[OPN-5] [201 frame-too-large] bounds frames and bytes before welcome, ignored ones too, not what follows bind in the same flight', async () => {
  const harness = createHarness()
  const large = harness.connect()
  large.deliver(HELLO, encodeAuth('TOKEN', Buffer.alloc(LIMIT.openFrameBytesMax + 1)))
  await settle()
  assert.equal(large.closedWith, ERROR.frameTooLarge)

  const many = harness.connect()
  for (let i = 0; i < LIMIT.openBytesMax / 2; i++) many.deliver(encodePing(1))
  await settle()
  assert.equal(many.closedWith, ERROR.frameTooLarge)

  const skipped = harness.connect()
  const ignored = Buffer.concat([Buffer.from([0xa2, 0x1f, 0x91, 0x4e]), Buffer.alloc(4000, 'x')])
  skipped.deliver(ignored, ignored, ignored, ignored)
  await settle()
  assert.equal(skipped.frames.length, 0)
  skipped.deliver(ignored.subarray(0, LIMIT.openBytesMax - 4 * ignored.length))
  assert.equal(skipped.frames.length, 0, 'as many bytes as it may send')
  skipped.deliver(ignored.subarray(LIMIT.openBytesMax - 4 * ignored.length).subarray(0, 1))
  assert.equal(skipped.closedWith, ERROR.frameTooLarge, 'one byte more, of a frame that is not whole and will be ignored')

  const atOnce = harness.connect()
  atOnce.deliver(ignored, ignored, ignored, ignored, ignored)
  assert.equal(atOnce.closedWith, ERROR.frameTooLarge)

  const unbound = harness.connect()
  unbound.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  unbound.take()
  unbound.deliver(ignored, ignored, ignored, ignored, ignored)
  assert.equal(unbound.closedWith, ERROR.frameTooLarge, 'until welcome, not only until authenticated')

  const fine = harness.connect()
  fine.deliver(flight('alice', 'phone', harness.tokenFor('alice', 'phone')), encodeMessage(1, 'bob', Buffer.alloc(2000, 'x')), encodeMessage(2, 'bob', Buffer.alloc(LIMIT.openBytesMax, 'y')))
  await settle()
  assert.deepEqual(names(fine.take()), ['features', 'authenticated', 'welcome'])
  assert.equal(harness.router.calls.length, 2)
})

test('[110 too-many-attempts] makes an address wait after too many failures, and says how long', async () => {
  const harness = createHarness({ auth: { failuresBurst: 3, failureRefillMs: 1000 } })
  const attempt = async (address: string): Promise<FakeTransport> => {
    const transport = harness.connect({ address })
    transport.deliver(HELLO, tokenAuth('alice', 'phone', Buffer.alloc(32)))
    await settle()
    return transport
  }
  for (let i = 0; i < 3; i++) assert.equal((await attempt('192.0.2.7')).closedWith, ERROR.tokenInvalid)
  const refused = (await attempt('192.0.2.7')).frames.at(-1)
  assert.ok(refused?.type === FRAME.close)
  assert.equal(refused.error, ERROR.tooManyAttempts)
  assert.equal(refused.retryAfterMs, 1000)
  assert.equal((await attempt('192.0.2.8')).closedWith, ERROR.tokenInvalid, 'another address is not held up')
  harness.clock.ms += 1000
  assert.equal((await attempt('192.0.2.7')).closedWith, ERROR.tokenInvalid, 'time heals')
})

test('lets go of a place that was attached after the client had gone', async () => {
  const harness = createHarness()
  let open: () => void = () => {}
  const transport = harness.connect()
  transport.deliver(HELLO, tokenAuth('alice', 'phone', harness.tokenFor('alice', 'phone')))
  await settle()
  harness.router.gate = new Promise((resolve) => { open = resolve })
  transport.deliver(bindFrame('phone'))
  transport.handler?.gone()
  open()
  await settle()
  assert.equal(harness.router.places.length, 1)
  assert.ok(harness.router.places[0]!.isDetached)
  assert.equal(harness.counters.sessions, 0)
})

test('[TOK-6] logs neither token nor password, and names the session in every line of its life', async () => {
  const harness = createHarness()
  const { transport } = await harness.open()
  const token = harness.tokenFor('alice', 'tablet')
  const refused = harness.connect()
  refused.deliver(HELLO, tokenAuth('alice', 'phone', token))
  await settle()
  transport.handler?.gone()
  const text = JSON.stringify(harness.lines)
  for (const encoding of ['hex', 'base64', 'latin1'] as const) assert.ok(!text.includes(Buffer.from(token).toString(encoding)))
  assert.deepEqual([...new Set(harness.lines.map(({ event }) => event))].sort(),
    ['authentication-refused', 'connection-accepted', 'connection-ended', 'session-opened'])
  assert.ok(harness.lines.every(({ fields }) => typeof fields['session'] === 'string'))
})
