/**
 * What takes clients: listeners, connections and sessions in front of a router, wherever its shard is. A node without the shard, and a
 * worker process, is no more than this and a ClusterRouter.
 *
 * In which order: the router first, so that sessions find it; the end the other way round, `stop` before the router is closed.
 */
import type { Desk } from '../blobs/blob-desk.js'
import { type Clock, SYSTEM_CLOCK } from '../clock.js'
import type { Config } from '../config/settings.js'
import { Admission } from '../connection/admission.js'
import { Connections, SWEEP_MS } from '../connection/connections.js'
import type { Redirects } from '../connection/redirects.js'
import type { ConnectionTaker } from '../listeners/connection-taker.js'
import type { Listener } from '../listeners/listener.js'
import { type Log, SILENT_LOG } from '../log.js'
import { Counters } from '../metrics/metrics.js'
import { DescriptorWatch } from './descriptors.js'
import { openOne, readTls } from './open-listeners.js'
import type { Router } from '../router/router.js'
import type { ServerSecret } from '../session/server-secret.js'

export interface FrontOptions {
  readonly router: Router
  /** null: no blobs are kept. */
  readonly desk: Desk | null
  /** The same at every node and process, or strangers would be shown different challenges for the same unknown name. [OPN-13] */
  readonly secret: ServerSecret
  /** What ws:// and wss:// serve beside WebSockets; null: nothing. */
  readonly taker?: ConnectionTaker | null
  readonly log?: Log
  readonly clock?: Clock
  readonly counters?: Counters
  /** Not given: clients are served where they have come to. */
  readonly redirects?: Redirects
  /** false: no listener is opened. */
  readonly takesClients?: boolean
}

export interface Front {
  /** With real ports, in the order of the configuration. */
  readonly listeners: readonly string[]
  readonly counters: Counters
  readonly connections: Connections
  /** Reads certificate and key again for new connections. Throws ConfigError and keeps the old ones when they can't be used. */
  renewTls(): void
  /** Takes no more clients; those that are there stay. */
  stopListening(): void
  /** Takes no more clients, and lets those that are there go in turn to other servers; see Connections.leave. Before `stop`. */
  leave(): Promise<void>
  /** Takes no more clients, and sees those off that are there; see Connections.drain. A second call waits for the first. */
  stop(): Promise<void>
}

/** Resolves once every listener is open. Rejects with ConfigError and ListenError, and leaves nothing open then. */
export async function openFront(config: Config, options: FrontOptions): Promise<Front> {
  const { router, desk, secret, taker = null, log = SILENT_LOG, clock = SYSTEM_CLOCK, counters = new Counters(), redirects, takesClients = true } = options
  const tls = readTls(config, clock)
  const admission = new Admission(config, clock)
  const connections = new Connections({ config, clock, log, counters, router, admission, secret, blobs: desk, ...redirects === undefined ? {} : { redirects } })
  const listeners: Listener[] = []
  const stopListening = (): void => { for (const listener of listeners.splice(0)) listener.stop() }
  const descriptors = new DescriptorWatch(log, clock, counters)
  const sweeper = setInterval(() => {
    connections.sweep()
    descriptors.look()
  }, SWEEP_MS)
  try {
    for (const url of takesClients ? config.listen.urls : []) listeners.push(await openOne(url, config, clock, log, admission, connections, taker, tls))
  } catch (error) {
    clearInterval(sweeper)
    stopListening()
    throw error
  }
  let stopping: Promise<void> | null = null
  return {
    listeners: listeners.map((listener) => listener.url),
    counters,
    connections,
    renewTls: () => {
      const renewed = readTls(config, clock)
      if (renewed !== null) for (const listener of listeners) listener.renewTls(renewed)
      log.info({ validTo: renewed === null ? null : new Date(renewed.validToMs).toISOString() }, 'tls-renewed')
    },
    stopListening,
    leave: () => {
      stopListening()
      return connections.leave()
    },
    stop: () => stopping ??= drain(),
  }

  async function drain(): Promise<void> {
    stopListening()
    await connections.drain()
    clearInterval(sweeper)
  }
}
