/**
 * A process that takes clients: listeners, connections and sessions. The shard is the supervisor's, at the other end of a link; or there
 * are several, one of them is here, and the others are at other workers. It lives as long as the supervisor, and does what it is told.
 */
import { asError } from '../../protocol/as-error.js'
import { randomBytes } from 'node:crypto'
import { BlobDesk, type Desk } from '../blobs/blob-desk.js'
import { Capabilities } from '../blobs/capability.js'
import { originOf } from '../blobs/origin.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { evenTable } from '../channels/federation.js'
import { parseOrigin } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'
import { type Front, openFront } from '../run/front.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import type { ProcessLog } from '../log.js'
import { endAtOnce } from '../process/end-at-once.js'
import { endOnCrash, endProcess } from '../process/end.js'
import { Counters } from '../metrics/metrics.js'
import type { Router } from '../router/router.js'
import { ShardsRouter } from '../router/shards-router.js'
import type { BlobEnvironment } from '../shard/environment.js'
import { BlobPassage } from './blob-passage.js'
import { counterValues } from './counter-sum.js'
import { failureOf } from './failure.js'
import { RemoteFiles } from './files.js'
import type { FromWorker, OneShard, ShardOfSeveral, ShardReport, ToWorker, WorkerOrder } from './messages.js'
import { LINK_CLUSTER, shardNode, SUPERVISOR_NODE } from './names.js'
import { openOwnShard } from './own-shard.js'
import { reachNode, type ReachOptions } from './reach.js'
import { shardGauges } from '../metrics/shard-gauges.js'

const REPORT_MS = 1000

/** Runs until the supervisor has it stop, or is gone. To be called once, in a process made by the supervisor. */
export function runWorker(openLog: (config: Config) => ProcessLog): void {
  // Who stops the supervisor by a key stops all processes of the terminal; the workers wait for its word.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  let worker: Promise<Worker | null> | null = null
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'start') worker = begin(message.order, openLog(message.order.config))
    else if (message.kind === 'stop' && worker === null) process.exit(0)
    else worker?.then((each) => each?.carryOut(message.kind)).catch(() => process.exit(1))
  })
  // Nothing can be done without it. In front of node's own listener, whose exit would wait for a thread that hangs.
  process.prependListener('disconnect', () => endAtOnce())
  tell({ kind: 'hello' })
}

/** `sent`: called when it is on its way. */
function tell(message: FromWorker, sent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, sent)
  else sent()
}

/** null: it could not start, and ends. */
async function begin(order: WorkerOrder, log: ProcessLog): Promise<Worker | null> {
  endOnCrash(log, 1)
  try {
    return await Worker.open(order, log)
  } catch (error) {
    log.error({ error: asError(error) }, 'worker-not-started')
    tell({ kind: 'failed', failure: failureOf(error) }, () => { void endProcess(log, 1) })
    return null
  }
}

/** Where the sessions of this process go. */
interface Behind {
  readonly router: Router
  /** null: no blobs are kept. */
  readonly desk: Desk | null
  /** Of its own shard; null: it has none. */
  readonly report: (() => ShardReport) | null
  readonly close: () => Promise<void> | void
  /** URLs of blobs begin with the first web listener of these, where the operator has said nothing else. */
  readonly serveBlobsAt: (listeners: readonly string[]) => void
}

class Worker {
  readonly #front: Front
  readonly #behind: Behind
  readonly #log: ProcessLog

  private constructor(front: Front, behind: Behind, log: ProcessLog) {
    this.#front = front
    this.#behind = behind
    this.#log = log
    setInterval(() => this.#report(), REPORT_MS).unref()
  }

  static async open(order: WorkerOrder, log: ProcessLog): Promise<Worker> {
    const { config, node, shards } = order
    const environment = systemLinkEnvironment({ log })
    const counters = new Counters()
    const reach: ReachOptions = {
      identity: { cluster: LINK_CLUSTER, node, secret: order.linkSecret }, environment,
      ownerWaitMs: config.limits.ownerWaitMs, hasBlobs: order.blobSocket !== '', blobBytesMax: config.blobs.sizeMax,
    }
    const behind = shards.kind === 'one' ? behindOne(shards, reach) : await behindSeveral(order, shards, reach, log, counters)
    const front = await openFront(config, {
      router: behind.router, desk: behind.desk, log, counters,
      secret: { key: order.secretKey, iterations: order.secretIterations },
      taker: order.blobSocket === '' ? null : new BlobPassage(order.blobSocket, config.blobs.downloadIdleMs),
    })
    behind.serveBlobsAt(front.listeners)
    const worker = new Worker(front, behind, log)
    tell({ kind: 'ready', listeners: front.listeners })
    return worker
  }

  async carryOut(what: 'renew-tls' | 'stop' | 'close'): Promise<void> {
    if (what === 'renew-tls') this.#renewTls()
    else if (what === 'stop') await this.#drain()
    else await this.#close()
  }

  #renewTls(): void {
    try {
      this.#front.renewTls()
    } catch (error) {
      this.#log.error({ error: asError(error) }, 'tls-not-renewed')
    }
  }

  async #drain(): Promise<void> {
    await this.#front.stop()
    tell({ kind: 'drained' })
  }

  async #close(): Promise<void> {
    await this.#behind.close()
    this.#report(() => { void endProcess(this.#log, 0) })
  }

  #report(sent?: () => void): void {
    const { report } = this.#behind
    if (report !== null) tell({ kind: 'shard', report: report() })
    tell({ kind: 'counters', values: counterValues(this.#front.counters) }, sent)
  }
}

function behindOne({ linkAddress }: OneShard, reach: ReachOptions): Behind {
  const { router, close } = reachNode(SUPERVISOR_NODE, linkAddress, 0, reach)
  return { router, desk: router.desk, report: null, close, serveBlobsAt: () => { /* the supervisor says where */ } }
}

async function behindSeveral(order: WorkerOrder, several: ShardOfSeveral, reach: ReachOptions, log: ProcessLog, counters: Counters): Promise<Behind> {
  const { config, secretKey } = order
  const { linkAddresses, filesAddress } = several
  const { identity, environment, hasBlobs } = reach
  const files = new RemoteFiles(SUPERVISOR_NODE, filesAddress, identity, environment)
  const blobs: BlobEnvironment | null = hasBlobs ? { eraser: files, hasRoomFor: (bytes) => files.hasRoomFor(bytes), randomBytes } : null
  const own = await openOwnShard(config, several, identity, environment, log, blobs)
  const others = linkAddresses.map((address, shard) => shard === several.shard ? null : reachNode(shardNode(shard), address, shard, reach))
  const router = new ShardsRouter({
    routers: others.map((other) => other?.router ?? own.router), shardOf: evenTable(linkAddresses.length),
    clock: SYSTEM_CLOCK, scheduler: environment.scheduler, ownerWaitMs: config.limits.ownerWaitMs,
  })
  const desk = router.blobs === null ? null : new BlobDesk({
    capabilities: new Capabilities(secretKey), commands: router.blobs, uploads: files, config: config.blobs, clock: SYSTEM_CLOCK, counters,
  })
  return {
    router, desk,
    serveBlobsAt: (listeners) => { desk?.serveAt(parseOrigin(config.blobs.publicUrl) ?? originOf(listeners) ?? '') },
    report: () => ({ gauges: shardGauges(own.shard), channels: own.shard.channels?.states() ?? [] }),
    close: async () => {
      for (const other of others) other?.close()
      await own.close()
      files.close()
    },
  }
}
