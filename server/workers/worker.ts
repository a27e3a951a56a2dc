/**
 * A process that takes clients: listeners, connections and sessions; the shard is the supervisor's, at the other end of a link. It lives
 * as long as the supervisor, and does what it is told.
 */
import type { Config } from '../config/settings.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { ConfigError } from '../config/config.js'
import { type Front, openFront } from '../front.js'
import { parseLinkAddress } from '../link/link-address.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { dialLink } from '../link/link-sockets.js'
import type { ProcessLog } from '../log.js'
import { ListenError } from '../listen-error.js'
import { ClusterRouter } from '../router/cluster-router.js'
import { OwnerRoutes } from '../router/owner-routes.js'
import { dialRouter } from '../router/remote-router.js'
import { BlobPassage } from './blob-passage.js'
import { counterValues } from './counter-sum.js'
import type { FromWorker, ToWorker, WorkerOrder } from './messages.js'

export const LINK_CLUSTER = 'workers'
export const SUPERVISOR_NODE = 'supervisor'
const REPORT_MS = 1000

/** Runs until the supervisor has it stop, or is gone. To be called once, in a process made by the supervisor. */
export function runWorker(openLog: (config: Config) => ProcessLog): void {
  // Who stops the supervisor by a key stops all processes of the terminal; the workers wait for its word.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  let worker: Promise<Worker | null> | null = null
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'start') worker = begin(message.order, openLog(message.order.config))
    else if (message.kind === 'stop' && worker === null) process.exit(0)
    else worker?.then((each) => message.kind === 'stop' ? each?.stop() : each?.renewTls()).catch(() => process.exit(1))
  })
  // Nothing can be done without it.
  process.on('disconnect', () => process.exit(1))
  tell({ kind: 'hello' })
}

/** `sent`: called when it is on its way. */
function tell(message: FromWorker, sent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, sent)
  else sent()
}

/** null: it could not start, and ends. */
async function begin(order: WorkerOrder, log: ProcessLog): Promise<Worker | null> {
  process.on('uncaughtException', (error) => {
    log.error({ error }, 'crashed')
    log.flush()
    process.exit(1)
  })
  try {
    return await Worker.open(order, log)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    log.error({ error: error instanceof Error ? error : new Error(message) }, 'worker-not-started')
    log.flush()
    tell({ kind: 'failed', message, isOperators: error instanceof ListenError || error instanceof ConfigError }, () => process.exit(1))
    return null
  }
}

class Worker {
  readonly #front: Front
  readonly #router: ClusterRouter
  readonly #routes: OwnerRoutes
  readonly #log: ProcessLog

  private constructor(front: Front, router: ClusterRouter, routes: OwnerRoutes, log: ProcessLog) {
    this.#front = front
    this.#router = router
    this.#routes = routes
    this.#log = log
    setInterval(() => this.#report(), REPORT_MS).unref()
  }

  static async open(order: WorkerOrder, log: ProcessLog): Promise<Worker> {
    const { config, node, linkAddress } = order
    const environment = systemLinkEnvironment({ log })
    const identity = { cluster: LINK_CLUSTER, node, secret: order.linkSecret }
    const address = parseLinkAddress(linkAddress)
    if (address === null) throw new TypeError(`${linkAddress} is no address of a link`)
    const shared = { clock: SYSTEM_CLOCK, scheduler: environment.scheduler, log, blobBytesMax: config.blobs.sizeMax }
    const routes = new OwnerRoutes({
      ...shared,
      local: () => null,
      dial: async () => dialRouter(await dialLink(address, null, environment.limits.openTimeoutMs), identity, SUPERVISOR_NODE, environment),
      random: Math.random,
    })
    const router = new ClusterRouter({ ...shared, source: routes, ownerWaitMs: config.limits.ownerWaitMs, hasBlobs: order.blobSocket !== '' })
    routes.follow({ kind: 'node', node: SUPERVISOR_NODE, address: linkAddress })
    const front = await openFront(config, {
      router, desk: router.desk, log,
      secret: { key: order.secretKey, iterations: order.secretIterations },
      taker: order.blobSocket === '' ? null : new BlobPassage(order.blobSocket, config.blobs.downloadIdleMs),
    })
    const worker = new Worker(front, router, routes, log)
    tell({ kind: 'ready', listeners: front.listeners })
    return worker
  }

  renewTls(): void {
    try {
      this.#front.renewTls()
    } catch (error) {
      this.#log.error({ error: error instanceof Error ? error : new Error(String(error)) }, 'tls-not-renewed')
    }
  }

  async stop(): Promise<void> {
    await this.#front.stop()
    this.#router.close()
    this.#routes.close()
    this.#log.flush()
    this.#report(() => process.exit(0))
  }

  #report(sent?: () => void): void {
    tell({ kind: 'counters', values: counterValues(this.#front.counters) }, sent)
  }
}
