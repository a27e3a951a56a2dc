/** A whole server in one call, alone or as a node of a cluster; and its orderly end. */
import type { Engine } from '../../storage/engine.js'
import type { BlobDesk } from '../blobs/blob-desk.js'
import { type Clock, SYSTEM_CLOCK } from '../clock.js'
import type { ClusterAdmin } from '../cluster/cluster-admin.js'
import type { Config } from '../config/settings.js'
import type { Connections } from '../connection/connections.js'
import type { ConnectionTaker } from '../listeners/connection-taker.js'
import { type Log, SILENT_LOG } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import { orderlyEnd, type Steps } from './orderly-end.js'
import type { HomeRouter } from '../router/home-router.js'
import type { Router } from '../router/router.js'
import { runAlone } from './run-alone.js'
import type { ServerSecret } from '../session/server-secret.js'

export interface ServerOptions {
  readonly log?: Log
  readonly clock?: Clock
  /** Stands between the server and its store: for proofs that need a store to fail at a moment of their choosing. */
  readonly wrapEngine?: (engine: Engine) => Engine
  /** false: it opens no listeners for clients; other processes take them, see workers/supervisor.ts. */
  readonly takesClients?: boolean
  /** Ends a start that waits for somebody else, who may never answer: it rejects with the reason of the signal. */
  readonly stopping?: AbortSignal
}

/** What `chatd start` prints once it serves. */
export interface ReadyLine {
  readonly ready: true
  /** With real ports, in the order of the configuration. */
  readonly listeners: readonly string[]
  /** null: turned off. */
  readonly admin: string | null
  /** Where other nodes reach this one; not given outside of a cluster. */
  readonly link?: string
}

/** What the operator has of a server, of however many processes that is made. */
export interface OperatedServer {
  readonly ready: ReadyLine
  /** Reads certificate and key again for new connections. Throws ConfigError and keeps the old ones when they can't be used. */
  renewTls(): void
  /** Tells clients to come back, finishes what was handed in, and closes everything. Never rejects; a second call waits for the first. */
  stop(): Promise<void>
}

export interface RunningServer extends OperatedServer {
  /** The accounts, among others. */
  readonly router: Router
  /** The one shard, for processes that take clients in front of this one; null: there are several. */
  readonly home: HomeRouter | null
  readonly counters: Counters
  readonly connections: Connections
  /** null: this server stands alone. */
  readonly cluster: ClusterAdmin | null
  /** Of names that are not there: the same at every process that takes clients. */
  readonly secret: ServerSecret
  /** null: no blobs are kept. */
  readonly blobs: { readonly desk: BlobDesk, readonly taker: ConnectionTaker } | null
  /** URLs of blobs begin with the first web listener of these, where the operator has said nothing else. */
  serveBlobsAt(listeners: readonly string[]): void
}

/** What both kinds of server are made with. `steps`: what has to be undone, last pushed first; when the start fails, too. */
export interface Start {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly wrapEngine: (engine: Engine) => Engine
  readonly takesClients: boolean
  readonly stopping: AbortSignal
  readonly steps: Steps
}

/**
 * Starts a server; resolves once every listener is open. Rejects with ConfigError (certificates), StorageError (data directory),
 * ListenError (address in use…), or with the reason of `stopping`, and leaves nothing open then.
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? SILENT_LOG
  const clock = options.clock ?? SYSTEM_CLOCK
  const steps: Steps = []
  const stop = orderlyEnd(steps, log)
  try {
    const { wrapEngine = (engine: Engine) => engine, takesClients = true, stopping = new AbortController().signal } = options
    const start: Start = { config, clock, log, wrapEngine, takesClients, stopping, steps }
    const server = config.cluster.redis.length > 0 ? await runCluster(start) : await runAlone(start)
    steps.unshift(() => log.info({}, 'server-stopped'))
    const { listeners, admin, link } = server.ready
    log.info({ listeners: listeners.join(' '), admin, ...link === undefined ? {} : { link }, directory: config.data.directory }, 'server-started')
    return { ...server, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Redis and all that belongs to a cluster: most servers stand alone, and would load it for nothing. */
async function runCluster(start: Start): Promise<Omit<RunningServer, 'stop'>> {
  const { runNode } = await import('./run-node.js')
  return runNode(start)
}
