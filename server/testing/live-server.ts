/** Whole servers on real sockets for tests, with devices that write their own frames; and servers with a fault behind one of their seams. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { encodeAuth, encodeBind, encodeHello, encodeResponse } from '../../protocol/generated/frames.js'
import type { WelcomeFrame } from '../../protocol/generated/frames.js'
import { FRAME } from '../../protocol/generated/registry.js'
import { ScramClient } from '../../protocol/scram-client.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { parseListenUrl } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'
import { Admission } from '../connection/admission.js'
import { Connections, SWEEP_MS } from '../connection/connections.js'
import { openListener } from '../listeners/open-listener.js'
import { connectRaw } from '../listeners/testing/raw-client.js'
import type { RawClient } from '../listeners/testing/raw-client.js'
import { SILENT_LOG } from '../log.js'
import { Counters } from '../metrics/metrics.js'
import type { Router, Verifier } from '../router/router.js'
import { startServer } from '../run/run.js'
import type { RunningServer } from '../run/run.js'
import { type FrontKind, frontOf } from './live-front.js'
import { newVerifier, NODE_CRYPTO } from '../session/node-crypto.js'

/** Of every account of these servers. */
export const PASSWORD = 'secret'
const ITERATIONS = 4096

/** Where the shard of these servers is; see startLive. */
const LIVE_ROUTER = liveRouter()
/** Of a test of what only the process with the store can say of itself. */
export const ONE_PROCESS = { skip: LIVE_ROUTER === 'local' ? false : 'files are counted by the process that has the store' }

type Changes = Parameters<typeof configOf>[0]

export interface LiveServer extends RunningServer {
  /** Of the first listener. */
  readonly url: string
}

export function passwordVerifier(): Promise<Verifier> {
  return newVerifier(PASSWORD, ITERATIONS)
}

/** A configuration on a data directory of its own, gone with the test. A section in `changes` adds to what stands here. */
export function liveConfig(t: TestContext, changes: Changes = {}): Config {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-live-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return configOf({
    ...changes,
    data: { directory: join(directory, 'data'), engine: 'leveldb', ...changes.data },
    listen: { urls: ['tcp://127.0.0.1:0'], ...changes.listen },
    admin: { url: '' },
    auth: { scramIterations: ITERATIONS, ...changes.auth },
    limits: { drainTimeoutMs: 500, drainJitterMs: 0, ...changes.limits },
    // Most tests send from one side alone.
    rate: { strangerPerSecond: 0, ...changes.rate },
  })
}

/** What `chatd start` runs, with an account for each name; it stops with the test. */
export async function liveServer(t: TestContext, config: Config, users: readonly string[] = ['alice', 'bob']): Promise<LiveServer> {
  const server = await startLive(t, config)
  t.after(() => server.stop())
  for (const user of users) await server.router.addUser(user, await passwordVerifier())
  return { ...server, url: server.ready.listeners[0]! }
}

/**
 * `startServer`; or with CHATD_LIVE_ROUTER=remote or =cluster two halves of it that meet over a link: the same tests say the same of
 * both, see router/over-link.test.ts.
 */
async function startLive(t: TestContext, config: Config): Promise<RunningServer> {
  if (LIVE_ROUTER === 'local') return startServer(config)
  // The ports that the test has chosen are the front's.
  const urls = config.listen.urls.map((url) => url.replace(/:\d+$/, ':0'))
  return frontOf(t, await startServer({ ...config, listen: { ...config.listen, urls } }), config, LIVE_ROUTER)
}

function liveRouter(): FrontKind | 'local' {
  const kind = process.env['CHATD_LIVE_ROUTER']
  return kind === 'remote' || kind === 'cluster' ? kind : 'local'
}

/** Listener, connections and sessions as they are, in front of a router that the test has prepared. Returns the listener's URL. */
export async function serveRouter(t: TestContext, router: Router): Promise<string> {
  const config = configOf({ limits: { drainTimeoutMs: 500, drainJitterMs: 0 } })
  const admission = new Admission(config, SYSTEM_CLOCK)
  const connections = new Connections({
    config, clock: SYSTEM_CLOCK, log: SILENT_LOG, counters: new Counters(), router, admission,
    secret: { key: new Uint8Array(32), iterations: ITERATIONS }, blobs: null,
  })
  const sweeper = setInterval(() => connections.sweep(), SWEEP_MS)
  const listener = await openListener({
    url: parseListenUrl('tcp://127.0.0.1:0')!, accept: (transport) => connections.accept(transport), admission, clock: SYSTEM_CLOCK,
    log: SILENT_LOG, backlog: 16, openTimeoutMs: config.limits.openTimeoutMs, messageBytesMax: config.limits.frameBytesMax + 8,
    origins: [], taker: null, tls: null,
  })
  t.after(async () => {
    clearInterval(sweeper)
    listener.stop()
    await connections.drain()
  })
  return listener.url
}

export const HELLO = encodeHello([1], 'test 1.0')

/** A device that has said hello and proved its password; bind is next. It is gone with the test. */
export async function authenticate(t: TestContext, url: string, user: string, password = PASSWORD): Promise<RawClient> {
  const client = await connect(t, url)
  const scram = new ScramClient({ user, password, binding: 'none', crypto: NODE_CRYPTO })
  client.send(HELLO, encodeAuth(scram.mechanism, scram.first()))
  const challenge = await client.until(FRAME.challenge)
  assert.ok(challenge.type === FRAME.challenge)
  const final = await scram.final(challenge.data)
  assert.ok(typeof final !== 'string')
  client.send(encodeResponse(final))
  return client
}

export async function connect(t: TestContext, url: string): Promise<RawClient> {
  const client = await connectRaw(url)
  t.after(() => client.destroy())
  return client
}

/** A device whose session is open. `outboxEpoch`: that of an earlier welcome, 0 for none. */
export async function login(
  t: TestContext, url: string, user = 'alice', device = 'phone', outboxEpoch = 0, password = PASSWORD,
): Promise<{ client: RawClient, welcome: WelcomeFrame }> {
  const client = await authenticate(t, url, user, password)
  client.send(encodeBind(device, '', 0, 0, outboxEpoch, 0))
  const welcome = await client.until(FRAME.welcome)
  assert.ok(welcome.type === FRAME.welcome)
  return { client, welcome }
}

/** The code of the next close, refuse, fail or decline. Fails when the connection ends without one. */
export async function errorOf(client: RawClient): Promise<number> {
  for (;;) {
    const frame = await client.next()
    assert.ok(frame !== null, 'the connection ended without an error')
    if (frame.type === FRAME.close || frame.type === FRAME.refuse || frame.type === FRAME.fail || frame.type === FRAME.decline) return frame.error
  }
}
