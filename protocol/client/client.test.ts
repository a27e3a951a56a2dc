/** The whole client over real sockets, against a model of a server. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readAttachments } from '../attachments.js'
import { element } from '../element.js'
import { encodeDelivery, encodeFail, encodeRefuse, encodeWelcome } from '../generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../generated/registry.js'
import { encodeText } from '../utf8.js'
import { attachmentOf, Client, ClientError, fileStorage, memoryStorage, readReferences } from './node.js'
import type { ClientEvents, ClientOptions, ClientStorage, Message } from './node.js'
import { TEST_CERTIFICATE } from './testing/certificate.js'
import { ModelServer } from './testing/model-server.js'
import { startSocketServer } from './testing/socket-server.js'
import type { SocketServer } from './testing/socket-server.js'

function model(): ModelServer {
  return new ModelServer({ window: 256, unacknowledgedMax: 64, echoes: false })
}

function clientOf(t: TestContext, server: SocketServer, options: Partial<ClientOptions> = {}): Client {
  const client = new Client({ server: server.url, user: 'alice', password: 'secret', device: 'phone', ...options })
  t.after(() => client.close())
  return client
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chatd-client-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** The next event of a kind. */
function next(client: Client, event: keyof ClientEvents): Promise<unknown> {
  return new Promise((resolve) => {
    const off = client.on(event, (value) => {
      off()
      resolve(value)
    })
  })
}

function codeOf(symbol: string): (error: unknown) => boolean {
  return (error) => error instanceof ClientError && error.symbol === symbol
}

for (const scheme of ['tcp', 'tls', 'ws'] as const) {
  test(`[OPN-3] [SCR-1] [SCR-2] logs in by SCRAM, sends, receives, and comes back with its token in one flight: ${scheme}`, async (t) => {
    const server = await startSocketServer(t, model(), scheme, TEST_CERTIFICATE)
    const storage = memoryStorage()
    const options = { storage, ca: TEST_CERTIFICATE.cert }
    server.model.incoming('bob', 'before you came')

    // A person's program: ten lines.
    const client = clientOf(t, server, options)
    const texts: string[] = []
    client.on('message', async (message) => {
      texts.push(`${message.from}: ${message.text}`)
      await client.markRead(message.conversation, message.seq)
    })
    const synced = next(client, 'synced')
    await client.connect()
    const ack = await client.send('Bob', 'hi')
    await synced
    await client.close()

    assert.deepEqual(texts, ['bob: before you came'])
    assert.equal(ack.to, 'bob')
    assert.equal(ack.seq, 2)
    assert.equal(server.model.read.get('bob'), 1)
    assert.equal(server.model.cursor, 1)
    const auth = server.got.find((frame) => frame.type === FRAME.auth)
    assert.equal(auth?.type === FRAME.auth && auth.mechanism, scheme === 'tls' ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256')

    server.got.length = 0
    const again = clientOf(t, server, { ...options, password: () => assert.fail('the token will do') })
    const sent = again.send('bob', 'and again')
    await again.enqueue('bob', 'stored first')
    await again.connect()
    await sent
    await again.close()
    assert.deepEqual(server.got.slice(0, 4).map(({ type }) => type), [FRAME.hello, FRAME.auth, FRAME.bind, FRAME.message])
    assert.deepEqual(server.model.log('bob').map(({ text }) => text), ['before you came', 'hi', 'and again', 'stored first'])
  })
}

test('[QUE-4] a handler that rejects stops the queue: nothing from there on is acknowledged, and it comes again', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const storage = memoryStorage()
  for (const text of ['one', 'two', 'three']) server.model.incoming('bob', text)
  const client = clientOf(t, server, { storage })
  const texts: string[] = []
  client.on('message', async ({ text }) => {
    await Promise.resolve()
    if (text === 'two') throw new Error('no space left')
    texts.push(text)
  })
  const failed = next(client, 'error')
  await client.connect()
  assert.ok(codeOf('handler-failed')(await failed))
  await client.close()
  assert.deepEqual(texts, ['one'])
  assert.equal(storage.state.cursor, 1)
  assert.ok(server.model.cursor <= 1)

  const again = clientOf(t, server, { storage })
  again.on('message', ({ text }) => { texts.push(text) })
  const synced = next(again, 'synced')
  await again.connect()
  await synced
  await again.close()
  assert.deepEqual(texts, ['one', 'two', 'three'])
  assert.equal(server.model.cursor, 3)
})

test('[QUE-4] a storage that fails stops the client, and nothing is acknowledged on the strength of it', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.model.incoming('bob', 'one')
  const kept = memoryStorage()
  let isFull = false
  const storage: ClientStorage = {
    ...kept, apply: (changes) => isFull ? Promise.reject(new Error('disk full')) : kept.apply(changes),
  }
  const client = clientOf(t, server, { storage })
  client.on('message', () => { isFull = true })
  const failed = next(client, 'error')
  await client.connect()
  assert.ok(codeOf('storage-failed')(await failed))
  await assert.rejects(client.send('bob', 'hi'), codeOf('stopped'))
  await client.close()
  assert.equal(server.model.cursor, 0)
})

test('[CLS-5] wrong credentials stop the client, and connect rejects', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server, { password: 'wrong' })
  await assert.rejects(client.connect(), (error) => error instanceof ClientError && error.code === ERROR.notAuthorized)
  assert.equal(client.state, 'stopped')
})

test('[CLS-5] after token-invalid it authenticates with the password', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const storage = memoryStorage()
  const first = clientOf(t, server, { storage })
  await first.connect()
  await first.send('bob', 'one')
  await first.close()
  server.model.issuedToken = server.model.usedToken = encodeText('burnt')
  const second = clientOf(t, server, { storage })
  await second.connect()
  assert.equal((await second.send('bob', 'two')).seq, 2)
  assert.equal(server.got.filter((frame) => frame.type === FRAME.auth).length, 3)
})

test('[SCR-4] a server that can not prove that it knows the password is not trusted', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.verifier = { ...server.verifier, serverKey: new Uint8Array(32) }
  const client = clientOf(t, server)
  await assert.rejects(client.connect(), codeOf('server-unproven'))
  assert.equal(server.got.some((frame) => frame.type === FRAME.bind), false)
})

test('[SCR-3] a server on TLS that is kept from offering -PLUS is found out', async (t) => {
  const server = await startSocketServer(t, model(), 'tls', TEST_CERTIFICATE)
  // What somebody in the middle would do to the offer.
  server.intercept = (frame, connection) => {
    if (frame.type !== FRAME.hello) return false
    connection.write(Uint8Array.of(20, FRAME.features, 1, 1, 13, ...encodeText('SCRAM-SHA-256'), 0, 64, 10))
    return true
  }
  const client = clientOf(t, server, { ca: TEST_CERTIFICATE.cert })
  await assert.rejects(client.connect(), codeOf('channel-binding-failed'))
})

test('[TOK-8] connect rejects before anything is opened where the password would go out in plaintext', async (t) => {
  // An address for documentation, where nobody is. [RFC 5737]
  const options = { server: 'tcp://192.0.2.1:5322', user: 'alice', password: () => assert.fail('asked for the password'), device: 'phone' }
  const client = new Client(options)
  t.after(() => client.close())
  await assert.rejects(client.connect(), codeOf('plaintext-refused'))
  assert.equal(client.state, 'stopped')

  const allowed = new Client({ ...options, allowPlaintext: true })
  t.after(() => allowed.close())
  void allowed.connect().catch(() => { /* closed below */ })
  await next(allowed, 'state')
  assert.equal(allowed.state, 'connecting')
})

for (const scheme of ['tls', 'wss'] as const) {
  test(`[FRM-16] a certificate that is not trusted is told by its code, and nothing is sent: ${scheme}`, async (t) => {
    const server = await startSocketServer(t, model(), 'tls', TEST_CERTIFICATE)
    const client = clientOf(t, server, { server: server.url.replace('tls', scheme), reconnect: false })
    await assert.rejects(client.connect(), (error) => {
      assert.ok(codeOf('connect-failed')(error))
      assert.equal(((error as ClientError).cause as NodeJS.ErrnoException).code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
      return true
    })
    assert.equal(server.got.length, 0)
  })
}

test('a storage that can not be opened rejects with storage-failed and the cause, whatever is asked first', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const file = join(await folder(t), 'file')
  await writeFile(file, '')
  const asked = [(client: Client) => client.connect(), (client: Client) => client.send('bob', 'hi'), (client: Client) => client.devices()]
  for (const ask of asked) {
    const client = clientOf(t, server, { storage: fileStorage(join(file, 'state')) })
    await assert.rejects(ask(client), (error) => {
      assert.ok(codeOf('storage-failed')(error))
      assert.equal(((error as ClientError).cause as NodeJS.ErrnoException).code, 'ENOTDIR')
      return true
    })
    await client.close()
  }
})

test('[CLS-7] goes to the host it is sent to', async (t) => {
  const shared = model()
  const there = await startSocketServer(t, shared, 'tcp')
  const here = await startSocketServer(t, shared, 'tcp')
  here.intercept = (frame, connection) => {
    if (frame.type === FRAME.hello) connection.close(ERROR.goToHost, there.url.slice('tcp://'.length))
    return true
  }
  const client = clientOf(t, here)
  await client.connect()
  assert.equal((await client.send('bob', 'hi')).seq, 1)
  assert.ok(there.got.some((frame) => frame.type === FRAME.message))
})

for (const scheme of ['tcp', 'tls', 'ws'] as const) {
  test(`[CLS-7] hears a server that turns it away before it has said a word: ${scheme}`, async (t) => {
    const shared = model()
    const there = await startSocketServer(t, shared, scheme, TEST_CERTIFICATE)
    const here = await startSocketServer(t, shared, scheme, TEST_CERTIFICATE)
    here.greet = (connection) => { connection.close(ERROR.goToHost, new URL(there.url).host) }
    const client = clientOf(t, here, { ca: TEST_CERTIFICATE.cert })
    const disconnected = next(client, 'disconnected')
    await client.connect()
    assert.equal(((await disconnected) as { error: ClientError }).error.symbol, 'go-to-host')
  })
}

test('[RCN-1] reconnects by itself; what was sent without an answer is sent again, once', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server)
  await client.connect()
  let isCut = false
  server.intercept = (frame, connection) => {
    if (frame.type !== FRAME.message || isCut) return false
    isCut = true
    // Accepted, but the ack is lost.
    server.model.message(frame)
    connection.kill()
    return true
  }
  const disconnected = next(client, 'disconnected')
  const ack = await client.send('bob', 'once')
  await disconnected
  assert.equal(ack.seq, 1)
  assert.deepEqual(server.model.log('bob').map(({ text }) => text), ['once'])
})

test('[FRM-10] a frame that a server may not send is answered with unexpected-frame', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server, { reconnect: false })
  await client.connect()
  const failed = next(client, 'error')
  const closed = new Promise<number>((resolve) => {
    server.intercept = (frame) => {
      if (frame.type === FRAME.close) resolve(frame.error)
      return true
    }
  })
  // A cursor is the client's to send.
  for (const connection of server.connections) connection.write(Uint8Array.of(2, FRAME.cursor, 1))
  assert.equal(await closed, ERROR.unexpectedFrame)
  assert.ok(codeOf('unexpected-frame')(await failed))
})

test('[QUE-3] a gap in the queue closes the connection, and nothing of it is shown', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server)
  const shown: Message[] = []
  client.on('message', (message) => { shown.push(message) })
  await client.connect()
  const disconnected = next(client, 'disconnected')
  for (const connection of server.connections) connection.write(encodeDelivery(7, 'bob', 1, 0, encodeText('lost')))
  await disconnected
  assert.equal(shown.length, 0)
})

test('[QUE-8] [QUE-9] told too old, it fetches what it missed, in order, before anything newer', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const storage = memoryStorage()
  const texts: string[] = []
  const first = clientOf(t, server, { storage })
  first.on('message', ({ text }) => { texts.push(text) })
  server.model.incoming('bob', 'm1')
  const synced = next(first, 'synced')
  await first.connect()
  await synced
  await first.close()

  for (let number = 2; number <= 8; number++) server.model.incoming('bob', `m${number}`)
  server.model.forgetQueue()
  server.model.incoming('bob', 'm9')
  const second = clientOf(t, server, { storage })
  let isTold = false
  second.on('tooOld', () => { isTold = true })
  second.on('message', async ({ text, missed }) => {
    await Promise.resolve()
    assert.ok(isTold)
    assert.ok(missed || text === 'm9')
    texts.push(text)
  })
  const caughtUp = next(second, 'synced')
  assert.equal((await second.connect()).resume, 'tooOld')
  await caughtUp
  await second.close()
  assert.deepEqual(texts, ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'])
  assert.equal(storage.state.isBehind, false)
})

/** What was given out through this storage, as one service after the other is met. */
function travellerOf(t: TestContext): { texts: string[], storage: ReturnType<typeof memoryStorage>, meet(served: ModelServer, sending?: string): Promise<{ client: Client, server: SocketServer }> } {
  const storage = memoryStorage()
  const texts: string[] = []
  return {
    texts,
    storage,
    async meet(served, sending) {
      const server = await startSocketServer(t, served, 'tcp')
      const client = clientOf(t, server, { storage })
      client.on('message', ({ text }) => { texts.push(text) })
      if (sending !== undefined) await client.enqueue('bob', sending)
      const sent = sending === undefined ? null : next(client, 'sent')
      // The ack comes before anything is fetched, as it does over a slow line.
      client.on('tooOld', async () => { await sent })
      const caughtUp = next(client, 'synced')
      await client.connect()
      await caughtUp
      await sent
      return { client, server }
    },
  }
}

test('a service that has begun anew is not taken for the one before: its messages are shown', async (t) => {
  const { texts, meet } = travellerOf(t)
  const before = model()
  for (const text of ['a1', 'a2', 'a3']) before.incoming('bob', text)
  before.incoming('carol', 'a4')
  await (await meet(before)).client.close()

  const anew = model()
  anew.queueEpoch = 7
  anew.incoming('bob', 'b1')
  anew.read.set('bob', 1)
  const { client, server } = await meet(anew, 'own')
  const { tail, read } = client.watermarks('bob')
  assert.deepEqual({ tail, read }, { tail: 2, read: 1 })
  for (const [from, text] of [['bob', 'b2'], ['carol', 'b3']] as const) {
    const told = next(client, 'message')
    anew.incoming(from, text)
    server.push()
    await told
  }
  await client.close()
  // What this device has sent to it is not among what it missed.
  assert.deepEqual(texts, ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'b3'])
})

test('what was in hand, or on its way, as the service began anew hides nothing of what it has now', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  for (const text of ['a1', 'a2', 'a3']) server.model.incoming('bob', text)
  for (const text of ['c1', 'c2', 'c3']) server.model.incoming('carol', text)
  const client = clientOf(t, server, { storage: memoryStorage() })
  const texts: string[] = []
  let letGo = (): void => {}
  const inHand = new Promise<void>((resolve) => {
    client.on('message', ({ text }) => {
      texts.push(text)
      if (text !== 'a3') return
      resolve()
      return new Promise<void>((done) => { letGo = done })
    })
  })
  await client.connect()
  await inHand
  server.model = model()
  server.model.queueEpoch = 7
  for (const [from, text] of [['bob', 'b1'], ['bob', 'b2'], ['carol', 'd1'], ['carol', 'd2']] as const) server.model.incoming(from, text)
  const caughtUp = next(client, 'synced')
  const isBack = next(client, 'welcome')
  for (const connection of server.connections) connection.kill()
  await isBack
  letGo()
  await caughtUp
  await client.close()
  assert.deepEqual(texts, ['a1', 'a2', 'a3', 'b1', 'b2', 'd1', 'd2'])
})

test('a service that begins anew while what was missed is fetched gives out each of its messages once, and none of the one before any more', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const storage = memoryStorage()
  const texts: string[] = []
  const first = clientOf(t, server, { storage })
  first.on('message', ({ text }) => { texts.push(text) })
  for (const [from, text] of [['bob', 'a1'], ['carol', 'c1'], ['carol', 'c2']] as const) server.model.incoming(from, text)
  const synced = next(first, 'synced')
  await first.connect()
  await synced
  await first.close()

  for (const [from, text] of [['bob', 'a2'], ['bob', 'a3'], ['carol', 'c3'], ['carol', 'c4'], ['carol', 'c5']] as const) server.model.incoming(from, text)
  server.model.forgetQueue()
  const second = clientOf(t, server, { storage })
  let letGo = (): void => {}
  const inHand = new Promise<void>((resolve) => {
    second.on('message', ({ text }) => {
      texts.push(text)
      if (text !== 'a2') return
      resolve()
      return new Promise<void>((done) => { letGo = done })
    })
  })
  await second.connect()
  await inHand
  server.model = model()
  server.model.queueEpoch = 7
  for (const [from, text] of [['bob', 'b1'], ['carol', 'd1'], ['carol', 'd2'], ['carol', 'd3'], ['carol', 'd4']] as const) server.model.incoming(from, text)
  const caughtUp = next(second, 'synced')
  const isBack = next(second, 'welcome')
  for (const connection of server.connections) connection.kill()
  await isBack
  letGo()
  await caughtUp
  await second.close()
  assert.deepEqual(texts, ['a1', 'c1', 'c2', 'a2', 'b1', 'd1', 'd2', 'd3', 'd4'])
})

test('a service that begins anew, and does not have what is being fetched, does not stop the client', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.model.incoming('bob', 'a1')
  server.model.incoming('carol', 'c1')
  const client = clientOf(t, server, { storage: memoryStorage(), fetchWhenFresh: true })
  const texts: string[] = []
  client.on('message', ({ text }) => { texts.push(text) })
  const failed = new Promise<never>((_, reject) => { client.on('error', reject) })
  const asked = new Promise<void>((resolve) => {
    server.intercept = (frame) => {
      if (frame.type !== FRAME.query || frame.element.name !== 'history') return false
      resolve()
      return true
    }
  })
  await client.connect()
  await asked
  server.model = model()
  server.model.queueEpoch = 7
  server.model.incoming('dave', 'd1')
  server.intercept = (frame, connection) => {
    if (frame.type !== FRAME.query || frame.element.attributes.get('with') !== 'bob') return false
    connection.write(encodeFail(frame.id, ERROR.noSuchConversation, 0, ''))
    return true
  }
  const caughtUp = next(client, 'synced')
  for (const connection of server.connections) connection.kill()
  await Promise.race([caughtUp, failed])
  await client.close()
  assert.deepEqual(texts, ['d1'])
})

test('who is killed while it fetches what a service has that began anew finds out again', async (t) => {
  const { texts, storage, meet } = travellerOf(t)
  const before = model()
  for (const from of ['bob', 'carol', 'dave']) for (const number of [1, 2, 3, 4]) before.incoming(from, `${from} before ${number}`)
  await (await meet(before)).client.close()
  texts.length = 0

  const server = await startSocketServer(t, model(), 'tcp')
  server.model.queueEpoch = 7
  for (const from of ['bob', 'carol']) for (const number of [1, 2]) server.model.incoming(from, `${from} ${number}`)
  server.model.read.set('carol', 1)
  const killed = clientOf(t, server, { storage })
  await killed.enqueue('carol', 'own')
  const sent = next(killed, 'sent')
  killed.on('tooOld', async () => { await sent })
  let letGo = (): void => {}
  const inHand = new Promise<void>((resolve) => {
    killed.on('message', ({ text }) => {
      texts.push(text)
      if (text !== 'bob 2') return
      resolve()
      return new Promise<void>((done) => { letGo = done })
    })
  })
  await killed.connect()
  await inHand
  const left = memoryStorage(storage.state)

  const again = clientOf(t, server, { storage: left })
  again.on('message', ({ text }) => { texts.push(text) })
  const caughtUp = next(again, 'synced')
  await again.connect()
  await caughtUp
  const { tail, shown, read } = again.watermarks('carol')
  assert.deepEqual({ tail, shown, read }, { tail: 3, shown: 3, read: 1 })
  assert.equal(again.watermarks('dave').tail, 0)
  await again.close()
  letGo()
  // The page that was in hand is given out again.
  assert.deepEqual(texts, ['bob 1', 'bob 2', 'bob 1', 'bob 2', 'carol 1', 'carol 2'])
  assert.deepEqual([...left.state.conversations.values()].map(({ doubt }) => doubt), [null, null, null])
})

test('what an application\'s own storage wrote before there were doubts has none', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.model.incoming('bob', 'before')
  const storage = memoryStorage()
  const first = clientOf(t, server, { storage })
  const synced = next(first, 'synced')
  await first.connect()
  await synced
  await first.close()
  const older: ClientStorage = {
    ...storage,
    load: async () => {
      const state = await storage.load()
      const conversations = [...state.conversations].map(([name, { tail, shown, own, echoes, members }]) => [name, { tail, shown, own, echoes, members }] as const)
      return { ...state, conversations: new Map(conversations) }
    },
  }
  const client = clientOf(t, server, { storage: older })
  await client.connect()
  assert.equal((await client.send('bob', 'and again')).seq, 2)
  await client.close()
})

test('a service that has forgotten the queue alone is not taken for another, though its list says less than the ack of an own message', async (t) => {
  const { texts, meet } = travellerOf(t)
  const before = model()
  for (const text of ['a1', 'a2', 'a3']) before.incoming('bob', text)
  await (await meet(before)).client.close()

  const back = model()
  back.queueEpoch = 7
  for (const text of ['a1', 'a2', 'a3']) back.incoming('bob', text)
  const list = back.answer(element('conversations', {}))
  const answer = back.answer.bind(back)
  back.answer = (query) => query.name === 'conversations' ? list : answer(query)
  // All that the queue had is in the history.
  back.cursor = back.queueEnd
  const { client } = await meet(back, 'own')
  assert.equal(client.watermarks('bob').tail, 4)
  await client.close()
  assert.deepEqual(texts, ['a1', 'a2', 'a3'])
})

test('[MSG-12] a file storage keeps the outbox through a restart of the program', async (t) => {
  const path = await folder(t)
  const server = await startSocketServer(t, model(), 'tcp')
  const offline = clientOf(t, server, { storage: fileStorage(path) })
  const handle = await offline.enqueue('bob', 'written offline')
  assert.deepEqual(offline.outbox().map(({ text }) => text), ['written offline'])
  const locked = clientOf(t, server, { storage: fileStorage(path) })
  await assert.rejects(locked.connect(), codeOf('storage-locked'))
  await offline.close()

  const online = clientOf(t, server, { storage: fileStorage(path) })
  const sent = next(online, 'sent')
  await online.connect()
  assert.equal((await sent as { readonly handle: number }).handle, handle)
  await online.close()
  const other = clientOf(t, server, { storage: fileStorage(path), device: 'tablet' })
  await assert.rejects(other.connect(), codeOf('wrong-state'))
})

test('refuses at once what the server would refuse: text, address, an empty message', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server)
  await assert.rejects(client.send('bob', 'x'.repeat(LIMIT.textCharactersMax + 1)), codeOf('text-too-long'))
  await assert.rejects(client.send('bob', 'half \ud800'), codeOf('malformed-text'))
  await assert.rejects(client.send('bob', '\0'), codeOf('malformed-text'))
  await assert.rejects(client.send('bob', ''), codeOf('empty-message'))
  await assert.rejects(client.send('b ob', 'hi'), codeOf('malformed-address'))
  assert.deepEqual(client.outbox(), [])
})

test('[BLB-11] attachments go out with a message, also without a text, and come as values; what breaks their form is something that can not be shown', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server)
  const blob = { id: 'ab'.repeat(32), type: 'image/jpeg', size: 7, width: 4, height: 3, placeholder: new Uint8Array(0), thumbnail: true, picture: false }
  const attachments = [{ ...attachmentOf(blob), name: 'beach.jpg' }]
  const queued = client.enqueue('bob', '', { attachments, replyTo: 3 })
  await queued
  assert.deepEqual(client.outbox()[0]?.attachments, attachments)
  const sent = next(client, 'sent')
  await client.connect()
  await sent
  const [frame] = server.got.filter((one) => one.type === FRAME.message)
  assert.ok(frame?.type === FRAME.message)
  assert.deepEqual(readAttachments(frame.extensions), attachments)
  assert.equal(readReferences(frame.extensions)?.replyTo, 3)
  await assert.rejects(client.send('bob', 'hi', { attachments: [{ ...attachments[0]!, name: '../x' }] }), RangeError)

  const messages: Message[] = []
  const came = new Promise<void>((resolve) => {
    client.on('message', (message) => { if (messages.push(message) === 2) resolve() })
  })
  const broken = Uint8Array.of(2, 1, 0)
  for (const connection of server.connections) {
    connection.write(encodeDelivery(1, 'bob', 2, 0, new Uint8Array(0), frame.extensions))
    connection.write(encodeDelivery(2, 'bob', 3, 0, encodeText('look'), broken))
  }
  await came
  assert.deepEqual(messages.map((message) => [message.attachments, message.isIncomplete]), [[attachments, false], [[], true]])
})

test('[BLB-12] a message whose blob is gone is told as such', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.intercept = (frame, connection) => {
    if (frame.type !== FRAME.message) return false
    connection.write(encodeRefuse(frame.clientId, ERROR.noSuchBlob, 0, ''))
    return true
  }
  const client = clientOf(t, server)
  await client.connect()
  await assert.rejects(client.send('bob', 'look'), codeOf('no-such-blob'))
})

test('close ends what waits with `closed`, and can be called again', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  server.intercept = (frame) => frame.type === FRAME.message
  const client = clientOf(t, server)
  await client.connect()
  const sent = client.send('bob', 'no answer')
  const rejected = assert.rejects(sent, codeOf('closed'))
  await client.close()
  await rejected
  await client.close()
  assert.equal(client.state, 'stopped')
})

test('[KAL-2] a ping is answered, and a welcome out of turn is not', async (t) => {
  const server = await startSocketServer(t, model(), 'tcp')
  const client = clientOf(t, server, { reconnect: false })
  await client.connect()
  const pong = new Promise<number>((resolve) => {
    server.intercept = (frame) => {
      if (frame.type === FRAME.pong) resolve(frame.nonce)
      return true
    }
  })
  for (const connection of server.connections) connection.write(Uint8Array.of(2, FRAME.ping, 42))
  assert.equal(await pong, 42)
  const failed = next(client, 'error')
  const empty = new Uint8Array(0)
  for (const connection of server.connections) connection.write(encodeWelcome('', 0, 0, 1, 0, 0, 1, 1, 1, 65536, 1000, empty))
  assert.ok(codeOf('unexpected-frame')(await failed))
})
