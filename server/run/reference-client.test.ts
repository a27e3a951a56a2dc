/** Rules for clients, kept by the reference client against this server, whose router is in the test's hands. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import type { TestContext } from 'node:test'
import { Client } from '../../protocol/client/node.js'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { encodeDelivery, encodeSkip } from '../../protocol/generated/frames.js'
import type { Frame } from '../../protocol/generated/frames.js'
import { ALPN, ERROR, FRAME, LIMIT, PROTOCOL_VERSION } from '../../protocol/generated/registry.js'
import { tellEntries } from '../testing/entries.js'
import { selfSigned } from '../listeners/self-signed.js'
import type { AttachRequest, Attached, DeviceSink } from '../router/router.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { PASSWORD, passwordVerifier, serveRouter } from '../testing/live-server.js'

/** Takes every token that a welcome told, and tells of sessions and calls as they come. */
class WatchedRouter extends FakeRouter {
  #wake: () => void = () => {}

  override async attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    const attached = await super.attach(request, sink)
    this.tokens.set(`${request.user}/${request.device}`, Buffer.from(request.freshTokenHash).toString('hex'))
    this.#wake()
    return attached
  }

  override message(...command: Parameters<FakeRouter['message']>): void {
    super.message(...command)
    this.#wake()
  }

  override cursor(...command: Parameters<FakeRouter['cursor']>): boolean {
    const isValid = super.cursor(...command)
    this.#wake()
    return isValid
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => { this.#wake = resolve })
  }
}

async function setUp(t: TestContext): Promise<{ router: WatchedRouter, client: Client, url: string }> {
  const router = new WatchedRouter()
  router.accounts.set('alice', { user: 'alice', disabled: false, verifier: await passwordVerifier(), createdMs: 0 })
  const url = await serveRouter(t, router)
  const client = new Client({ server: url, user: 'alice', password: PASSWORD, device: 'phone' })
  t.after(() => client.close())
  return { router, client, url }
}

test('[TOK-7] at each connection the client uses the token of the last welcome', async (t) => {
  const { router, client } = await setUp(t)
  await client.connect()
  for (let round = 0; round < 2; round++) {
    // A place is there before its welcome has come; a session that ends in between has brought no token.
    const welcomed = new Promise((resolve) => { client.on('welcome', resolve) })
    router.places.at(-1)?.sink.ended(ERROR.shuttingDown)
    await welcomed
  }
  const requests = router.places.map(({ request }) => request)
  assert.equal(requests[0]?.usedTokenHash, null)
  assert.deepEqual(requests[1]?.usedTokenHash, requests[0]?.freshTokenHash)
  assert.deepEqual(requests[2]?.usedTokenHash, requests[1]?.freshTokenHash)
})

test('[OPN-18] a client whose outbox epoch was not taken sends the same client ids under the new one', async (t) => {
  const { router, client } = await setUp(t)
  await client.connect()
  const sent = client.send('bob', 'hi')
  await router.until(() => router.calls.length === 1)
  router.attached = { ...router.attached, outboxEpoch: 22 }
  router.places[0]?.sink.ended(ERROR.storageUnavailable)
  await router.until(() => router.calls.length === 2)
  assert.deepEqual(router.places.map(({ request }) => request.outboxEpoch), [0, 21])
  assert.deepEqual(router.calls, ['message 1 bob hi', 'message 1 bob hi'])
  router.places[1]?.sink.acked(1, 1, Date.now())
  assert.equal((await sent).seq, 1)
})

test('[QUE-12] a skip moves the client\'s cursor over all that it covers', async (t) => {
  const { router, client } = await setUp(t)
  const shown: string[] = []
  client.on('message', (message) => { shown.push(message.text) })
  await client.connect()
  const sink = router.places[0]!.sink
  tellEntries(sink, encodeSkip(5))
  tellEntries(sink, encodeDelivery(6, 'bob', 1, Date.now(), Buffer.from('hi')))
  await router.until(() => router.calls.includes('cursor 6'))
  assert.deepEqual(shown, ['hi'])
  assert.equal(router.places.length, 1, 'no gap')
})

/** Passes everything on to `url` and keeps what came from the client, connection by connection. */
async function recordingProxy(t: TestContext, url: string, connections: Frame[][]): Promise<string> {
  const proxy = createServer((client) => {
    const decoder = new FrameDecoder(LIMIT.frameBytesMax)
    const frames: Frame[] = []
    connections.push(frames)
    const server = connectTcp({ host: '127.0.0.1', port: Number(new URL(url.replace('tcp', 'http')).port) })
    server.on('error', () => client.destroy()).pipe(client)
    client.on('error', () => server.destroy()).pipe(server)
    client.on('data', (chunk) => {
      decoder.push(chunk)
      for (let frame = decoder.next(); frame !== null && typeof frame === 'object'; frame = decoder.next()) frames.push(structuredClone(frame))
    })
  }).listen(0, '127.0.0.1')
  t.after(() => proxy.close())
  await once(proxy, 'listening')
  return `tcp://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`
}

test('[FRM-16] a client sends nothing to a server whose certificate names another host, though it trusts who made it', async (t) => {
  const { certificate, key } = selfSigned(['chat.example'], 1, Date.now())
  const got: Buffer[] = []
  const listener = createTlsServer({ cert: certificate, key, minVersion: 'TLSv1.3', ALPNProtocols: [ALPN] }, (socket) => {
    socket.on('error', () => { /* the client's business */ })
    socket.on('data', (chunk) => { got.push(chunk) })
  }).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const server = `tls://localhost:${String((listener.address() as AddressInfo).port)}`
  const client = new Client({ server, user: 'alice', password: PASSWORD, device: 'phone', ca: certificate, reconnect: false })
  t.after(() => client.close())
  await assert.rejects(client.connect(), (error) => {
    assert.equal((((error as Error).cause) as NodeJS.ErrnoException).code, 'ERR_TLS_CERT_ALTNAME_INVALID')
    return true
  })
  assert.equal(got.length, 0)
})

test('[OPN-15] a client that sends all in one flight names one version', async (t) => {
  const { router, url } = await setUp(t)
  const connections: Frame[][] = []
  const client = new Client({ server: await recordingProxy(t, url, connections), user: 'alice', password: PASSWORD, device: 'phone' })
  t.after(() => client.close())
  await client.connect()
  router.places[0]?.sink.ended(ERROR.shuttingDown)
  await router.until(() => router.places.length > 1)
  const [hello, ...rest] = connections[1] ?? []
  assert.deepEqual(rest.slice(0, 2).map(({ type }) => type), [FRAME.auth, FRAME.bind])
  assert.ok(hello?.type === FRAME.hello)
  assert.deepEqual(hello.versions, [PROTOCOL_VERSION])
})
