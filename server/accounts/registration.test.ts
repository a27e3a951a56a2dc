/** Registration and invites over real sockets: raw frames, and the reference client. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Client, ClientError, register } from '../../protocol/client/node.js'
import { element } from '../../protocol/element.js'
import {
  encodeAuth, encodeHello, encodePing, encodeQuery, encodeRegister, encodeResponse, type FeaturesFrame,
} from '../../protocol/generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { decodeRegistrationOffer } from '../../protocol/registration.js'
import { ScramClient } from '../../protocol/scram-client.js'
import type { Config } from '../config/settings.js'
import type { RawClient } from '../listeners/testing/raw-client.js'
import type { Log } from '../log.js'
import { type RunningServer, startServer } from '../run/run.js'
import { newVerifier, NODE_CRYPTO } from '../session/node-crypto.js'
import { connect, errorOf, HELLO, liveConfig, login, PASSWORD, passwordVerifier } from '../testing/live-server.js'
import { newInviteCode } from '../session/invite-code.js'

const ITERATIONS = 4096

interface Served { readonly server: RunningServer, readonly url: string, readonly log: string[], readonly config: Config }

async function serve(t: TestContext, auth: Record<string, unknown> = {}, rest: Parameters<typeof liveConfig>[1] = {}, config = liveConfig(t, { ...rest, auth: { registration: 'invite', ...auth } })): Promise<Served> {
  const log: string[] = []
  const write = (fields: object, event: string): void => { log.push(JSON.stringify({ event, ...fields })) }
  const server = await startServer(config, { log: { trace: write, debug: write, info: write, warn: write, error: write, fatal: write } as unknown as Log })
  t.after(() => server.stop())
  return { server, url: server.ready.listeners[0]!, log, config }
}

async function makeCode({ server }: Served, uses = 1): Promise<string> {
  const { code, proof } = newInviteCode()
  await server.router.makeInvite({ ...proof, maker: '', uses, expiresMs: 0, allowance: null })
  return code
}

async function greeted(t: TestContext, url: string): Promise<{ client: RawClient, features: FeaturesFrame }> {
  const client = await connect(t, url)
  client.send(HELLO)
  const features = await client.until(FRAME.features)
  assert.ok(features.type === FRAME.features)
  return { client, features }
}

interface Parts { user?: string, invite?: string, salt?: Uint8Array, iterations?: number, storedKey?: Uint8Array, serverKey?: Uint8Array }

async function registerFrame({ user = 'carol', invite = '', ...parts }: Parts): Promise<Uint8Array> {
  const verifier = { ...await newVerifier(PASSWORD, ITERATIONS), ...parts }
  return encodeRegister(user, invite, verifier.salt, verifier.iterations, verifier.storedKey, verifier.serverKey)
}

async function outcome(t: TestContext, url: string, parts: Parts): Promise<number> {
  const { client } = await greeted(t, url)
  client.send(await registerFrame(parts))
  const frame = await client.next()
  assert.ok(frame !== null)
  return frame.type === FRAME.close ? frame.error : frame.type
}

test('[INV-1] features say what is offered: nothing unless the operator says so', async (t) => {
  for (const registration of ['closed', 'invite', 'open'] as const) {
    const { url } = await serve(t, { registration })
    const { features } = await greeted(t, url)
    assert.deepEqual(decodeRegistrationOffer(features.extensions), registration === 'closed' ? null : { mode: registration, iterations: ITERATIONS })
    if (registration === 'closed') assert.equal(await outcome(t, url, {}), ERROR.registrationClosed)
  }
})

test('[INV-2] after registered the client authenticates on the same connection, and registers no second time', async (t) => {
  const { url } = await serve(t, { registration: 'open' })
  const { client } = await greeted(t, url)
  client.send(await registerFrame({ user: 'Carol' }))
  const registered = await client.until(FRAME.registered)
  assert.ok(registered.type === FRAME.registered && registered.user === 'carol')
  const scram = new ScramClient({ user: 'carol', password: PASSWORD, binding: 'none', crypto: NODE_CRYPTO })
  client.send(encodeAuth(scram.mechanism, scram.first()))
  const challenge = await client.until(FRAME.challenge)
  assert.ok(challenge.type === FRAME.challenge)
  client.send(encodeResponse(await scram.final(challenge.data) as Uint8Array))
  await client.until(FRAME.authenticated)

  const second = await greeted(t, url)
  const frame = await registerFrame({ user: 'dave' })
  second.client.send(frame, frame)
  await second.client.until(FRAME.registered)
  assert.equal(await errorOf(second.client), ERROR.unexpectedFrame)
  const early = await connect(t, url)
  early.send(frame)
  assert.equal(await errorOf(early), ERROR.unexpectedFrame)
})

test('[INV-3] a verifier or a name of another form is refused, and harms nobody', async (t) => {
  const served = await serve(t)
  const code = await makeCode(served)
  const bad: Parts[] = [
    { salt: new Uint8Array(15) }, { salt: new Uint8Array(17) }, { salt: new Uint8Array(0) }, { storedKey: new Uint8Array(31) }, { serverKey: new Uint8Array(33) },
    { storedKey: new Uint8Array(0), serverKey: new Uint8Array(0) }, { iterations: ITERATIONS - 1 }, { iterations: ITERATIONS + 1 }, { iterations: 0 },
    { iterations: Number.MAX_SAFE_INTEGER }, { user: '' }, { user: 'a b' }, { user: '#group' }, { user: 'x'.repeat(65) }, { user: 'аlice' }, { user: 'a/b' },
  ]
  for (const parts of bad) assert.equal(await outcome(t, served.url, { invite: code, ...parts }), ERROR.malformedRegistration, JSON.stringify(parts))
  // One that keeps to the form is taken, and lets nobody in.
  assert.equal(await outcome(t, served.url, { invite: code, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) }), FRAME.registered)
  const client = new Client({ server: served.url, user: 'carol', password: PASSWORD, device: 'phone', reconnect: false })
  await assert.rejects(client.connect(), { symbol: 'not-authorized' })
  await client.close()
})

test('[INV-4] [INV-6] [INV-7] [INV-8] [INV-9] codes, names and repetitions, and no code in any log, whatever is wrong with it', async (t) => {
  const served = await serve(t, {}, { log: { level: 'trace' } })
  await served.server.router.addUser('taken', await passwordVerifier())
  const code = await makeCode(served, 2)
  const wrong = `${code.slice(0, -1)}${code.endsWith('0') ? '1' : '0'}`
  for (const invite of ['', 'nonsense', wrong, newInviteCode().code]) {
    for (const user of ['taken', 'free', 'support']) assert.equal(await outcome(t, served.url, { user, invite }), ERROR.inviteInvalid)
  }
  assert.equal(await outcome(t, served.url, { user: 'Taken', invite: code }), ERROR.nameTaken)
  assert.equal(await outcome(t, served.url, { user: 'support', invite: code }), ERROR.nameTaken)
  const verifier = await newVerifier(PASSWORD, ITERATIONS)
  const parts = { user: 'carol', invite: code.toUpperCase(), ...verifier }
  assert.equal(await outcome(t, served.url, parts), FRAME.registered)
  await served.server.stop()
  const again = await serve(t, {}, {}, served.config)
  assert.equal(await outcome(t, again.url, parts), FRAME.registered)
  assert.equal(await outcome(t, again.url, { user: 'dave', invite: code }), FRAME.registered)
  assert.equal(await outcome(t, again.url, { user: 'erin', invite: code }), ERROR.inviteInvalid)
  for (const line of [...served.log, ...again.log]) {
    for (const secret of [code, wrong, code.slice(9, 22), code.slice(23)]) assert.ok(!line.toLowerCase().includes(secret), line)
  }
  assert.ok(served.log.some((line) => line.includes('registration-refused')) && served.log.some((line) => line.includes(`"invite":"${code.slice(0, 8)}"`)))
})

test('[INV-10] where encryption is required nobody registers without it', async (t) => {
  const { url } = await serve(t, { registration: 'open', requireEncryption: true })
  const { features } = await greeted(t, url)
  assert.equal(decodeRegistrationOffer(features.extensions), null)
  assert.equal(await outcome(t, url, {}), ERROR.encryptionRequired)
  await assert.rejects(register({ server: url, user: 'carol', password: PASSWORD }), { symbol: 'encryption-required' })
})

test('[INV-11] attempts of one address are bounded, and accounts of all together', async (t) => {
  const byAddress = await serve(t, { registration: 'open', registrationsBurst: 2 }, { limits: { exemptLoopback: false } })
  assert.equal(await outcome(t, byAddress.url, { user: 'a' }), FRAME.registered)
  assert.equal(await outcome(t, byAddress.url, { user: 'a' }), ERROR.nameTaken)
  const { client } = await greeted(t, byAddress.url)
  client.send(await registerFrame({ user: 'b' }))
  const closed = await client.next()
  assert.ok(closed?.type === FRAME.close && closed.error === ERROR.tooManyAttempts && closed.retryAfterMs > 0 && closed.retryAfterMs <= 600_000)

  const inAll = await serve(t, { registration: 'open', registrationsPerHour: 2 })
  assert.equal(await outcome(t, inAll.url, { user: 'a' }), FRAME.registered)
  assert.equal(await outcome(t, inAll.url, { user: 'a' }), ERROR.nameTaken, 'what makes no account uses nothing up')
  assert.equal(await outcome(t, inAll.url, { user: 'b' }), FRAME.registered)
  assert.equal(await outcome(t, inAll.url, { user: 'c' }), ERROR.tooManyAttempts)
})

test('guessing counts as failed authentication, and all bytes before authentication are counted', async (t) => {
  const { url } = await serve(t, { failuresBurst: 2 })
  assert.equal(await outcome(t, url, {}), ERROR.inviteInvalid)
  assert.equal(await outcome(t, url, {}), ERROR.inviteInvalid)
  assert.equal(await outcome(t, url, {}), ERROR.tooManyAttempts)
  const { client } = await greeted(t, url)
  client.send(encodeRegister('carol', 'x'.repeat(LIMIT.openFrameBytesMax), new Uint8Array(16), ITERATIONS, new Uint8Array(32), new Uint8Array(32)))
  assert.equal(await errorOf(client), ERROR.frameTooLarge)
  const { client: flooding } = await greeted(t, url)
  const pings = Buffer.concat(Array.from({ length: LIMIT.openBytesMax / 4 }, () => encodePing(1)))
  flooding.send(pings, pings, await registerFrame({}))
  for (let frame = await flooding.next(); frame !== null; frame = await flooding.next()) {
    if (frame.type === FRAME.close) assert.equal(frame.error, ERROR.frameTooLarge)
    else assert.equal(frame.type, FRAME.pong)
  }
})

test('[INV-5] over real sockets too, one of many wins the last use', async (t) => {
  const served = await serve(t)
  const code = await makeCode(served)
  const outcomes = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((user) => outcome(t, served.url, { user, invite: code })))
  assert.deepEqual(outcomes.sort((one, other) => one - other), [FRAME.registered, ...Array.from({ length: 4 }, () => ERROR.inviteInvalid)])
})

test('[INV-12] [INV-13] [INV-16] users make, list and revoke invites by queries', async (t) => {
  const served = await serve(t, { userInvites: 2, userInviteAgeMs: 3_600_000 })
  for (const user of ['alice', 'bob']) await served.server.router.addUser(user, await passwordVerifier())
  const alice = new Client({ server: served.url, user: 'alice', password: PASSWORD, device: 'phone' })
  const bob = new Client({ server: served.url, user: 'bob', password: PASSWORD, device: 'phone' })
  t.after(() => Promise.all([alice.close(), bob.close()]))
  await Promise.all([alice.connect(), bob.connect()])
  const beforeMs = Date.now()
  const made = await alice.invite({ ageMs: 10 ** 12 })
  assert.ok(made.uses === 1 && made.expiresMs >= beforeMs + 3_600_000 && made.expiresMs <= Date.now() + 3_600_000, 'no longer than the server lets it')
  const short = await alice.invite({ ageMs: 60_000 })
  assert.ok(short.expiresMs <= Date.now() + 60_000)
  await assert.rejects(alice.invite(), { symbol: 'too-many-invites', code: 461 })
  await assert.rejects(bob.invite({ uses: 3 }), { symbol: 'too-many-invites' })
  assert.equal(await register({ server: served.url, user: 'Carol', password: 'pw of carol', invite: made.code }), 'carol')
  await assert.rejects(register({ server: served.url, user: 'dave', password: 'x', invite: made.code }), { symbol: 'invite-invalid', code: 227 })
  const { invites, more } = await alice.invites()
  assert.equal(more, false)
  assert.deepEqual(new Set(invites.map(({ id, state, used }) => `${id} ${state} ${String(used)}`)), new Set([`${made.id} used 1`, `${short.id} open 0`]))
  assert.ok(!JSON.stringify(invites).includes(made.code.slice(9)))
  await assert.rejects(bob.revokeInvite(short.id), { symbol: 'no-such-invite' })
  await assert.rejects(alice.revokeInvite('nonsense'), { symbol: 'no-such-invite' })
  await alice.revokeInvite(short.id)
  await assert.rejects(register({ server: served.url, user: 'dave', password: 'x', invite: short.code }), { symbol: 'invite-invalid' })
  const carol = new Client({ server: served.url, user: 'carol', password: 'pw of carol', device: 'phone' })
  await carol.connect()
  assert.equal((await carol.send('alice', 'thank you')).seq, 1)
  await carol.close()
})

test('[INV-12] where users make no invites, or none is needed, there are none to make', async (t) => {
  for (const auth of [{}, { registration: 'open', userInvites: 5 }, { registration: 'closed', userInvites: 5 }]) {
    const served = await serve(t, auth)
    await served.server.router.addUser('alice', await passwordVerifier())
    const { client } = await login(t, served.url)
    client.send(encodeQuery(1, element('invite')))
    assert.equal(await errorOf(client), ERROR.noInvites)
  }
})

test('bad queries for invites get a clear error', async (t) => {
  const served = await serve(t, { userInvites: 5 })
  await served.server.router.addUser('alice', await passwordVerifier())
  const { client } = await login(t, served.url)
  const bad = [
    element('invite', { uses: 0 }), element('invite', { uses: 'many' }), element('invite', { uses: LIMIT.inviteUsesMax + 1 }), element('invite', { age: 0 }),
    element('invite', { id: 'x' }), element('revoke-invite'), element('invites', { after: 'x' }),
  ]
  for (const [id, query] of bad.entries()) {
    client.send(encodeQuery(id + 1, query))
    assert.equal(await errorOf(client), ERROR.badRequest, `query ${String(id)}`)
  }
  client.send(encodeQuery(99, element('revoke-invite', { id: 'x' })))
  assert.equal(await errorOf(client), ERROR.noSuchInvite)
})

test('[INV-14] the reference client registers with names and passwords that make sense, and not in the open', async (t) => {
  const { url } = await serve(t, { registration: 'open' })
  await assert.rejects(register({ server: url, user: 'a b', password: 'x' }), TypeError)
  await assert.rejects(register({ server: url, user: 'carol', password: '' }), { symbol: 'no-password' })
  await assert.rejects(register({ server: 'tcp://198.51.100.1', user: 'carol', password: 'x' }), { symbol: 'plaintext-refused' })
  await assert.rejects(register({ server: 'tcp://127.0.0.1:9', user: 'carol', password: 'x', attempts: 2 }), { symbol: 'connect-failed' })
  const closed = await serve(t, { registration: 'closed' })
  await assert.rejects(register({ server: closed.url, user: 'carol', password: 'x' }), (error) => error instanceof ClientError && error.symbol === 'registration-closed')
})

test('[INV-7] the reference client asks again when the answer was lost, and has one account for one use', async (t) => {
  const served = await serve(t)
  const code = await makeCode(served)
  let connections = 0
  const proxy = createServer((socket) => {
    const upstream = createConnection(Number(new URL(served.url).port), '127.0.0.1')
    const isFirst = ++connections === 1
    let answers = 0
    socket.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy())
    socket.pipe(upstream)
    upstream.on('data', (chunk) => {
      // features come through, registered does not.
      if (isFirst && ++answers === 2) socket.destroy()
      else socket.write(chunk)
    })
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.after(() => proxy.close())
  const server = `tcp://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`
  assert.equal(await register({ server, user: 'carol', password: PASSWORD, invite: code }), 'carol')
  assert.equal(connections, 2)
  assert.deepEqual((await served.server.router.invites(null, '', 9)).invites.map(({ used, state }) => [used, state]), [[1, 'used']])
})

test('a hello of an old client is answered as ever where registration is closed', async (t) => {
  const { url } = await serve(t, { registration: 'closed' })
  const client = await connect(t, url)
  client.send(encodeHello([1], 'old'))
  const features = await client.until(FRAME.features)
  assert.ok(features.type === FRAME.features && features.extensions.length === 0)
})
