/**
 * A server of several processes on one machine: this one has the store and the shard, and workers take the clients. They share the
 * listening sockets (node:cluster gives each new connection to the next worker) and reach the shard by a link over a Unix socket. A
 * worker that dies is started anew; its clients come back to the others meanwhile, and nothing is lost but their connections.
 *
 *     clients ──▶ worker ─┐
 *     clients ──▶ worker ─┼─ links ─▶ supervisor: shard, store, files, control socket, health and metrics
 *     clients ──▶ worker ─┘
 */
import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import type { Config } from '../config/settings.js'
import { socketPath } from '../control/control-path.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { openLinkListener } from '../link/link-sockets.js'
import { type Log, SILENT_LOG } from '../log.js'
import { ListenError } from '../listen-error.js'
import { LinkServer, ROUTER_PURPOSE } from '../router/link-server.js'
import { type RunningServer, type ServerOptions, startServer } from '../run.js'
import { openBlobPassage } from './blob-passage.js'
import { CounterSum } from './counter-sum.js'
import type { FromWorker, ToWorker, WorkerOrder } from './messages.js'
import { shareOf, workersOf } from './share.js'
import { LINK_CLUSTER, SUPERVISOR_NODE } from './worker.js'

/** A worker that dies sooner than this after its start is started anew later each time. */
const STABLE_MS = 10_000
const RESTART_MS_FIRST = 100
const RESTART_MS_MAX = 5000
/** Beyond the time that clients get. */
const STOP_GRACE_MS = 5000

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
    const supervisor = new Supervisor(server, order, workersOf(config), options.program, log)
    try {
      const listeners = await supervisor.start()
      server.serveBlobsAt(listeners)
      log.info({ workers: workersOf(config), listeners: listeners.join(' ') }, 'workers-started')
      return { ...server, ready: { ...server.ready, listeners }, renewTls: () => supervisor.renewTls(), stop: once(() => supervisor.stop(closers)) }
    } catch (error) {
      await supervisor.stop([])
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
    config: shareOf(config, workersOf(config)), linkAddress: listener.address, linkSecret, blobSocket,
    secretKey: server.secret.key, secretIterations: server.secret.iterations,
  }
}

class Supervisor {
  readonly #server: RunningServer
  readonly #order: Omit<WorkerOrder, 'node'>
  readonly #count: number
  readonly #program: string
  readonly #log: Log
  readonly #sum: CounterSum
  readonly #workers = new Set<Worker>()
  #started = 0
  #restartMs = RESTART_MS_FIRST
  #isStopping = false

  constructor(server: RunningServer, order: Omit<WorkerOrder, 'node'>, count: number, program: string, log: Log) {
    this.#server = server
    this.#order = order
    this.#count = count
    this.#program = program
    this.#log = log
    this.#sum = new CounterSum(server.counters)
  }

  /** Resolves to the listeners, with real ports, once every worker serves. */
  async start(): Promise<readonly string[]> {
    cluster.setupPrimary({ exec: this.#program, args: [], serialization: 'advanced', silent: false })
    // One after the other: the first one to listen on a port that is any settles which it is.
    let listeners: readonly string[] = []
    for (let number = 0; number < this.#count; number++) listeners = await this.#startOne()
    return listeners
  }

  renewTls(): void {
    // Says what is wrong with them here, where the operator looks.
    this.#server.renewTls()
    this.#tellAll({ kind: 'renew-tls' })
  }

  /** Sees the clients off, then ends what the workers reached, then the shard. */
  async stop(closers: readonly (() => void)[]): Promise<void> {
    this.#isStopping = true
    const gone = [...this.#workers].map((worker) => new Promise<void>((resolve) => { worker.once('exit', () => resolve()) }))
    this.#tellAll({ kind: 'stop' })
    const timer = setTimeout(() => { for (const worker of this.#workers) worker.process.kill('SIGKILL') }, this.#order.config.limits.drainTimeoutMs + STOP_GRACE_MS)
    await Promise.all(gone)
    clearTimeout(timer)
    if (closers.length === 0) return
    for (const close of [...closers].reverse()) close()
    await this.#server.stop()
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#workers) if (worker.isConnected()) worker.send(message)
  }

  /** Resolves once it serves; rejects when it ends before. */
  #startOne(): Promise<readonly string[]> {
    const node = `worker-${String(++this.#started)}`
    const startedMs = performance.now()
    const worker = cluster.fork()
    this.#workers.add(worker)
    return new Promise((resolve, reject) => {
      let failure: Error | null = null
      let isReady = false
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'hello':
            worker.send({ kind: 'start', order: { ...this.#order, node } } satisfies ToWorker)
            return
          case 'ready':
            isReady = true
            this.#log.info({ worker: node, pid: worker.process.pid }, 'worker-started')
            resolve(message.listeners)
            return
          case 'failed':
            failure = message.isOperators ? new ListenError(message.message) : new Error(message.message)
            return
          case 'counters':
            this.#sum.report(worker.id, message.values)
        }
      })
      worker.on('exit', (code, signal) => {
        this.#workers.delete(worker)
        this.#sum.gone(worker.id)
        if (!isReady) reject(failure ?? new Error(`a worker ended before it served: ${signal ?? String(code)}`))
        if (this.#isStopping) return
        this.#log.error({ worker: node, code, signal }, 'worker-died')
        if (isReady) this.#restart(performance.now() - startedMs)
      })
    })
  }

  /** At once after a long life; after a short one later each time, so that a fault that comes with the start does not keep a core busy. */
  #restart(livedMs: number): void {
    if (livedMs > STABLE_MS) this.#restartMs = RESTART_MS_FIRST
    const waitMs = this.#restartMs
    this.#restartMs = Math.min(RESTART_MS_MAX, 2 * waitMs)
    setTimeout(() => {
      if (this.#isStopping) return
      this.#startOne().catch((error: unknown) => {
        this.#log.error({ error: error instanceof Error ? error : new Error(String(error)) }, 'worker-not-restarted')
        this.#restart(0)
      })
    }, waitMs)
  }
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => running ??= run()
}
