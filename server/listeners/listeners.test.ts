import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { connect as connectTls, type ConnectionOptions, TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { tellEntries } from '../testing/entries.js'
import { encodeAuth, encodeClose, encodeDelivery, encodeMessage, encodePing, encodeResponse } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { ScramClient } from '../../protocol/scram-client.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { parseListenUrl } from '../config/listen-url.js'
import { Admission } from '../connection/admission.js'
import { Connections } from '../connection/connections.js'
import { SILENT_LOG } from '../log.js'
import { Counters } from '../metrics/metrics.js'
import { newVerifier, NODE_CRYPTO, sha256 } from '../session/node-crypto.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { bindFrame, flight, HELLO } from '../session/testing/harness.js'
import type { Listener } from './listener.js'
import { openListener } from './open-listener.js'
import { selfSigned } from './self-signed.js'
import { connectRaw } from './testing/raw-client.js'
import { readTlsFiles } from './tls-files.js'

const pair = selfSigned(['localhost', '127.0.0.1', '::1'], 30, Date.now())
const token = Buffer.alloc(32, 5)

interface Serving {
  readonly listener: Listener
  readonly router: FakeRouter
  readonly counters: Counters
  readonly connections: Connections
}

async function serve(t: TestContext, url: string, changes: Parameters<typeof configOf>[0] = {}): Promise<Serving> {
  const config = configOf(changes)
  const router = new FakeRouter()
  router.tokens.set('alice/phone', Buffer.from(sha256(token)).toString('hex'))
  const counters = new Counters()
  const admission = new Admission(config, SYSTEM_CLOCK)
  const connections = new Connections({
    config, clock: SYSTEM_CLOCK, log: SILENT_LOG, counters, router, admission, secret: { key: new Uint8Array(32), iterations: 4096 }, blobs: null,
  })
  const listener = await openListener({
    url: parseListenUrl(url)!, accept: (transport) => connections.accept(transport), admission, clock: SYSTEM_CLOCK, log: SILENT_LOG,
    backlog: 16, openTimeoutMs: 5000, messageBytesMax: config.limits.frameBytesMax + 8, origins: config.listen.origins,
    taker: null, tls: { cert: pair.certificate, key: pair.key, validToMs: 0 },
  })
  t.after(async () => {
    listener.stop()
    await connections.drain()
  })
  return { listener, router, counters, connections }
}

const FAST: Parameters<typeof configOf>[0] = { limits: { drainTimeoutMs: 200 } }

for (const scheme of ['tcp', 'tls', 'ws', 'wss'] as const) {
  test(`[OPN-3] [FRM-12] [FRM-13] opens a session in one flight over ${scheme}, carries frames both ways and closes in order`, async (t) => {
    const { listener, router, counters, connections } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    const client = await connectRaw(listener.url, { ca: pair.certificate })
    client.send(flight('alice', 'phone', token), encodeMessage(1, 'bob', Buffer.from('hi')), encodePing(3))
    assert.equal((await client.next())?.type, FRAME.features)
    assert.equal((await client.next())?.type, FRAME.authenticated)
    assert.equal((await client.next())?.type, FRAME.welcome)
    assert.equal((await client.next())?.type, FRAME.pong)
    assert.deepEqual(router.calls, ['message 1 bob hi'])
    router.places[0]!.sink.acked(1, 1, Date.now())
    assert.equal((await client.next())?.type, FRAME.ack)
    assert.equal(counters.connections[scheme], 1)
    router.places[0]!.sink.ended(ERROR.replaced)
    const close = await client.until(FRAME.close)
    assert.ok(close.type === FRAME.close && close.error === ERROR.replaced)
    assert.equal(await client.closed, scheme.startsWith('ws') ? 4000 + ERROR.replaced : 0) // [CLS-6]
    while (connections.size > 0) await new Promise((resolve) => { setTimeout(resolve, 5) })
    assert.equal(counters.connections[scheme], 0)
  })

  test(`[CLS-2] lets a client go that says close over ${scheme}`, async (t) => {
    const { listener, router } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    const client = await connectRaw(listener.url, { ca: pair.certificate })
    client.send(flight('alice', 'phone', token))
    await client.until(FRAME.welcome)
    client.send(encodeClose(ERROR.closed, 0, '', ''))
    assert.equal(await client.next(), null)
    await client.closed
    assert.ok(router.places[0]!.isDetached)
  })

  test(`carries a megabyte to a slow reader over ${scheme}, in order`, async (t) => {
    const { listener, router } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    const client = await connectRaw(listener.url, { ca: pair.certificate })
    client.send(flight('alice', 'phone', token))
    await client.until(FRAME.welcome)
    client.socket.pause()
    const { sink } = router.places[0]!
    for (let index = 1; index <= 1000; index++) tellEntries(sink, encodeDelivery(index, 'bob', index, Date.now(), Buffer.alloc(1000, 'x')))
    setTimeout(() => client.socket.resume(), 20)
    const indexes: number[] = []
    while (indexes.length < 1000) {
      const frame = await client.next()
      assert.ok(frame !== null)
      if (frame.type === FRAME.delivery) indexes.push(frame.index)
    }
    assert.deepEqual(indexes, Array.from({ length: 1000 }, (_, i) => i + 1))
    client.destroy()
  })
}

for (const scheme of ['tls', 'wss'] as const) {
  test(`[SCR-2] binds SCRAM to the TLS connection over ${scheme}`, async (t) => {
    const { listener, router } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    await router.addUser('alice', await newVerifier('secret', 4096))
    const client = await connectRaw(listener.url, { ca: pair.certificate })
    const socket = client.socket instanceof WebSocket ? (client.socket as unknown as { _socket: TLSSocket })._socket : client.socket
    assert.ok(socket instanceof TLSSocket)
    const binding = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
    const scram = new ScramClient({ user: 'alice', password: 'secret', binding, crypto: NODE_CRYPTO })
    client.send(HELLO, encodeAuth(scram.mechanism, scram.first()))
    const challenge = await client.until(FRAME.challenge)
    assert.ok(challenge.type === FRAME.challenge)
    const final = await scram.final(challenge.data)
    assert.ok(typeof final !== 'string')
    client.send(encodeResponse(final), bindFrame('phone'))
    await client.until(FRAME.welcome)
    client.destroy()
  })

  test(`[FRM-13] refuses TLS 1.2 over ${scheme}`, async (t) => {
    const { listener } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    await assert.rejects(handshake(listener.url, { maxVersion: 'TLSv1.2', ALPNProtocols: [scheme === 'tls' ? 'chatd/1' : 'http/1.1'] }))
  })

  test(`renews the certificate of ${scheme} for new connections`, async (t) => {
    const { listener } = await serve(t, `${scheme}://127.0.0.1:0`, FAST)
    const renewed = selfSigned(['localhost', '127.0.0.1'], 30, Date.now())
    listener.renewTls({ cert: renewed.certificate, key: renewed.key, validToMs: 0 })
    await assert.rejects(connectRaw(listener.url, { ca: pair.certificate }))
    const client = await connectRaw(listener.url, { ca: renewed.certificate })
    client.destroy()
  })
}

/** A bare TLS handshake; resolves to the ALPN protocol, rejects with what TLS says. */
async function handshake(url: string, options: ConnectionOptions): Promise<string | false | null> {
  const { hostname, port } = new URL(url.replace(/^\w+/, 'http'))
  const socket = connectTls({ host: hostname, port: Number(port), servername: 'localhost', ca: pair.certificate, ...options })
  try {
    await once(socket, 'secureConnect')
    return socket.alpnProtocol
  } finally {
    socket.destroy()
  }
}

test('[FRM-13] takes ALPN chatd/1, or none at all', async (t) => {
  const { listener, counters } = await serve(t, 'tls://127.0.0.1:0', FAST)
  await assert.rejects(handshake(listener.url, { ALPNProtocols: ['h2', 'http/1.1'] }), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' })
  const simple = await connectRaw(listener.url, { ca: pair.certificate, ALPNProtocols: [] })
  simple.send(HELLO)
  await simple.until(FRAME.features)
  assert.ok(simple.socket instanceof TLSSocket && simple.socket.alpnProtocol === false)
  simple.destroy()
  const client = await connectRaw(listener.url, { ca: pair.certificate, ALPNProtocols: ['h2', 'chatd/1'] })
  client.send(HELLO)
  await client.until(FRAME.features)
  assert.ok(client.socket instanceof TLSSocket && client.socket.alpnProtocol === 'chatd/1')
  client.destroy()
  assert.equal(counters.accepted.tls, 2)
})

test('[FRM-12] [200 malformed-frame] refuses a text message', async (t) => {
  const { listener } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const client = await connectRaw(listener.url)
  assert.ok(client.socket instanceof WebSocket)
  assert.equal(client.socket.extensions, '', 'no compression')
  client.socket.send('hello')
  const close = await client.until(FRAME.close)
  assert.ok(close.type === FRAME.close && close.error === ERROR.malformedFrame)
  assert.equal(await client.closed, 4000 + ERROR.malformedFrame)
})

test('answers a WebSocket ping, which keeps proxies from closing', async (t) => {
  const { listener } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const client = await connectRaw(listener.url)
  assert.ok(client.socket instanceof WebSocket)
  client.socket.ping('are you there')
  const [data] = await once(client.socket, 'pong') as [Buffer]
  assert.equal(data.toString(), 'are you there')
  client.destroy()
})

test('[200 malformed-frame] ends a client that breaks the rules of WebSocket itself', async (t) => {
  const { listener, counters } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const client = await connectRaw(listener.url)
  const { _socket: socket } = client.socket as unknown as { _socket: TLSSocket }
  socket.write(Uint8Array.from([0xf2, 0x80, 0, 0, 0, 0])) // reserved bits
  assert.equal(await client.closed, 1002)
  assert.equal(counters.closes.get('malformed-frame\nserver'), 1)
})

test('outlives a reset of a refused upgrade', async (t) => {
  const { listener } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const { port } = new URL(listener.url.replace('ws', 'http'))
  for (let i = 0; i < 10; i++) {
    const socket = connectTcp({ host: '127.0.0.1', port: Number(port) })
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n')
    if (i % 2 === 0) await once(socket, 'data')
    socket.resetAndDestroy()
  }
  ;(await connectRaw(listener.url)).destroy()
})

test('[201 frame-too-large] bounds a WebSocket message before it is taken', async (t) => {
  const { listener, counters } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const client = await connectRaw(listener.url)
  client.send(Buffer.alloc(65_536 + 9))
  assert.equal(await client.closed, 1009)
  assert.equal(counters.closes.get('frame-too-large\nserver'), 1)
})

test('[FRM-12] refuses an upgrade without the subprotocol, and pages of other web origins', async (t) => {
  const { listener } = await serve(t, 'ws://127.0.0.1:0', { ...FAST, listen: { origins: ['https://chat.example'] } })
  await assert.rejects(connectRaw(listener.url, { subprotocols: [] }), /400/)
  await assert.rejects(connectRaw(listener.url, { subprotocols: ['chatd.v9'] }), /400/)
  await assert.rejects(connectRaw(listener.url, { origin: 'https://evil.example' }), /403/)
  await assert.rejects(connectRaw(listener.url, { origin: 'null' }), /403/)
  for (const origin of ['https://chat.example', 'http://127.0.0.1:8080']) (await connectRaw(listener.url, { origin })).destroy()
})

test('tells a browser what this is', async (t) => {
  const { listener } = await serve(t, 'ws://127.0.0.1:0', FAST)
  const page = await fetch(listener.url.replace('ws', 'http'))
  assert.equal(page.status, 200)
  assert.match(await page.text(), /chatd messenger server/)
  assert.equal((await fetch(`${listener.url.replace('ws', 'http')}/other`)).status, 404)
})

test('[109 too-many-connections] refuses over a real socket, and forgets sockets that have gone', async (t) => {
  const { listener, connections } = await serve(t, 'tcp://127.0.0.1:0', { limits: { drainTimeoutMs: 200, connectionsByAddressMax: 1, exemptLoopback: false } })
  const first = await connectRaw(listener.url)
  first.send(HELLO)
  await first.until(FRAME.features)
  const second = await connectRaw(listener.url)
  const close = await second.until(FRAME.close)
  assert.ok(close.type === FRAME.close && close.error === ERROR.tooManyConnections)
  await second.closed
  first.destroy()
  while (connections.size > 0) await new Promise((resolve) => { setTimeout(resolve, 5) })
  const third = await connectRaw(listener.url)
  third.send(HELLO)
  await third.until(FRAME.features)
  third.destroy()
})

test('refuses certificates and keys that can\'t be used, in one line', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-tls-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const write = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const certificate = write('chatd.crt', pair.certificate)
  const key = write('chatd.key', pair.key)
  const old = selfSigned(['localhost'], 1, Date.now() - 10 * 86_400_000)
  assert.equal(readTlsFiles(certificate, key, Date.now()).cert, pair.certificate)
  assert.throws(() => readTlsFiles(join(directory, 'none'), key, 0), /can't read .*ENOENT/)
  assert.throws(() => readTlsFiles(key, key, 0), /holds no PEM certificate/)
  assert.throws(() => readTlsFiles(certificate, write('other', selfSigned(['x'], 1, Date.now()).key), 0), /is not the key of/)
  assert.throws(() => readTlsFiles(certificate, certificate, 0), /can't be used/)
  assert.throws(() => readTlsFiles(write('old.crt', old.certificate), write('old.key', old.key), Date.now()), /expired on/)
})
