/** A whole server in one call: store, shard, router, connections, listeners, control socket, admin listener; and its orderly end. */
import { mkdirSync } from 'node:fs'
import type { Engine } from '../storage/engine.js'
import type { EngineName } from '../storage/metadata.js'
import { openEngine } from '../storage/open.js'
import { type AdminListener, openAdminListener } from './admin/admin-listener.js'
import type { BlobDesk } from './blobs/blob-desk.js'
import { BlobSide } from './blobs/blob-side.js'
import { blobEnvironment, type BlobStorage, openBlobStorage } from './blobs/blob-storage.js'
import { originOf } from './blobs/origin.js'
import { type Clock, SYSTEM_CLOCK } from './clock.js'
import { parseAdminUrl, parseOrigin } from './config/listen-url.js'
import { type Config, SETTINGS } from './config/settings.js'
import { Admission } from './connection/admission.js'
import { Connections, SWEEP_MS } from './connection/connections.js'
import { openControlServer } from './control/control-server.js'
import type { HttpHandler } from './listeners/http-handler.js'
import type { Listener } from './listeners/listener.js'
import { type Log, SILENT_LOG } from './log.js'
import { Counters, createMetrics } from './metrics.js'
import { listenError, openOne, readTls } from './open-listeners.js'
import { PRESENCE_LIMITS } from './presence/limits.js'
import { LocalRouter } from './router/local-router.js'
import type { Router } from './router/router.js'
import { openServerSecret, type ServerSecret } from './session/server-secret.js'
import { Shard } from './shard/shard.js'
import { shardEnvironment } from './shard-environment.js'

export interface ServerOptions {
  readonly log?: Log
  readonly clock?: Clock
  /** Stands between the server and its store: for proofs that need a store to fail at a moment of their choosing. */
  readonly wrapEngine?: (engine: Engine) => Engine
  /** false: it opens no listeners for clients; other processes take them, see workers/supervisor.ts. */
  readonly takesClients?: boolean
}

/** What `chatd start` prints once it serves. */
export interface ReadyLine {
  readonly ready: true
  /** With real ports, in the order of the configuration. */
  readonly listeners: readonly string[]
  /** null: turned off. */
  readonly admin: string | null
}

export interface RunningServer {
  readonly ready: ReadyLine
  /** The accounts, among others. */
  readonly router: Router
  readonly counters: Counters
  readonly connections: Connections
  /** Of names that are not there: the same at every process that takes clients. */
  readonly secret: ServerSecret
  /** null: no blobs are kept. */
  readonly blobs: { readonly desk: BlobDesk, readonly http: HttpHandler } | null
  /** URLs of blobs begin with the first web listener of these, where the operator has said nothing else. */
  serveBlobsAt(listeners: readonly string[]): void
  /** Reads certificate and key again for new connections. Throws ConfigError and keeps the old ones when they can't be used. */
  renewTls(): void
  /** Tells clients to come back, finishes what was handed in, and closes everything. Never rejects; a second call waits for the first. */
  stop(): Promise<void>
}

/**
 * Starts a server; resolves once every listener is open. Rejects with ConfigError (certificates), StorageError (data directory),
 * ListenError (address in use…), and leaves nothing open then.
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? SILENT_LOG
  const clock = options.clock ?? SYSTEM_CLOCK
  const steps: (() => Promise<void> | void)[] = []
  const stop = once(async () => {
    // Last opened, first closed.
    for (const step of steps.reverse()) {
      try {
        await step()
      } catch (error) {
        log.error({ error: error instanceof Error ? error : new Error(String(error)) }, 'stop-failed')
      }
    }
  })
  try {
    const server = await start(config, clock, log, options, steps, stop)
    steps.unshift(() => log.info({}, 'server-stopped'))
    return server
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(
  config: Config, clock: Clock, log: Log, { wrapEngine, takesClients = true }: ServerOptions, steps: (() => Promise<void> | void)[],
  stop: () => Promise<void>,
): Promise<RunningServer> {
  const tls = readTls(config, clock)
  const { directory } = config.data
  const opened = await openEngine({ directory, engine: config.data.engine as 'auto' | EngineName, create: true })
  const engine = wrapEngine?.(opened) ?? opened
  steps.push(() => engine.close())
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const secret = openServerSecret(directory, config.auth.scramIterations)
  const storage = await openStorage(config, log, steps)
  const shard = new Shard(engine, shardEnvironment(config, clock, log, storage === null ? null : blobEnvironment(storage)))
  steps.push(() => shard.close())
  const router = new LocalRouter(shard, { ...PRESENCE_LIMITS, ...config.presence })
  const counters = new Counters()
  const blobs = storage === null || router.blobs === null ? null : new BlobSide({ config, clock, log, counters, secret, storage, commands: router.blobs })
  const { drainTimeoutMs } = config.limits
  steps.push(() => blobs?.close(drainTimeoutMs))
  const admission = new Admission(config, clock)
  // Open until the clients are gone, so that /readyz can say what goes on.
  let admin: AdminListener | null = null
  steps.push(() => admin?.close())
  const connections = new Connections({ config, clock, log, counters, router, admission, secret, blobs: blobs?.desk ?? null })
  const sweeper = setInterval(() => connections.sweep(), SWEEP_MS)
  steps.push(() => clearInterval(sweeper), () => connections.drain())
  const control = await openControlServer(directory, router, log)
  steps.push(() => control.close())

  const listeners: Listener[] = []
  let isStopping = false
  steps.push(() => {
    isStopping = true
    for (const listener of listeners) listener.stop()
    // Cut now, and waited for when the clients are gone.
    blobs?.close(drainTimeoutMs).catch(() => { /* told to who waits below */ })
  })
  for (const url of takesClients ? config.listen.urls : []) {
    listeners.push(await openOne(url, config, clock, log, admission, connections, blobs?.http ?? null, tls))
  }
  const serveBlobsAt = (urls: readonly string[]): void => blobs?.desk.serveAt(parseOrigin(config.blobs.publicUrl) ?? originOf(urls) ?? '')
  serveBlobsAt(listeners.map((listener) => listener.url))
  void blobs?.sweep()
  if (storage === null) log.info({ reason: noBlobsReason(config) }, 'blobs-off')
  else await logBlobs(storage, config, log)
  admin = await openAdmin(config, counters, shard, log, () => isStopping ? 'stopping' : shard.isAvailable ? '' : 'the store is not available')
  const ready: ReadyLine = { ready: true, listeners: listeners.map((listener) => listener.url), admin: admin?.url ?? null }
  log.info({ listeners: ready.listeners.join(' '), admin: ready.admin, directory, engine: engine.name }, 'server-started')
  return {
    ready,
    router,
    counters,
    connections,
    secret,
    blobs: blobs === null ? null : { desk: blobs.desk, http: blobs.http },
    serveBlobsAt,
    renewTls: () => {
      const renewed = readTls(config, clock)
      if (renewed !== null) for (const listener of listeners) listener.renewTls(renewed)
      log.info({ validTo: renewed === null ? null : new Date(renewed.validToMs).toISOString() }, 'tls-renewed')
    },
    stop,
  }
}

/** Why no blobs are kept; empty: they are. */
function noBlobsReason({ blobs, listen }: Config): string {
  if (!blobs.enabled) return 'blobs.enabled is false'
  return blobs.publicUrl !== '' || originOf(listen.urls) !== null ? '' : 'no ws:// or wss:// listener, and no blobs.publicUrl'
}

/** Where there is no room the operator hears of it before the first user does. */
async function logBlobs({ store, staging, room }: BlobStorage, { blobs }: Config, log: Log): Promise<void> {
  const free = await staging.freeBytes()
  log.info({ store: store.name, free }, 'blobs-on')
  if (!await room.has(1)) log.warn({ free, freeBytesMin: blobs.freeBytesMin, setting: 'blobs.freeBytesMin' }, 'blobs-no-room')
}

async function openStorage(config: Config, log: Log, steps: (() => Promise<void> | void)[]): Promise<BlobStorage | null> {
  if (noBlobsReason(config) !== '') return null
  const storage = await openBlobStorage(config, process.env, log)
  steps.push(() => storage.store.close())
  return storage
}

async function openAdmin(config: Config, counters: Counters, shard: Shard, log: Log, notReady: () => string): Promise<AdminListener | null> {
  const parsed = config.admin.url === '' ? null : parseAdminUrl(config.admin.url)
  if (parsed === null) return null
  const sources = { metrics: createMetrics(counters, shard), notReady }
  try {
    return await openAdminListener(parsed.host, parsed.port, sources)
  } catch (error) {
    // Nobody chose the port that is the default: a second server on the machine takes another, and says so.
    const isChosen = config.admin.url !== SETTINGS.admin.url.default
    if (isChosen || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw listenError(config.admin.url, error)
    const admin = await openAdminListener(parsed.host, 0, sources)
    log.warn({ wanted: config.admin.url, admin: admin.url }, 'admin-port-taken')
    return admin
  }
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => running ??= run()
}
