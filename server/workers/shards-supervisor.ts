/**
 * A server of several shards on one machine: each worker takes clients and is home to a shard, and all of them reach each other over Unix
 * sockets. This process has none: it starts them, and again those that die, and is what the operator speaks to; it has the files. Who dies takes
 * the connections of its own clients along; sessions of its users at other workers wait for it and go on.
 *
 *     clients ──▶ worker: shard 0 ══╗
 *     clients ──▶ worker: shard 1 ══╬══ links, each with each ── supervisor: files, control socket, health and metrics
 *     clients ──▶ worker: shard 2 ══╝
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { makeShards } from '../../storage/shards-file.js'
import type { AdminListener } from '../admin/admin-listener.js'
import { type BlobService, sweepStaged } from '../blobs/blob-service.js'
import { blobService, logBlobs, noBlobsReason, openBlobs } from '../blobs/open-blobs.js'
import { addChannelMetrics } from '../metrics/channel-metrics.js'
import { evenTable } from '../channels/federation.js'
import { SYSTEM_CLOCK } from '../clock.js'
import type { Config } from '../config/settings.js'
import { socketPath } from '../control/control-path.js'
import { openControlServer } from '../control/control-server.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { type Log, SILENT_LOG } from '../log.js'
import { Counters, createMetrics } from '../metrics/metrics.js'
import { openAdmin } from '../run/open-admin.js'
import { readTls } from '../run/open-listeners.js'
import { orderlyEnd, type Steps } from '../run/orderly-end.js'
import { ShardsRouter } from '../router/shards-router.js'
import type { OperatedServer } from '../run/run.js'
import { openServerSecret } from '../session/server-secret.js'
import { openBlobPassage } from './blob-passage.js'
import { openFiles } from './files.js'
import { LINK_CLUSTER, shardNode, SUPERVISOR_NODE } from './names.js'
import type { ShardReport, WorkerOrder } from './messages.js'
import { type Reached, reachNode } from './reach.js'
import { sumOfGauges } from '../metrics/shard-gauges.js'
import { shareOf } from './share.js'
import type { ServerShape } from './shape.js'
import type { SupervisorOptions } from './supervisor.js'
import { WorkerPool } from './worker-pool.js'

/** How long the start waits until the processes have found each other: whoever comes then is told what is true. */
const REACH_MS = 5000
const LOOK_MS = 10

/** As `startWithWorkers`, for a data directory that holds several shards, or is to. */
export async function startWithShards(config: Config, shape: ServerShape, options: SupervisorOptions): Promise<OperatedServer> {
  const { log = SILENT_LOG, stopping = new AbortController().signal } = options
  const steps: Steps = []
  const stop = orderlyEnd(steps, log)
  try {
    const server = await open(config, shape, { program: options.program, log, stopping, steps })
    steps.unshift(() => log.info({}, 'server-stopped'))
    const { listeners, admin } = server.ready
    log.info({ shards: shape.shards, listeners: listeners.join(' '), admin, directory: config.data.directory }, 'server-started')
    return { ...server, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface ShardsStart {
  readonly program: string
  readonly log: Log
  readonly stopping: AbortSignal
  readonly steps: Steps
}

async function open(given: Config, { shards, isNew }: ServerShape, { program, log, stopping, steps }: ShardsStart): Promise<Omit<OperatedServer, 'stop'>> {
  // As many as there are, whether they were asked for or found.
  const config: Config = { ...given, data: { ...given.data, shards } }
  const { directory } = config.data
  if (isNew) await makeShards(directory, shards)
  // Says what is wrong with them before anything is started.
  readTls(config, SYSTEM_CLOCK)
  const secret = openServerSecret(directory, config.auth.scramIterations)
  const linkSecret = randomBytes(32)
  const linkAddresses = Array.from({ length: shards }, (_, shard) => `unix:${socketPath(directory, shardNode(shard))}`)
  const environment = systemLinkEnvironment({ log })
  const identity = { cluster: LINK_CLUSTER, node: SUPERVISOR_NODE, secret: linkSecret }
  const counters = new Counters()
  const hasBlobs = noBlobsReason(config) === ''
  const filesPath = socketPath(directory, 'files')
  const blobSocket = hasBlobs ? socketPath(directory, 'blobs') : ''
  const reports: (ShardReport | null)[] = linkAddresses.map(() => null)
  const order = (shard: number, life: number): WorkerOrder => ({
    config: shareOf(config, shards), node: shardNode(shard), linkSecret, shards: { kind: 'several', shard, life, linkAddresses, filesAddress: `unix:${filesPath}` },
    secretKey: secret.key, secretIterations: secret.iterations, blobSocket,
  })
  const pool = new WorkerPool({
    count: shards, program, order, counters, drainTimeoutMs: config.limits.drainTimeoutMs, log,
    shardTold: (shard, message) => { reports[shard] = message?.report ?? null },
  })
  let isStopping = false
  // The files are there as long as a worker may ask for them.
  const filesSteps: Steps = []
  steps.push(orderlyEnd(filesSteps, log), () => pool.stop())
  const listeners = await pool.start()
  // Behind the workers, which hold the stores: a second server on the directory has failed by then, and taken nothing from this one.
  const storage = await openBlobs(config, log, filesSteps, stopping)
  let blobs: BlobService | null = null
  if (storage !== null) filesSteps.push(await openFiles(filesPath, { storage, uploads: () => blobs }, identity, environment))

  const { ownerWaitMs, drainTimeoutMs } = config.limits
  const reached = linkAddresses.map((address, shard) => reachNode(shardNode(shard), address, shard, {
    identity, environment, ownerWaitMs, hasBlobs, blobBytesMax: config.blobs.sizeMax,
  }))
  steps.push(() => { for (const each of reached) each.close() })
  const router = new ShardsRouter({
    routers: reached.map((each) => each.router), shardOf: evenTable(shards), clock: SYSTEM_CLOCK, scheduler: environment.scheduler, ownerWaitMs,
  })
  await allReached(reached)
  const commands = router.blobs
  if (storage !== null && commands !== null) {
    const service = blobs = await blobService({ config, clock: SYSTEM_CLOCK, log, counters, secret, storage, commands })
    // While the workers are there: what is finished last is told to them.
    steps.push(() => service.close(drainTimeoutMs))
    steps.push(await openBlobPassage(blobSocket, service))
    void sweepStaged(storage.leftIds, storage, commands, log, () => isStopping)
  }
  await logBlobs(storage, config, log)
  // As the files: where nobody else is served.
  const control = await openControlServer(directory, { router, cluster: null }, log)
  steps.push(() => control.close())
  const notReady = (): string => {
    if (isStopping) return 'stopping'
    const away = reached.flatMap(({ router: each }, shard) => each.isReachable && reports[shard]?.gauges.isAvailable !== false ? [] : [String(shard)])
    return away.length === 0 ? '' : `shards that are not available: ${away.join(', ')}`
  }
  const metrics = createMetrics(counters, () => sumOfGauges(reports.map((report) => report?.gauges ?? null)))
  addChannelMetrics(metrics, () => reports.map((report, shard) => [shard, report?.channels ?? []]))
  const admin: AdminListener | null = await openAdmin(config, metrics, log, notReady)
  // Open until the clients are gone, so that /readyz can say what goes on.
  steps.unshift(() => admin?.close())
  steps.push(() => { isStopping = true })
  return {
    ready: { ready: true, listeners, admin: admin?.url ?? null },
    renewTls: () => {
      // Says what is wrong with them here, where the operator looks.
      readTls(config, SYSTEM_CLOCK)
      pool.renewTls()
    },
  }
}

/** Resolves when every shard is reached, or has not been for long enough. */
async function allReached(reached: readonly Reached[]): Promise<void> {
  for (const endMs = performance.now() + REACH_MS; performance.now() < endMs && reached.some(({ router }) => !router.isReachable);) await delay(LOOK_MS)
}
