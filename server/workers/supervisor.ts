/**
 * A server of several processes on one machine: this one has the store and the shard, and workers take the clients. They share the
 * listening sockets and reach the shard by a link over a Unix socket. A worker that dies is started anew; its clients come back to the
 * others meanwhile, and nothing is lost but their connections.
 *
 *     clients ──▶ worker ─┐
 *     clients ──▶ worker ─┼─ links ─▶ supervisor: shard, store, files, control socket, health and metrics
 *     clients ──▶ worker ─┘
 */
import { randomBytes } from 'node:crypto'
import type { Config } from '../config/settings.js'
import { socketPath } from '../control/control-path.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { openLinkListener } from '../link/link-sockets.js'
import { type Log, SILENT_LOG } from '../log.js'
import { once } from '../run/orderly-end.js'
import { LinkServer, ROUTER_PURPOSE } from '../router/link-server.js'
import { type RunningServer, type ServerOptions, startServer } from '../run/run.js'
import { openBlobPassage } from './blob-passage.js'
import type { WorkerOrder } from './messages.js'
import { shareOf, workersOf } from './share.js'
import { LINK_CLUSTER, SUPERVISOR_NODE } from './names.js'
import { WorkerPool } from './worker-pool.js'

export interface SupervisorOptions extends ServerOptions {
  /** The program that calls `runWorker`. */
  readonly program: string
}

/**
 * Starts the server and `listen.workers` workers; resolves once each of them serves. Rejects as `startServer` does, and leaves nothing
 * running then. What is returned stops, renews certificates and counts for all of them. One at a time in a process: node:cluster has one.
 */
export async function startWithWorkers(config: Config, options: SupervisorOptions): Promise<RunningServer> {
  const log = options.log ?? SILENT_LOG
  const server = await startServer(config, { ...options, takesClients: false })
  const closers: (() => void)[] = []
  try {
    const order = await openInside(config, server, log, closers)
    const pool = new WorkerPool({
      count: workersOf(config), program: options.program, counters: server.counters, drainTimeoutMs: config.limits.drainTimeoutMs, log,
      order: (_place, starts) => ({ ...order, node: `worker-${String(starts)}` }),
    })
    try {
      const listeners = await pool.start()
      server.serveBlobsAt(listeners)
      log.info({ workers: workersOf(config), listeners: listeners.join(' ') }, 'workers-started')
      return {
        ...server,
        ready: { ...server.ready, listeners },
        renewTls: () => {
          // Says what is wrong with them here, where the operator looks.
          server.renewTls()
          pool.renewTls()
        },
        // The clients are seen off, then what the workers reached is closed, then the shard.
        stop: once(async () => {
          await pool.stop()
          for (const close of [...closers].reverse()) close()
          await server.stop()
        }),
      }
    } catch (error) {
      await pool.stop()
      throw error
    }
  } catch (error) {
    for (const close of closers.reverse()) close()
    await server.stop()
    throw error
  }
}

/** What workers reach the supervisor by: the link, and the way to the files. Returns what each of them is told. */
async function openInside(config: Config, server: RunningServer, log: Log, closers: (() => void)[]): Promise<Omit<WorkerOrder, 'node'>> {
  const environment = systemLinkEnvironment({ log })
  const linkServer = new LinkServer()
  linkServer.serve({ router: server.home!, desk: server.blobs?.desk ?? null })
  const linkSecret = randomBytes(32)
  const acceptor = new LinkAcceptor({ cluster: LINK_CLUSTER, node: SUPERVISOR_NODE, secret: linkSecret }, environment, { [ROUTER_PURPOSE]: linkServer })
  const path = socketPath(config.data.directory, 'links')
  const listener = await openLinkListener({ kind: 'unix', path }, null, (transport) => acceptor.accept(transport))
  closers.push(() => {
    listener.stop()
    acceptor.close()
  })
  const { blobs } = server
  const blobSocket = blobs === null ? '' : socketPath(config.data.directory, 'blobs')
  if (blobs !== null) closers.push(await openBlobPassage(blobSocket, blobs.taker))
  return {
    config: shareOf(config, workersOf(config)), shards: { kind: 'one', linkAddress: listener.address }, linkSecret, blobSocket,
    secretKey: server.secret.key, secretIterations: server.secret.iterations,
  }
}
