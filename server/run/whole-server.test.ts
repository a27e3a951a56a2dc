/** Rules of the protocol that show only from outside: devices with their own frames against a whole server on real sockets. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { element } from '../../protocol/element.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { encodeAuth, encodeBind, encodeCursor, encodeMark, encodeMessage, encodeQuery } from '../../protocol/generated/frames.js'
import { ERROR, FRAME, LIMIT, MARK, MECHANISMS, RESUME } from '../../protocol/generated/registry.js'
import { ConfigError, configOf } from '../config/config.js'
import { tokenAuth } from '../session/testing/harness.js'
import { connect, errorOf, HELLO, authenticate, liveConfig, liveServer, login } from '../testing/live-server.js'

function text(content: string): Uint8Array {
  return Buffer.from(content)
}

test('[FRM-15] [FRM-20] a WebSocket is not compressed, and a message above frameBytesMax + 8 closes it with 1009', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { listen: { urls: ['ws://127.0.0.1:0'] } }), [])
  for (const [size, code] of [[LIMIT.frameBytesMax + 8, 4000 + ERROR.frameTooLarge], [LIMIT.frameBytesMax + 9, 1009]] as const) {
    // It offers permessage-deflate.
    const client = await connect(t, url)
    assert.ok(client.socket instanceof WebSocket)
    assert.equal(client.socket.extensions, '')
    client.send(new Uint8Array(size).fill(0xff, 0, 3).fill(1, 3, 4))
    assert.equal(await client.closed, code)
  }
})

test('[CLS-8] a device that goes without a word is closed, and its place is free', async (t) => {
  const server = await liveServer(t, liveConfig(t))
  const { client } = await login(t, server.url)
  assert.equal(server.counters.sessions, 1)
  client.destroy()
  while (server.connections.size > 0) await new Promise((resolve) => { setImmediate(resolve) })
  assert.equal(server.counters.sessions, 0)
})

test('[ADR-5] [MSG-10] addresses come back normalised, and the sender is who was authenticated', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const phone = await login(t, url, 'alice', 'phone')
  const laptop = await login(t, url, 'ALICE', 'Laptop')
  const bob = await login(t, url, 'Bob', 'phone')
  // An optional extension may say what it likes.
  phone.client.send(encodeMessage(1, 'BoB', text('hi'), encodeExtensions([{ key: 101, value: text('from: eve') }])))
  const delivery = await bob.client.until(FRAME.delivery)
  assert.ok(delivery.type === FRAME.delivery && delivery.conversation === 'alice')
  const own = await laptop.client.until(FRAME.deliveryFrom)
  assert.ok(own.type === FRAME.deliveryFrom)
  assert.deepEqual([own.conversation, own.from], ['bob', 'alice'])
  laptop.client.send(encodeQuery(1, element('history', { with: 'BOB' })))
  const result = await laptop.client.until(FRAME.result)
  assert.ok(result.type === FRAME.result)
  assert.equal(result.element.attributes.get('with'), 'bob')
  laptop.client.send(encodeQuery(2, element('devices')))
  const devices = await laptop.client.until(FRAME.result)
  assert.ok(devices.type === FRAME.result)
  const ids = devices.element.children.map((child) => typeof child === 'string' ? '' : child.attributes.get('id'))
  assert.deepEqual(ids.sort(), ['laptop', 'phone'])
})

test('[OPN-10] [QUE-9] a device that lost its state begins behind its last acknowledgement, one that is new with all the queue holds', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const alice = await login(t, url)
  for (const [clientId, content] of [[1, 'one'], [2, 'two']] as const) {
    alice.client.send(encodeMessage(clientId, 'bob', text(content)))
    await alice.client.until(FRAME.ack)
  }
  const first = await login(t, url, 'bob')
  assert.deepEqual([first.welcome.resume, first.welcome.cursor, first.welcome.pending], [RESUME.fresh, 0, 2])
  await first.client.until(FRAME.delivery)
  // The receipt that follows from it shows that it was taken.
  first.client.send(encodeCursor(1))
  await alice.client.until(FRAME.receipt)
  const second = await login(t, url, 'bob')
  assert.deepEqual([second.welcome.resume, second.welcome.cursor, second.welcome.pending], [RESUME.fresh, 1, 1])
  assert.ok(second.welcome.outboxEpoch > first.welcome.outboxEpoch)
  const next = await second.client.until(FRAME.delivery)
  assert.ok(next.type === FRAME.delivery && Buffer.from(next.text).toString() === 'two')
})

test('[OPN-19] a connection authenticates once: a second auth is unexpected, and a failed exchange takes no other password', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const twice = await authenticate(t, url, 'alice')
  await twice.until(FRAME.authenticated)
  twice.send(encodeAuth(MECHANISMS[1], text('n,,n=alice,r=abcdefghijklmnop')))
  assert.equal(await errorOf(twice), ERROR.unexpectedFrame)
  const wrong = await authenticate(t, url, 'alice', 'wrong')
  wrong.send(encodeAuth(MECHANISMS[1], text('n,,n=alice,r=abcdefghijklmnop')))
  assert.equal(await errorOf(wrong), ERROR.notAuthorized)
  assert.equal(await wrong.next(), null)
})

test('[TOK-1] a token has 32 bytes, differs each time, opens one device of one user, and is stored nowhere as it is', async (t) => {
  const config = liveConfig(t)
  const server = await liveServer(t, config)
  const phone = await login(t, server.url)
  const laptop = await login(t, server.url, 'alice', 'laptop')
  assert.equal(phone.welcome.token.length, LIMIT.tokenBytes)
  assert.notDeepEqual(phone.welcome.token, laptop.welcome.token)
  for (const [user, device, expected] of [['bob', 'phone', false], ['alice', 'laptop', false], ['alice', 'phone', true]] as const) {
    const client = await connect(t, server.url)
    client.send(HELLO, tokenAuth(user, device, phone.welcome.token))
    if (expected) await client.until(FRAME.authenticated)
    else assert.equal(await errorOf(client), ERROR.tokenInvalid)
  }
  await server.stop()
  const { directory } = config.data
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const stored = files.map((entry) => readFileSync(join(entry.parentPath, entry.name)))
  assert.ok(stored.some((bytes) => bytes.includes('laptop')), 'the store was read')
  assert.ok(!stored.some((bytes) => bytes.includes(Buffer.from(phone.welcome.token))))
})

test('[RCP-4] what was read counts as delivered, also when the device has not acknowledged it', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const alice = await login(t, url)
  alice.client.send(encodeMessage(1, 'bob', text('hi')))
  await alice.client.until(FRAME.ack)
  const bob = await login(t, url, 'bob')
  bob.client.send(encodeMark(1, 'alice', MARK.read, 1))
  await bob.client.until(FRAME.ack)
  alice.client.send(encodeQuery(1, element('receipts', { with: 'bob' })))
  const result = await alice.client.until(FRAME.result)
  assert.ok(result.type === FRAME.result)
  const member = result.element.children.find((child) => typeof child !== 'string' && child.attributes.get('name') !== 'alice')
  assert.ok(member !== undefined && typeof member !== 'string')
  assert.deepEqual([member.attributes.get('delivered'), member.attributes.get('read')], ['1', '1'])
})

test('[OPN-20] limits that a client of one flight has to rely on can be raised, and not lowered', () => {
  for (const name of ['openFrameBytesMax', 'openBytesMax', 'queriesMax'] as const) {
    assert.equal(configOf({ limits: { [name]: LIMIT[name] + 1 } }).limits[name], LIMIT[name] + 1)
    assert.throws(() => configOf({ limits: { [name]: LIMIT[name] - 1 } }), ConfigError, name)
  }
})

test('[OPN-14] a flight may hold openStanzasMax stanzas behind bind, and every one is answered', async (t) => {
  const server = await liveServer(t, liveConfig(t))
  const { welcome } = await login(t, server.url)
  assert.ok(welcome.unacknowledgedMax >= LIMIT.openStanzasMax)
  const client = await connect(t, server.url)
  const stanzas = Array.from({ length: LIMIT.openStanzasMax }, (_, id) => encodeMessage(id + 1, 'bob', text('hi')))
  client.send(HELLO, tokenAuth('alice', 'phone', welcome.token), encodeBind('phone', '', 0, 0, welcome.outboxEpoch, 0), ...stanzas)
  for (let seq = 1; seq <= LIMIT.openStanzasMax; seq++) {
    const ack = await client.until(FRAME.ack)
    assert.ok(ack.type === FRAME.ack && ack.seq === seq)
  }
})
