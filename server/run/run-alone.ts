/** A server that stands alone: store, shard, router and all in front of it in one process. */
import { mkdirSync } from 'node:fs'
import type { EngineName } from '../../storage/metadata.js'
import { openEngine } from '../../storage/open.js'
import type { AdminListener } from '../admin/admin-listener.js'
import { sweepStaged } from '../blobs/blob-service.js'
import { blobEnvironment } from '../blobs/blob-storage.js'
import { blobService, logBlobs, openBlobs } from '../blobs/open-blobs.js'
import { originOf } from '../blobs/origin.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import { parseOrigin } from '../config/listen-url.js'
import { openControlServer } from '../control/control-server.js'
import { openFront } from './front.js'
import { Counters, createMetrics } from '../metrics/metrics.js'
import { openAdmin } from './open-admin.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import { LocalRouter } from '../router/local-router.js'
import type { RunningServer, Start } from './run.js'
import { openServerSecret } from '../session/server-secret.js'
import { Shard } from '../shard/shard.js'
import { shardEnvironment } from './shard-environment.js'

export async function runAlone({ config, clock, log, wrapEngine, takesClients, stopping, steps }: Start): Promise<Omit<RunningServer, 'stop'>> {
  const { directory } = config.data
  const engine = wrapEngine(await openEngine({ directory, engine: config.data.engine as 'auto' | EngineName, create: true }))
  steps.push(() => engine.close())
  await refuseClusterData(engine, directory)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const secret = openServerSecret(directory, config.auth.scramIterations)
  const storage = await openBlobs(config, log, steps, stopping)
  const shard = new Shard(engine, shardEnvironment(config, clock, log, storage === null ? null : blobEnvironment(storage)))
  steps.push(() => shard.close())
  const router = new LocalRouter(shard, { ...PRESENCE_LIMITS, ...config.presence })
  const counters = new Counters()
  const blobs = storage === null || router.blobs === null ? null : await blobService({ config, clock, log, counters, secret, storage, commands: router.blobs })
  const { drainTimeoutMs } = config.limits
  steps.push(() => blobs?.close(drainTimeoutMs))
  // Open until the clients are gone, so that /readyz can say what goes on.
  let admin: AdminListener | null = null
  steps.push(() => admin?.close())
  const control = await openControlServer(directory, { router, cluster: null }, log)
  steps.push(() => control.close())
  const front = await openFront(config, { router, desk: blobs?.desk ?? null, secret, taker: blobs, takesClients, log, clock, counters })
  let isStopping = false
  steps.push(() => front.stop(), () => {
    isStopping = true
    front.stopListening()
    // Cut now, and waited for when the clients are gone.
    blobs?.close(drainTimeoutMs).catch(() => { /* told to who waits below */ })
  })
  const serveBlobsAt = (urls: readonly string[]): void => blobs?.desk.serveAt(parseOrigin(config.blobs.publicUrl) ?? originOf(urls) ?? '')
  serveBlobsAt(front.listeners)
  if (storage !== null && router.blobs !== null) void sweepStaged(storage.leftIds, storage, router.blobs, log, () => isStopping)
  await logBlobs(storage, config, log)
  const notReady = (): string => isStopping ? 'stopping' : shard.trouble
  admin = await openAdmin(config, createMetrics(counters, () => shard), log, notReady)
  return {
    ready: { ready: true, listeners: front.listeners, admin: admin?.url ?? null },
    router,
    home: router,
    counters,
    secret,
    blobs: blobs === null ? null : { desk: blobs.desk, taker: blobs },
    serveBlobsAt,
    connections: front.connections,
    cluster: null,
    renewTls: () => front.renewTls(),
  }
}
