/**
 * A server as a node of a cluster: it takes clients like any other, and has their sessions carried out by the node that owns the shard, which
 * may be itself.
 *
 * The order of the end is what matters: the shard is given up first, while everything else still works, so that all sessions go on at
 * another owner; then this node's clients are told to come back, elsewhere if they can.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine } from '../storage/engine.js'
import type { EngineName } from '../storage/metadata.js'
import { openEngine } from '../storage/open.js'
import type { AdminListener } from './admin/admin-listener.js'
import { sweepStaged } from './blobs/blob-service.js'
import { blobEnvironment } from './blobs/blob-storage.js'
import { blobService, logBlobs, openBlobs } from './blobs/open-blobs.js'
import { originOf } from './blobs/origin.js'
import { ClusterDesk } from './cluster/cluster-admin.js'
import { readClusterSecrets, readLinkTls } from './cluster/cluster-files.js'
import { addClusterMetrics } from './cluster/cluster-metrics.js'
import type { DirectoryView } from './cluster/directory.js'
import { type ClusterNode, openClusterNode } from './cluster/node.js'
import { nodeCalls } from './cluster/node-calls.js'
import { NODE_PURPOSE, NodeCallServer, NodeLinks } from './cluster/node-links.js'
import { openClusterStore } from './cluster/open-store.js'
import { clientHosts, OwnerHosts } from './cluster/owner-hosts.js'
import { OwnedShard } from './cluster/owned-shard.js'
import { parseOrigin } from './config/listen-url.js'
import { type ClientHosts, Redirects } from './connection/redirects.js'
import { openControlServer } from './control/control-server.js'
import { openFront } from './front.js'
import { parseLinkAddress } from './link/link-address.js'
import { LinkDesk } from './link/link-desk.js'
import { newLinkCounters, systemLinkEnvironment } from './link/link-environment.js'
import { Counters, createMetrics } from './metrics.js'
import { openAdmin } from './open-admin.js'
import { listenError } from './open-listeners.js'
import { PRESENCE_LIMITS } from './presence/limits.js'
import { ClusterRouter } from './router/cluster-router.js'
import { LinkServer, ROUTER_PURPOSE } from './router/link-server.js'
import { OwnerRoutes, type ShardOwner } from './router/owner-routes.js'
import { dialRouter } from './router/remote-router.js'
import type { RunningServer, Start } from './run.js'
import { shardEnvironment } from './shard-environment.js'
import { version } from './version.js'

/** There is one so far. */
const SHARD = 0
const TOKEN_BYTES = 8

export async function runNode(start: Start): Promise<Omit<RunningServer, 'stop'>> {
  const { config, clock, log, wrapEngine, takesClients, steps } = start
  const { directory } = config.data
  const secrets = readClusterSecrets(config)
  const linkCounters = newLinkCounters()
  const identity = { cluster: config.cluster.name, node: config.cluster.node, secret: secrets.link }
  const links = new LinkDesk(identity, systemLinkEnvironment({ log, clock, counters: linkCounters }), readLinkTls(config))
  const engine = wrapEngine(await openEngine({ directory, engine: config.data.engine as 'auto' | EngineName, create: true }))
  steps.push(() => engine.close())
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const storage = await openBlobs(config, log, steps)

  const linkServer = new LinkServer()
  const { routes, router } = openRouter(start, links, () => owned.targets, storage !== null)
  const owned: OwnedShard = new OwnedShard({
    environment: shardEnvironment(config, clock, log, storage === null ? null : blobEnvironment(storage)),
    presence: { ...PRESENCE_LIMITS, ...config.presence }, linkServer, routes,
  })
  let listening: readonly string[] = []
  const { clientUrls, redirectsPerSecond } = config.cluster
  const hosts = (): ClientHosts => clientHosts(clientUrls.length > 0 ? clientUrls : listening)
  const { node, nodeLinks, address } = await joinCluster(start, engine, links, linkServer, owned, hosts)
  const ownerHosts = new OwnerHosts((name, at) => nodeLinks.ask(name, at, 'hosts', null), links.environment.scheduler)
  const follow = (view: DirectoryView): void => {
    routes.follow(ownerOf(view))
    if (redirectsPerSecond > 0) ownerHosts.follow(view)
  }
  node.directory.onChange(follow)
  follow(node.directory.view)

  const counters = new Counters()
  const commands = router.blobs
  const blobs = storage === null || commands === null ? null : await blobService({ config, clock, log, counters, secret: secrets.server, storage, commands })
  const { drainTimeoutMs } = config.limits
  steps.push(() => blobs?.close(drainTimeoutMs))
  let admin: AdminListener | null = null
  steps.push(() => admin?.close())
  const cluster = new ClusterDesk(config.cluster.name, config.cluster.node, [node], nodeLinks)
  const control = await openControlServer(directory, { router, cluster }, log)
  steps.push(() => control.close())
  const redirects = new Redirects({ owner: () => ownerHosts.hosts, perSecond: redirectsPerSecond, clock })
  const front = await openFront(config, { router, desk: blobs?.desk ?? null, secret: secrets.server, taker: blobs, takesClients, log, clock, counters, redirects })
  listening = front.listeners
  let isStopping = false
  steps.push(() => front.stop(), async () => {
    isStopping = true
    front.stopListening()
    blobs?.close(drainTimeoutMs).catch(() => { /* told to who waits below */ })
    await Promise.race([node.resign(), delay(drainTimeoutMs, undefined, { ref: false })])
  })
  const serveBlobsAt = (urls: readonly string[]): void => blobs?.desk.serveAt(parseOrigin(config.blobs.publicUrl) ?? originOf(urls) ?? '')
  serveBlobsAt(front.listeners)
  if (storage !== null && commands !== null) void sweepStaged(storage.leftIds, storage, commands, log, () => isStopping)
  await logBlobs(storage, config, log)
  const metrics = createMetrics(counters, () => owned.shard)
  addClusterMetrics(metrics, { node, router, linkServer, links: linkCounters })
  const notReady = (): string => isStopping ? 'stopping' : node.report.trouble !== '' ? node.report.trouble : router.hasOwner ? '' : 'no node owns the shard'
  admin = await openAdmin(config, metrics, log, notReady)
  return {
    ready: { ready: true, listeners: front.listeners, admin: admin?.url ?? null, link: address },
    router, counters, cluster, serveBlobsAt,
    secret: secrets.server,
    blobs: blobs === null ? null : { desk: blobs.desk, taker: blobs },
    connections: front.connections,
    renewTls: () => {
      front.renewTls()
      const tls = readLinkTls(config)
      if (tls !== null) links.renewTls(tls)
    },
  }
}

function openRouter(
  { config, clock, log, steps }: Start, links: LinkDesk, local: () => OwnedShard['targets'], hasBlobs: boolean,
): { routes: OwnerRoutes, router: ClusterRouter } {
  const { scheduler } = links.environment
  const blobBytesMax = config.blobs.sizeMax
  const routes = new OwnerRoutes({
    local, clock, scheduler, log, blobBytesMax,
    dial: async (node, address) => dialRouter(await links.dial(address), links.identity, node, links.environment),
    random: () => Math.random(),
  })
  const router = new ClusterRouter({ source: routes, clock, scheduler, log, ownerWaitMs: config.limits.ownerWaitMs, hasBlobs, blobBytesMax })
  steps.push(() => routes.close(), () => router.close())
  return { routes, router }
}

/** Links first, so that other nodes find what they are told of: what comes too early is told to come back. */
async function joinCluster(
  { config, clock, log, steps }: Start, engine: Engine, links: LinkDesk, linkServer: LinkServer, owned: OwnedShard, hosts: () => ClientHosts,
): Promise<{ node: ClusterNode, nodeLinks: NodeLinks, address: string }> {
  const { cluster } = config
  let node: ClusterNode | null = null
  const nodeServer = new NodeCallServer(nodeCalls(() => node === null ? null : [node], hosts), links.environment)
  let listening: string
  try {
    listening = await links.listen(parseLinkAddress(cluster.link)!, { [ROUTER_PURPOSE]: linkServer, [NODE_PURPOSE]: nodeServer })
  } catch (error) {
    throw listenError(cluster.link, error)
  }
  steps.push(() => links.close())
  const address = cluster.linkAddress === '' ? listening : cluster.linkAddress
  const nodeLinks = new NodeLinks({ identity: links.identity, environment: links.environment, dial: (text) => links.dial(text) })
  steps.push(() => nodeLinks.close())
  const opened = await openClusterNode({
    node: cluster.node, address, version: version(), shard: SHARD, engine,
    store: openClusterStore(config, SHARD, log),
    environment: { monotonicMs: () => clock.monotonicMs(), scheduler: links.environment.scheduler, randomToken: () => randomBytes(TOKEN_BYTES).toString('hex'), log },
    // The settings of the section have the names of the limits.
    limits: cluster,
    copySource: { page: async (owner, request) => await nodeLinks.ask(owner.node, owner.address, 'copyPage', request) as Uint8Array },
    onOwner: (replicated, epoch) => owned.open(replicated, epoch),
    onLost: () => owned.close(),
  })
  node = opened
  steps.push(() => opened.close())
  return { node: opened, nodeLinks, address }
}

function ownerOf({ owner, isSelf }: DirectoryView): ShardOwner | null {
  if (owner === null) return null
  return isSelf ? { kind: 'self' } : { kind: 'node', node: owner.node, address: owner.address }
}
