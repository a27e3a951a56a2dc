/**
 * Every error of the registry comes back at least once from a whole server on real sockets: what a client author reads in the table can
 * be met. What needs a fault of ours gets it at a seam (a router that throws, a disk that fails); what is reserved for later parts
 * is proved at the other end, by the client that handles it.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { encodeAttachments } from '../../protocol/attachments.js'
import { Client } from '../../protocol/client/node.js'
import { element, type Element } from '../../protocol/element.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import {
  encodeAuth, encodeBind, encodeClose, encodeCursor, encodeHello, encodeMark, encodeMessage, encodeOperate,
  encodePing, encodeQuery, encodeTyping, encodeRegister, encodeWatch,
} from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, EXTENSION, FRAME, LIMIT, MARK, OPERATION, TYPING } from '../../protocol/generated/registry.js'
import type { ErrorInfo } from '../../protocol/generated/registry.js'
import { openEngine } from '../../storage/open.js'
import { userKeys } from '../../storage/user-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { configOf } from '../config/config.js'
import { SYSTEM_CLOCK } from '../clock.js'
import type { Config } from '../config/settings.js'
import { Redirects } from '../connection/redirects.js'
import { openFront } from './front.js'
import type { RawClient } from '../listeners/testing/raw-client.js'
import { SILENT_LOG } from '../log.js'
import { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { encodeAccount } from '../shard/records.js'
import type { ShardLimits } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { shardEnvironment } from './shard-environment.js'
import { hashOf } from '../testing/blob-store.js'
import {
  authenticate, connect, errorOf, HELLO, liveConfig, liveServer, login, passwordVerifier, serveRouter,
} from '../testing/live-server.js'
import { ShardHarness } from '../testing/shard-harness.js'

/** An error that does not come is the usual failure here, and has to name its test. */
const TIMEOUT_MS = 20_000

const provoked = new Set<string>()
/** Reserved, and proved at the client that handles it: there is none at present. */
const handled = new Set<string>()

function nameIn(title: string): string {
  const [, code, name] = /\[(\d{3}) ([a-z-]+)\]/.exec(title) ?? []
  assert.equal(ERRORS.get(Number(code))?.name, name, `${title}: no such error`)
  return name ?? ''
}

/** A test that resolves to the code that came back. Its title names the error as `[409 conflict]`. */
function provoke(title: string, run: (t: TestContext) => Promise<number>): void {
  const name = nameIn(title)
  provoked.add(name)
  test(title, { timeout: TIMEOUT_MS }, async (t) => {
    const code = await run(t)
    assert.equal(ERRORS.get(code)?.name ?? code, name)
  })
}

async function simple(t: TestContext, ...frames: readonly Uint8Array[]): Promise<number> {
  const client = await connect(t, (await liveServer(t, liveConfig(t), [])).url)
  client.send(...frames)
  return errorOf(client)
}

/** The answer to these frames in alice's session. */
async function inSession(t: TestContext, ...frames: readonly Uint8Array[]): Promise<number> {
  const { client } = await login(t, (await liveServer(t, liveConfig(t))).url)
  client.send(...frames)
  return errorOf(client)
}

function text(content: string): Uint8Array {
  return Buffer.from(content)
}

async function sendAndAwait(client: RawClient, clientId: number): Promise<void> {
  client.send(encodeMessage(clientId, 'bob', text('hi')))
  await client.until(FRAME.ack)
}

/** A client id is accepted on one connection; the next one of the same device sends `clientId` and `content`. */
async function retryWith(t: TestContext, accepted: number, clientId: number, content: string): Promise<number> {
  const { url } = await liveServer(t, liveConfig(t))
  const first = await login(t, url)
  await sendAndAwait(first.client, accepted)
  const second = await login(t, url, 'alice', 'phone', first.welcome.outboxEpoch)
  second.client.send(encodeMessage(clientId, 'bob', text(content)))
  return errorOf(second.client)
}

const UNKNOWN_CRITICAL = encodeExtensions([{ key: EXTENSION.encrypted, value: text('x') }])
const NO_TOKEN = Buffer.concat([text('alice\0phone\0'), Buffer.alloc(LIMIT.tokenBytes)])

// again

provoke('[CLS-2] [100 closed] a client that closes finds its WebSocket closed with 4100', async (t) => {
  const config = liveConfig(t, { listen: { urls: ['ws://127.0.0.1:0'] } })
  const client = await connect(t, (await liveServer(t, config, [])).url)
  client.send(encodeClose(ERROR.closed, 0, '', ''))
  return await client.closed - 4000
})

provoke('[101 shutting-down] the server stops', async (t) => {
  const server = await liveServer(t, liveConfig(t))
  const { client } = await login(t, server.url)
  const [code] = await Promise.all([errorOf(client), server.stop()])
  return code
})

provoke('[103 overloaded] there are as many connections as there may be', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { connectionsMax: 1 } }), [])
  await connect(t, url)
  return errorOf(await connect(t, url))
})

provoke('[FLW-2] [104 slow-consumer] a device that lives acknowledges nothing', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { keepAliveMs: 1000, ackTimeoutMs: 100 } }))
  const { client } = await login(t, url)
  await sendAndAwait(client, 1)
  const bob = await login(t, url, 'bob')
  const alive = setInterval(() => bob.client.send(encodePing(1)), 100)
  t.after(() => clearInterval(alive))
  return errorOf(bob.client)
})

provoke('[KAL-3] [105 keep-alive-timeout] a device says nothing at all', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { limits: { keepAliveMs: 100 } }))).url)
  return errorOf(client)
})

provoke('[OPN-6] [106 open-timeout] a connection does not get to welcome', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { openTimeoutMs: 100 } }), [])
  return errorOf(await connect(t, url))
})

provoke('[MSG-1] [107 storage-unavailable] the disk fails under a message', async (t) => {
  let isBroken = false
  const engine = new MemoryEngine({ beforeCommit: () => { if (isBroken) throw new Error('planted: input/output error') } })
  const shard = new Shard(engine, shardEnvironment(configOf({}), SYSTEM_CLOCK, SILENT_LOG))
  t.after(() => shard.close())
  const router = new LocalRouter(shard)
  for (const user of ['alice', 'bob']) await router.addUser(user, await passwordVerifier())
  const { client } = await login(t, await serveRouter(t, router))
  isBroken = true
  client.send(encodeMessage(1, 'bob', text('hi')))
  return errorOf(client)
})

provoke('[108 internal-error] something of ours throws what nobody expects', async (t) => {
  const router = new FakeRouter()
  router.failure = new TypeError('planted')
  const client = await connect(t, await serveRouter(t, router))
  client.send(HELLO, encodeAuth('TOKEN', NO_TOKEN))
  return errorOf(client)
})

provoke('[109 too-many-connections] one address has as many connections as it may have', async (t) => {
  const config = liveConfig(t, { limits: { exemptLoopback: false, connectionsByAddressMax: 1 } })
  const { url } = await liveServer(t, config, [])
  await connect(t, url)
  return errorOf(await connect(t, url))
})

provoke('[110 too-many-attempts] one address has failed to authenticate too often', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { auth: { failuresBurst: 1 } }), [])
  for (const expected of [ERROR.tokenInvalid, ERROR.tooManyAttempts]) {
    const client = await connect(t, url)
    client.send(HELLO, encodeAuth('TOKEN', NO_TOKEN))
    const code = await errorOf(client)
    if (code !== expected || code === ERROR.tooManyAttempts) return code
  }
  return 0
})

provoke('[110 too-many-attempts] one device was closed for its own fault too often', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { rate: { faultsBurst: 2, faultsPerMinute: 1 } }))
  for (const expected of [ERROR.invalidClientId, ERROR.invalidClientId, ERROR.invalidClientId, ERROR.tooManyAttempts]) {
    const client = await authenticate(t, url, 'alice')
    client.send(encodeBind('phone', '', 0, 0, 0, 0), encodeMessage(0, 'bob', text('hi')))
    const code = await errorOf(client)
    if (code !== expected || code === ERROR.tooManyAttempts) return code
  }
  return 0
})

// fault

provoke('[FRM-11] [200 malformed-frame] a frame has length 0', (t) => simple(t, Uint8Array.of(0)))
provoke('[FRM-3] [201 frame-too-large] a frame announces more than it may have', (t) => simple(t, Uint8Array.of(0xff, 0xff, 0x03)))
provoke('[OPN-2] [202 unsupported-version] hello names no version that we speak', (t) => simple(t, encodeHello([99], 'test')))
provoke('[FRM-6] [203 unsupported-frame] a frame has an even type that nobody knows', (t) => simple(t, Uint8Array.of(1, 98)))
provoke('[OPN-1] [204 unexpected-frame] bind comes before hello', (t) => simple(t, encodeBind('phone', '', 0, 0, 0, 0)))
provoke('[QUE-5] [205 invalid-cursor] a cursor lies beyond what was sent', (t) => inSession(t, encodeCursor(1)))
provoke('[FRM-7] [206 unsupported-critical-extension] hello has an extension with an even key that nobody knows',
  (t) => simple(t, encodeHello([1], 'test', UNKNOWN_CRITICAL)))
provoke('[MSG-2] [207 invalid-client-id] a client id is 0', (t) => inSession(t, encodeMessage(0, 'bob', text('hi'))))
provoke('[QRY-2] [208 too-many-unacknowledged] one query too many has no answer',
  (t) => inSession(t, ...Array.from({ length: LIMIT.queriesMax + 1 }, (_, id) => encodeQuery(id + 1, element('devices')))))

// credentials

provoke('[OPN-13] [220 not-authorized] the password is wrong', async (t) => {
  return errorOf(await authenticate(t, (await liveServer(t, liveConfig(t))).url, 'alice', 'wrong'))
})

provoke('[221 token-invalid] nobody was given this token', (t) => simple(t, HELLO, encodeAuth('TOKEN', NO_TOKEN)))
provoke('[222 unsupported-mechanism] the mechanism is not one that was offered', (t) => simple(t, HELLO, encodeAuth('PLAIN', text('x'))))
provoke('[223 channel-binding-failed] a client binds to a channel where there is none',
  (t) => simple(t, HELLO, encodeAuth('SCRAM-SHA-256', text('p=tls-exporter,,n=alice,r=abcdefghijklmnop'))))

provoke('[OPN-12] [224 encryption-required] a client authenticates on a plain transport where that is not allowed', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { auth: { requireEncryption: true } }), [])
  const client = await connect(t, url)
  client.send(HELLO, encodeAuth('TOKEN', NO_TOKEN))
  return errorOf(client)
})

provoke('[225 account-disabled] the store says that the account is disabled', async (t) => {
  const config = liveConfig(t)
  const engine = await openEngine({ directory: config.data.directory, engine: 'leveldb', create: true })
  const batch = engine.batch()
  const account = { verifier: await passwordVerifier(), createdMs: 0, disabled: true, removed: false, queueEpoch: 1, nextDevice: 1 }
  batch.put(userKeys('alice').account(), encodeAccount(account))
  await engine.commit(batch)
  await engine.close()
  const { url } = await liveServer(t, config, [])
  return errorOf(await authenticate(t, url, 'alice'))
})

provoke('[INV-1] [226 registration-closed] somebody registers where nobody may', async (t) => registering(t, { registration: 'closed' }, 'carol'))

provoke('[INV-9] [227 invite-invalid] the code is none', async (t) => registering(t, { registration: 'invite' }, 'carol'))

provoke('[INV-6] [228 name-taken] the name is somebody\'s', async (t) => registering(t, { registration: 'open' }, 'Alice'))

provoke('[INV-3] [229 malformed-registration] the name is none', async (t) => registering(t, { registration: 'open' }, 'no name'))

async function registering(t: TestContext, auth: Parameters<typeof configOf>[0]['auth'] & object, user: string): Promise<number> {
  const client = await connect(t, (await liveServer(t, liveConfig(t, { auth }))).url)
  const { salt, iterations, storedKey, serverKey } = await passwordVerifier()
  client.send(HELLO, encodeRegister(user, '', salt, iterations, storedKey, serverKey))
  return errorOf(client)
}

// ended

provoke('[OPN-7] [240 replaced] the same device binds on another connection, which goes on', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const first = await login(t, url)
  const second = await login(t, url)
  await sendAndAwait(second.client, 1)
  return errorOf(first.client)
})

provoke('[QUE-15] [241 device-removed] another device of the user removes it', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const phone = await login(t, url, 'alice', 'phone')
  const laptop = await login(t, url, 'alice', 'laptop')
  laptop.client.send(encodeQuery(1, element('remove-device', { id: 'phone' })))
  return errorOf(phone.client)
})

provoke('[242 account-removed] the operator removes the account', async (t) => {
  const { url, router } = await liveServer(t, liveConfig(t))
  const { client } = await login(t, url)
  await router.removeUser('alice')
  return errorOf(client)
})

provoke('[OPN-8] [243 too-many-devices] the user has as many devices as a user may have', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { devicesMax: 1 } }))
  await login(t, url, 'alice', 'phone')
  const client = await authenticate(t, url, 'alice')
  client.send(encodeBind('laptop', '', 0, 0, 0, 0))
  return errorOf(client)
})

provoke('[ADR-3] [244 malformed-device] the id of a device breaks the rules', async (t) => {
  const client = await authenticate(t, (await liveServer(t, liveConfig(t))).url, 'alice')
  client.send(encodeBind('my phone', '', 0, 0, 0, 0))
  return errorOf(client)
})

// retry

provoke('[300 rate-limited] queries come faster than they may', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { rate: { queriesPerSecond: 1, queriesBurst: 1 } }))
  const { client } = await login(t, url)
  client.send(...[1, 2, 3, 4].map((id) => encodeQuery(id, element('devices'))))
  return errorOf(client)
})

provoke('[301 unavailable] more commands wait for the store than may wait', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { waitingCommandsMax: 100 }, data: { crowdedOperations: 1_000_000 } }))
  const { client } = await login(t, url)
  const count = 400
  client.send(...Array.from({ length: count }, (_, id) => encodeMessage(id + 1, `user${String(id)}`, text('hi'))))
  const codes = new Set<number>()
  for (let answers = 0; answers < count; answers++) codes.add(await errorOf(client))
  assert.deepEqual([...codes].sort(), [ERROR.unavailable, ERROR.noSuchUser])
  return ERROR.unavailable
})

// refused

provoke('[SET-1] [400 bad-request] a setting has a value that it can\'t have',
  (t) => inSession(t, encodeQuery(1, element('settings', { 'read-receipts': 'maybe' }))))
provoke('[ADR-2] [401 malformed-address] an address breaks the rules', (t) => inSession(t, encodeMessage(1, 'b b', text('hi'))))
provoke('[402 no-such-user] a message is for nobody', (t) => inSession(t, encodeMessage(1, 'nobody', text('hi'))))
provoke('[404 no-such-conversation] a conversation is marked read that nobody opened', (t) => inSession(t, encodeMark(1, 'bob', MARK.read, 1)))
provoke('[MSG-7] [405 text-too-long] a text has 701 characters',
  (t) => inSession(t, encodeMessage(1, 'bob', text('x'.repeat(LIMIT.textCharactersMax + 1)))))
provoke('[MSG-8] [406 malformed-text] a text is not UTF-8', (t) => inSession(t, encodeMessage(1, 'bob', Uint8Array.of(0xff))))
provoke('[MSG-9] [407 empty-message] a message has no text', (t) => inSession(t, encodeMessage(1, 'bob', text(''))))
provoke('[FRM-7] [408 unsupported-extension] a message has an extension with an even key that nobody knows',
  (t) => inSession(t, encodeMessage(1, 'bob', text('hi'), UNKNOWN_CRITICAL)))
provoke('[MSG-4] [409 conflict] a client id comes again for another text', (t) => retryWith(t, 1, 1, 'another'))
provoke('[MSG-5] [410 stale-client-id] a client id comes that was passed over', (t) => retryWith(t, 2, 1, 'hi'))
provoke('[DEV-2] [411 no-such-device] a device is removed that the user does not have',
  (t) => inSession(t, encodeQuery(1, element('remove-device', { id: 'laptop' }))))
provoke('[QRY-3] [412 unsupported-query] a query is not known', (t) => inSession(t, encodeQuery(1, element('nonsense'))))

provoke('[RCP-3] [413 invalid-watermark] a mark lies beyond the end of the conversation', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t))).url)
  await sendAndAwait(client, 1)
  client.send(encodeMark(2, 'bob', MARK.read, 2))
  return errorOf(client)
})

/** A session of alice, who has made `#team`, asks something. */
async function ofGroup(t: TestContext, config: Config, ...queries: readonly Element[]): Promise<number> {
  const { client } = await login(t, (await liveServer(t, config, ['alice', 'bob', 'carol'])).url)
  client.send(encodeQuery(1, element('group-create', { id: '#team' })))
  await client.until(FRAME.result)
  for (const [at, query] of queries.entries()) client.send(encodeQuery(at + 2, query))
  return errorOf(client)
}

const add = (...names: readonly string[]): Element =>
  element('group-change', { id: '#team' }, element('add', {}, ...names.map((name) => element('member', { name }))))

provoke('[GRP-8] [414 group-full] a group would have more members than it may',
  (t) => ofGroup(t, liveConfig(t, { limits: { groupMembersMax: 2 } }), add('bob', 'carol')))

provoke('[GRP-17] [415 group-taken] somebody else has made the group', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const [alice, bob] = [await login(t, url), await login(t, url, 'bob')]
  alice.client.send(encodeQuery(1, element('group-create', { id: '#team' })))
  await alice.client.until(FRAME.result)
  bob.client.send(encodeQuery(1, element('group-create', { id: '#team' })))
  return errorOf(bob.client)
})

provoke('[GRP-18] [416 invalid-link] a link is not good',
  (t) => inSession(t, encodeQuery(1, element('group-join', { id: '#team', link: 'AAAAAAAAAAAAAAAAAAAAAA' }))))

provoke('[417 no-such-member] a change names somebody who is no member',
  (t) => ofGroup(t, liveConfig(t), element('group-change', { id: '#team' }, element('role', { role: 'admin' }, element('member', { name: 'bob' })))))

provoke('[418 too-many-groups] a user would be in more groups than it may be',
  (t) => ofGroup(t, liveConfig(t, { limits: { groupsMax: 1 } }), element('group-create', { id: '#other' })))
provoke('[PRF-13] [450 contact-blocked] a message goes to somebody whom its sender has blocked', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t))).url)
  client.send(encodeQuery(1, element('block', { user: 'bob' })))
  await client.until(FRAME.result)
  client.send(encodeMessage(1, 'bob', text('hi')))
  return errorOf(client)
})

provoke('[PRF-9] [451 list-full] a contact is one more than there may be', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { limits: { contactsMax: 0 } }))).url)
  client.send(encodeQuery(1, element('contact', { user: 'bob' })))
  return errorOf(client)
})

async function ofOperation(t: TestContext, config: Config, ...frames: readonly Uint8Array[]): Promise<number> {
  const { client } = await login(t, (await liveServer(t, config)).url)
  await sendAndAwait(client, 1)
  client.send(...frames)
  return errorOf(client)
}

provoke('[OPS-3] [430 no-such-message] an operation on a message that is not there',
  (t) => ofOperation(t, liveConfig(t), encodeOperate(2, 'bob', 99, OPERATION.edit, text('hello'))))

provoke('[OPS-4] [431 too-late] an edit of a message that is too old', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { limits: { editAgeMs: 0 } }))).url)
  await sendAndAwait(client, 1)
  const sentMs = Date.now()
  while (Date.now() <= sentMs) await new Promise((resolve) => { setImmediate(resolve) })
  client.send(encodeOperate(2, 'bob', 1, OPERATION.edit, text('hello')))
  return errorOf(client)
})

provoke('[OPS-4] [403 not-allowed] an edit of a message that another has written', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const { client } = await login(t, url)
  await sendAndAwait(client, 1)
  const { client: other } = await login(t, url, 'bob')
  other.send(encodeOperate(1, 'alice', 1, OPERATION.edit, text('I owe you money')))
  return errorOf(other)
})

provoke('[OPS-8] [432 message-deleted] a reaction to a message that was deleted', (t) => ofOperation(t, liveConfig(t),
  encodeOperate(2, 'bob', 1, OPERATION.delete, text('')), encodeOperate(3, 'bob', 1, OPERATION.react, text('👍'))))

provoke('[OPS-10] [433 invalid-reaction] a reaction that is a word',
  (t) => ofOperation(t, liveConfig(t), encodeOperate(2, 'bob', 1, OPERATION.react, text('yes'))))

provoke('[PRS-6] [440 too-many-watches] a session watches one user more than it may', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { presence: { watchesMax: 2 } }))).url)
  client.send(encodeWatch(['bob', 'carol', 'dave']))
  return errorOf(client)
})

provoke('[PRS-18] [441 too-many-exceptions] a list of exceptions has one user more than it may', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { presence: { exceptMax: 1 } }))).url)
  const users = ['bob', 'carol'].map((name) => element('user', { name }))
  client.send(encodeQuery(1, element('privacy', { seen: 'except' }, element('except', {}, ...users))))
  return errorOf(client)
})

provoke('[PRS-11] [401 malformed-address] a user is watched whose name breaks the rules', (t) => inSession(t, encodeWatch(['b b'])))
provoke('[PRS-12] [404 no-such-conversation] somebody types where nobody has written', (t) => inSession(t, encodeTyping('bob', TYPING.typing)))
provoke('[PRS-19] [400 bad-request] typing is of no kind that there is', (t) => inSession(t, encodeTyping('bob', 4)))

provoke('[PRS-15] [300 rate-limited] more is watched at once than may be', async (t) => {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, { rate: { ephemeralPerSecond: 1, ephemeralBurst: 16 } }))).url)
  client.send(...Array.from({ length: 3 }, () => encodeWatch(Array.from({ length: 8 }, (_, i) => `user${String(i)}`))))
  return errorOf(client)
})

// Reserved for later parts: the client's end

async function clientOf(t: TestContext, router: FakeRouter, url: string): Promise<Client> {
  router.accounts.set('alice', { user: 'alice', disabled: false, verifier: await passwordVerifier(), createdMs: 0 })
  const client = new Client({ server: url, user: 'alice', password: 'secret', device: 'phone' })
  t.after(() => client.close())
  return client
}

provoke('[CLS-7] [102 go-to-host] another node owns the shard, and takes clients', async (t) => {
  const redirects = new Redirects({ owner: () => ({ tcp: '127.0.0.1:9' }), perSecond: 1, clock: SYSTEM_CLOCK })
  const front = await openFront(liveConfig(t), { router: new FakeRouter(), desk: null, secret: { key: new Uint8Array(32), iterations: 4096 }, redirects })
  t.after(() => front.stop())
  const client = await connect(t, front.listeners[0]!)
  client.send(HELLO, encodeAuth('SCRAM-SHA-256', Buffer.from('n,,n=alice,r=abcdefghijklmnop')))
  return errorOf(client)
})

test('[CLS-7] the client goes to the host that is named', { timeout: TIMEOUT_MS }, async (t) => {
  const router = new FakeRouter()
  const host = (await serveRouter(t, router)).slice('tcp://'.length)
  const here = createServer((socket) => {
    socket.on('error', () => { /* the client's business */ })
    socket.end(encodeClose(ERROR.goToHost, 0, host, ''))
  }).listen(0, '127.0.0.1')
  t.after(() => here.close())
  await new Promise((resolve) => { here.once('listening', resolve) })
  const client = await clientOf(t, router, `tcp://127.0.0.1:${String((here.address() as AddressInfo).port)}`)
  await client.connect()
  assert.deepEqual(router.places.map(({ request }) => request.device), ['phone'])
})

/** A router that refuses the first message with resource-limit; `again` resolves with the second. */
class RefusingRouter extends FakeRouter {
  readonly again: Promise<string>
  #tell: (call: string) => void = () => {}

  constructor() {
    super()
    this.again = new Promise((resolve) => { this.#tell = resolve })
  }

  override message(...command: Parameters<FakeRouter['message']>): void {
    super.message(...command)
    if (this.calls.length > 1) this.#tell(this.calls.at(-1) ?? '')
    else this.places.at(-1)?.sink.refused(command[1], ERROR.resourceLimit, 1)
  }
}

test('[MSG-16] the client sends again under a new client id what was refused with resource-limit', async (t) => {
  const router = new RefusingRouter()
  const client = await clientOf(t, router, await serveRouter(t, router))
  await client.connect()
  client.send('bob', 'hi').catch(() => { /* closed without an answer */ })
  assert.match(await router.again, /^message [2-9] bob hi$/)
})

// Invites and search

async function asking(t: TestContext, changes: Parameters<typeof liveConfig>[1], ...queries: readonly Element[]): Promise<number> {
  const { client } = await login(t, (await liveServer(t, liveConfig(t, changes))).url)
  client.send(...queries.map((query, index) => encodeQuery(index + 1, query)))
  return errorOf(client)
}

provoke('[INV-12] [460 no-invites] users make none here', async (t) => asking(t, {}, element('invite')))

provoke('[INV-12] [461 too-many-invites] a user makes one more than a user may', async (t) =>
  asking(t, { auth: { registration: 'invite', userInvites: 1 } }, element('invite'), element('invite')))

provoke('[INV-13] [462 no-such-invite] a user revokes what is not there', async (t) => asking(t, {}, element('revoke-invite', { id: '7m4hx2kq' })))

provoke('[SCH-7] [463 no-search] a user searches where nobody does', async (t) =>
  asking(t, { search: { enabled: false } }, element('search', { words: 'hi' })))

// Blobs

/** The code with which the last of some uploads of one user is refused. */
async function uploading(limits: Partial<ShardLimits>, ...names: readonly string[]): Promise<number> {
  const harness = new ShardHarness({ limits })
  await harness.addUsers('alice')
  try {
    for (const name of names) {
      await harness.router.blobs?.openUpload('alice', { size: 1000, hash: hashOf(name), type: 'image/png', strip: false, picture: false })
    }
  } catch (error) {
    if (error instanceof RouterError) return error.code
    throw error
  }
  return 0
}

provoke('[BLB-6] [302 resource-limit] a user uploads more at once than it may', () => uploading({ uploadsMax: 1 }, 'one', 'two'))
provoke('[BLB-6] [303 storage-full] the server takes no more blobs', () => uploading({ blobTotalBytes: 1500 }, 'one', 'two'))
provoke('[BLB-6] [473 quota-exceeded] a user uploads more than it has room for', () => uploading({ blobQuotaBytes: 1500 }, 'one', 'two'))

provoke('[BLB-12] [470 no-such-blob] a message carries what its sender does not hold', (t) => {
  const attachment = {
    id: hashOf('beach'), type: 'image/png', size: 1000, name: '', width: 0, height: 0, durationMs: 0, placeholder: new Uint8Array(0), thumbnail: false,
    preview: '', key: new Uint8Array(0),
  }
  return inSession(t, encodeMessage(1, 'bob', text(''), encodeAttachments([attachment])))
})

const UPLOAD = { size: 5, hash: hashOf('hello'), type: 'image/png' }

function askingByWeb(t: TestContext, blobs: Partial<Config['blobs']>, query: Element): Promise<number> {
  return asking(t, { listen: { urls: ['ws://127.0.0.1:0'] }, blobs }, query)
}

provoke('[BLB-6] [471 blob-too-large] a blob is larger than the server takes', (t) => askingByWeb(t, { sizeMax: 4 }, element('upload', UPLOAD)))
provoke('[BLB-6] [472 type-not-allowed] a blob is of a type that the server does not take', (t) =>
  askingByWeb(t, { types: ['text/*'] }, element('upload', UPLOAD)))
provoke('[474 no-blobs] blobs are not kept here', (t) => askingByWeb(t, { enabled: false }, element('upload', UPLOAD)))

provoke('[BLB-8] [475 hash-mismatch] what is uploaded has another hash', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { listen: { urls: ['ws://127.0.0.1:0'] } }))
  const { client } = await login(t, url)
  client.send(encodeQuery(1, element('upload', UPLOAD)))
  const result = await client.until(FRAME.result)
  assert.ok(result.type === FRAME.result)
  const { attributes } = result.element
  const answer = await fetch(attributes.get('url') ?? '', { method: 'PUT', headers: { authorization: `Bearer ${attributes.get('token') ?? ''}` }, body: 'world' })
  const { error } = await answer.json() as { error: string }
  return [...ERRORS.values()].find(({ name }) => name === error)?.code ?? 0
})

// The registry

/** What is neither provoked nor, being reserved, handled. */
function missing(errors: Iterable<ErrorInfo>): string[] {
  return [...errors].filter(({ name, reserved }) => !(reserved === null ? provoked : handled).has(name)).map(({ name }) => name)
}

test('every error of the registry is provoked once, or handled if it is reserved', () => {
  assert.deepEqual(missing(ERRORS.values()), [])
  const reserved = new Set([...ERRORS.values()].filter((error) => error.reserved !== null).map(({ name }) => name))
  assert.deepEqual([...provoked].filter((name) => reserved.has(name)), [], 'no longer reserved: the registry has to say so')
  assert.deepEqual([...handled].filter((name) => !reserved.has(name)), [], 'not reserved: it has to be provoked')
})

test('an error that nobody provokes is found', () => {
  const planted: ErrorInfo = { ...ERRORS.get(ERROR.conflict)!, name: 'planted' }
  assert.deepEqual(missing([...ERRORS.values(), planted, { ...planted, name: 'later', reserved: 'for later' }]), ['planted', 'later'])
})
