import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { encodeAuth, encodeBind, encodeMessage, encodeResponse } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { ScramClient } from '../../protocol/scram-client.js'
import { StorageError } from '../../storage/engine.js'
import { ConfigError, configOf } from '../config/config.js'
import type { Config } from '../config/settings.js'
import { controlPath } from '../control/control-path.js'
import { openUserAdmin } from '../control/user-admin.js'
import { selfSigned } from '../listeners/self-signed.js'
import { connectRaw, type RawClient } from '../listeners/testing/raw-client.js'
import { RouterError } from '../router/router.js'
import { ListenError } from './listen-error.js'
import { type RunningServer, startServer } from './run.js'
import { newVerifier, NODE_CRYPTO } from '../session/node-crypto.js'
import { HELLO } from '../session/testing/harness.js'

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-run-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function configIn(directory: string, listen: Partial<Config['listen']> = {}): Config {
  return configOf({
    data: { directory: join(directory, 'data'), engine: 'leveldb' },
    listen: { urls: ['tcp://127.0.0.1:0'], ...listen },
    admin: { url: 'http://127.0.0.1:0' },
    auth: { scramIterations: 4096 },
    limits: { drainTimeoutMs: 1000, drainJitterMs: 500 },
  })
}

async function serve(t: TestContext, config: Config): Promise<RunningServer> {
  const server = await startServer(config)
  t.after(() => server.stop())
  return server
}

async function login(server: RunningServer, user: string, password: string, device = 'phone'): Promise<RawClient> {
  const client = await connectRaw(server.ready.listeners[0]!)
  const scram = new ScramClient({ user, password, binding: 'none', crypto: NODE_CRYPTO })
  client.send(HELLO, encodeAuth(scram.mechanism, scram.first()))
  const challenge = await client.until(FRAME.challenge)
  assert.ok(challenge.type === FRAME.challenge)
  const final = await scram.final(challenge.data)
  assert.ok(typeof final !== 'string')
  client.send(encodeResponse(final), encodeBind(device, '', 0, 0, 0, 0))
  await client.until(FRAME.welcome)
  return client
}

test('a second server on the machine finds another admin port where nobody chose one, and refuses one that was chosen', async (t) => {
  const byDefault = (): Config => {
    const { admin: _, ...changes } = configIn(folder(t))
    return configOf({ ...changes, admin: {} })
  }
  const [first, second] = [await serve(t, byDefault()), await serve(t, byDefault())]
  assert.notEqual(first.ready.admin, second.ready.admin)
  assert.equal((await fetch(`${second.ready.admin!}/readyz`)).status, 200)
  const chosen = configOf({ ...configIn(folder(t)), admin: { url: second.ready.admin! } })
  await assert.rejects(startServer(chosen), /is in use/)
})

test('[101 shutting-down] serves from store to socket; at its end commits what came in, tells clients, and gives the same data again', async (t) => {
  const config = configIn(folder(t))
  const first = await startServer(config)
  for (const user of ['alice', 'bob']) await first.router.addUser(user, await newVerifier('secret', 4096))
  const alice = await login(first, 'alice', 'secret')
  alice.send(encodeMessage(1, 'bob', Buffer.from('one')))
  const ack = await alice.until(FRAME.ack)
  assert.ok(ack.type === FRAME.ack && ack.seq === 1)
  alice.send(encodeMessage(2, 'bob', Buffer.from('two')))
  await new Promise((resolve) => { setImmediate(resolve) })
  const stopped = first.stop()
  let close = await alice.next()
  let acks = 0
  for (; close !== null && close.type !== FRAME.close; close = await alice.next()) acks += close.type === FRAME.ack ? 1 : 0
  assert.ok(close?.type === FRAME.close && close.error === ERROR.shuttingDown && close.retryAfterMs < 500)
  await stopped
  await first.stop()

  const second = await serve(t, config)
  const bob = await login(second, 'bob', 'secret')
  const delivery = await bob.until(FRAME.delivery)
  assert.ok(delivery.type === FRAME.delivery && Buffer.from(delivery.text).toString() === 'one')
  if (acks > 0) {
    const next = await bob.until(FRAME.delivery)
    assert.ok(next.type === FRAME.delivery && Buffer.from(next.text).toString() === 'two')
  }
  bob.destroy()
})

test('answers health, readiness and metrics on a listener of its own, and nothing else', async (t) => {
  const server = await serve(t, configIn(folder(t)))
  const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`${server.ready.admin!}${path}`, { method })
    return [response.status, await response.text()]
  }
  assert.deepEqual(await get('/healthz'), [200, 'ok\n'])
  assert.deepEqual(await get('/readyz?x'), [200, 'ready\n'])
  assert.equal((await get('/'))[0], 404)
  assert.equal((await get('/healthz', 'POST'))[0], 405)
  await server.router.addUser('alice', await newVerifier('secret', 4096))
  const client = await login(server, 'alice', 'secret')
  await server.router.search('alice', { text: 'hello', limit: 9 })
  const [status, metrics] = await get('/metrics')
  assert.equal(status, 200)
  assert.match(metrics, /^chatd_sessions 1$/m)
  assert.match(metrics, /^chatd_connections\{transport="tcp"\} 1$/m)
  assert.match(metrics, /^chatd_authentications_total\{mechanism="SCRAM-SHA-256",result="ok"\} 1$/m)
  assert.match(metrics, /^chatd_searches_total 1$/m)
  for (const name of ['segments_waiting', 'segments_total', 'rows_total']) assert.match(metrics, new RegExp(`^chatd_search_${name} 0$`, 'm'))
  assert.match(metrics, /^nodejs_eventloop_lag_p99_seconds /m)
  assert.doesNotMatch(metrics, /alice/)
  client.destroy()
  await client.closed
})

test('keeps its secret readable by its owner alone, and the same over restarts', async (t) => {
  const config = configIn(folder(t))
  const path = join(config.data.directory, 'server-secret.json')
  await (await startServer(config)).stop()
  const secret = readFileSync(path, 'utf8')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  await (await startServer(config)).stop()
  assert.equal(readFileSync(path, 'utf8'), secret)
  writeFileSync(path, '{}')
  await assert.rejects(startServer(config), /server-secret\.json is damaged/)
  writeFileSync(path, secret)
  await (await startServer(config)).stop()
})

test('leaves nothing open when it can\'t start, and says what to do', async (t) => {
  const directory = folder(t)
  const blocker = createServer().listen(0, '127.0.0.1')
  t.after(() => blocker.close())
  await new Promise((resolve) => { blocker.once('listening', resolve) })
  const { port } = blocker.address() as { port: number }
  const busy = configIn(directory, { urls: ['tcp://127.0.0.1:0', `ws://127.0.0.1:${String(port)}`] })
  await assert.rejects(startServer(busy), (error) => error instanceof ListenError && error.message.includes('is in use: stop the program'))
  const server = await serve(t, configIn(directory))
  await assert.rejects(startServer(configIn(directory)), (error) => error instanceof StorageError && error.code === 'locked')
  assert.equal((await fetch(`${server.ready.admin!}/healthz`)).status, 200)
})

test('serves TLS, and takes a renewed certificate while it runs', async (t) => {
  const directory = folder(t)
  const [tlsCertificate, tlsKey] = [join(directory, 'chatd.crt'), join(directory, 'chatd.key')]
  const write = (): string => {
    const { certificate, key } = selfSigned(['localhost', '127.0.0.1'], 5, Date.now())
    writeFileSync(tlsCertificate, certificate)
    writeFileSync(tlsKey, key)
    return certificate
  }
  const old = write()
  const server = await serve(t, configIn(directory, { urls: ['tls://127.0.0.1:0', 'wss://127.0.0.1:0'], tlsCertificate, tlsKey }))
  for (const url of server.ready.listeners) (await connectRaw(url, { ca: old })).destroy()
  const renewed = write()
  server.renewTls()
  for (const url of server.ready.listeners) {
    await assert.rejects(connectRaw(url, { ca: old }))
    ;(await connectRaw(url, { ca: renewed })).destroy()
  }
  writeFileSync(tlsKey, 'damaged')
  assert.throws(() => server.renewTls(), ConfigError)
  ;(await connectRaw(server.ready.listeners[0]!, { ca: renewed })).destroy()
})

test('manages accounts alike whether the server runs or not', async (t) => {
  const config = configIn(folder(t))
  const verifier = await newVerifier('secret', 4096)
  const manage = async (prefix: string, count: number): Promise<void> => {
    const admin = await openUserAdmin(config, true)
    try {
      await admin.addUser(`${prefix}-a`, verifier)
      await admin.addUser(`${prefix}-b`, verifier)
      await assert.rejects(admin.addUser(`${prefix}-a`, verifier), (error) => error instanceof RouterError && error.code === ERROR.conflict)
      await admin.changeVerifier(`${prefix}-a`, verifier)
      await admin.removeUser(`${prefix}-b`)
      await assert.rejects(admin.removeUser(`${prefix}-b`), (error) => error instanceof RouterError && error.code === ERROR.noSuchUser)
      await assert.rejects(admin.changeVerifier('nobody', verifier), (error) => error instanceof RouterError && error.code === ERROR.noSuchUser)
      const { users, more } = await admin.users('', 10)
      assert.deepEqual([users.length, more], [count, false])
    } finally {
      await admin.close()
    }
  }
  await manage('off', 1)
  const server = await startServer(config)
  assert.equal(statSync(controlPath(config.data.directory)).mode & 0o777, 0o600)
  await manage('on', 2)
  ;(await login(server, 'on-a', 'secret')).destroy()
  await server.stop()
  await manage('off-again', 3)
})

test('has a control socket also where the path of the data directory is too long for one', async (t) => {
  const config = configOf({ ...configIn(join(folder(t), 'long'.repeat(30))) })
  const server = await serve(t, config)
  const path = controlPath(config.data.directory)
  assert.ok(path.length < 104 && !path.startsWith(config.data.directory))
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700)
  const admin = await openUserAdmin(config, false)
  assert.deepEqual((await admin.users('', 10)).users, [])
  await admin.close()
  await server.stop()
})
