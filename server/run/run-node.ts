/**
 * A server as a node of a cluster: it takes clients like any other, and has their sessions carried out by the node that owns the shard, which
 * may be itself.
 *
 * The order of the end is what matters: the shard is given up first, while everything else still works, so that all sessions go on at
 * another owner; then this node's clients go, in turn where there are other nodes for them.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { slotOf } from '../../storage/slots.js'
import type { AdminListener } from '../admin/admin-listener.js'
import { sweepStaged } from '../blobs/blob-service.js'
import { blobEnvironment } from '../blobs/blob-storage.js'
import { blobService, logBlobs, openBlobs } from '../blobs/open-blobs.js'
import { originOf } from '../blobs/origin.js'
import { addChannelMetrics } from '../metrics/channel-metrics.js'
import { evenTable } from '../channels/federation.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import { Balancer } from '../cluster/balancer.js'
import { ClusterDesk } from '../cluster/cluster-admin.js'
import { readClusterSecrets, readLinkTls } from '../cluster/cluster-files.js'
import { addClusterMetrics } from '../cluster/cluster-metrics.js'
import type { ClusterNode } from '../cluster/node.js'
import { nodeCalls } from '../cluster/node-calls.js'
import { NODE_PURPOSE, NodeCallServer, NodeLinks } from '../cluster/node-links.js'
import { openClusterStore } from '../cluster/open-store.js'
import { clientHosts, OwnerHosts } from '../cluster/owner-hosts.js'
import { parseOrigin } from '../config/listen-url.js'
import { type ClientHosts, Redirects } from '../connection/redirects.js'
import type { Config } from '../config/settings.js'
import { openControlServer } from '../control/control-server.js'
import { openFront } from './front.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import { parseLinkAddress } from '../link/link-address.js'
import { LinkDesk } from '../link/link-desk.js'
import { newLinkCounters, systemLinkEnvironment } from '../link/link-environment.js'
import { Counters, createMetrics } from '../metrics/metrics.js'
import { NodePart } from './node-part.js'
import { gaugesOf, noticeOf, openEngines, openPeers, routerOf, troubleOf } from './node-shards.js'
import { openAdmin } from './open-admin.js'
import { listenError } from './open-listeners.js'
import type { NodePeers } from '../peers/node-peers.js'
import type { RunningServer, Start } from './run.js'
import { shardEnvironment } from './shard-environment.js'

/** Of a process, among those that ever have its node's name. */
const LIFE_BYTES = 8

export async function runNode(start: Start): Promise<Omit<RunningServer, 'stop'>> {
  const { config, clock, log, takesClients, stopping, steps } = start
  const { directory } = config.data
  const secrets = readClusterSecrets(config)
  const linkCounters = newLinkCounters()
  const identity = { cluster: config.cluster.name, node: config.cluster.node, secret: secrets.link }
  const links = new LinkDesk(identity, systemLinkEnvironment({ log, clock, counters: linkCounters }), readLinkTls(config))
  const engines = await openEngines(start)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const storage = await openBlobs(config, log, steps, stopping)
  const shards = engines.length
  const shardOf = evenTable(shards)
  const random = (): number => Math.random()
  const peers = openPeers(links, { shards, shardOf, limits: CHANNEL_LIMITS, random }, (shard) => parts[shard]?.node?.directory.view.owner ?? null)
  const life = randomBytes(LIFE_BYTES).toString('hex')
  const parts: readonly NodePart[] = engines.map((engine, shard) => new NodePart({
    start, shard, life, engine, links, peers, random, hasBlobs: storage !== null,
    openStore: () => openClusterStore(config, shard, shards, log),
    environment: shardEnvironment(config, clock, log, storage === null ? null : blobEnvironment(storage), shards),
  }))
  const router = routerOf(start, parts, links.environment, shardOf)
  let listening: readonly string[] = []
  const { clientUrls } = config.cluster
  const hosts = (): ClientHosts => clientHosts(clientUrls.length > 0 ? clientUrls : listening)
  const { nodes, nodeLinks, address } = await joinCluster(start, links, parts, peers, hosts)
  const counters = new Counters()
  const commands = router.blobs
  const blobs = storage === null || commands === null ? null : await blobService({ config, clock, log, counters, secret: secrets.server, storage, commands })
  const { drainTimeoutMs } = config.limits
  steps.push(() => blobs?.close(drainTimeoutMs))
  let admin: AdminListener | null = null
  steps.push(() => admin?.close())
  const cluster = new ClusterDesk(config.cluster.name, config.cluster.node, nodes, nodeLinks, links.environment.scheduler)
  openBalancer(start, links, nodes, cluster)
  const control = await openControlServer(directory, { router, cluster }, log)
  steps.push(() => control.close())
  const redirects = openRedirects(start, links, nodes, nodeLinks)
  const front = await openFront(config, { router, desk: blobs?.desk ?? null, secret: secrets.server, taker: blobs, takesClients, log, clock, counters, redirects })
  listening = front.listeners
  let isStopping = false
  steps.push(() => front.stop(), async () => {
    if (hasOthers(nodes, config)) await front.leave()
  }, async () => {
    isStopping = true
    front.stopListening()
    blobs?.close(drainTimeoutMs).catch(() => { /* told to who waits below */ })
    await Promise.race([Promise.all(nodes.map((node) => node.resign())), delay(drainTimeoutMs, undefined, { ref: false })])
  })
  const serveBlobsAt = (urls: readonly string[]): void => blobs?.desk.serveAt(parseOrigin(config.blobs.publicUrl) ?? originOf(urls) ?? '')
  serveBlobsAt(front.listeners)
  if (storage !== null && commands !== null) void sweepStaged(storage.leftIds, storage, commands, log, () => isStopping)
  await logBlobs(storage, config, log)
  const metrics = createMetrics(counters, () => gaugesOf(parts))
  addClusterMetrics(metrics, { parts, links: linkCounters })
  if (peers !== null) addChannelMetrics(metrics, () => parts.map(({ shard }, number) => [number, shard?.channels?.states() ?? []]))
  const notReady = (): string => isStopping ? 'stopping' : troubleOf(parts)
  admin = await openAdmin(config, metrics, log, notReady, () => noticeOf(parts))
  return {
    ready: { ready: true, listeners: front.listeners, admin: admin?.url ?? null, link: address },
    router, home: parts.length === 1 ? parts[0]!.router : null, counters, cluster, serveBlobsAt,
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

/** Whether other nodes take this one's clients. */
function hasOthers(nodes: readonly ClusterNode[], { cluster }: Config): boolean {
  return nodes.some(({ directory }) => directory.nodes.some(({ node, ageMs }) => node !== cluster.node && ageMs <= cluster.leaseMs))
}

function openBalancer({ config, log, steps }: Start, { environment: { scheduler } }: LinkDesk, nodes: readonly ClusterNode[], desk: ClusterDesk): void {
  const { node, balanceEveryMs } = config.cluster
  if (nodes.length === 1 || balanceEveryMs === 0) return
  const balancer = new Balancer({ node, nodes, desk, scheduler, log, everyMs: balanceEveryMs })
  steps.push(() => { balancer.stop() })
}

/** Clients may be sent on to the node that owns the shard of their user, as far as they have said who they are. */
function openRedirects({ config, clock }: Start, links: LinkDesk, nodes: readonly ClusterNode[], nodeLinks: NodeLinks): Redirects {
  const { redirectsPerSecond } = config.cluster
  const hosts = redirectsPerSecond === 0 ? [] : nodes.map(({ directory }) => {
    const ofOwner = new OwnerHosts((name, at) => nodeLinks.ask(name, at, 'hosts', null), links.environment.scheduler)
    directory.onChange((view) => ofOwner.follow(view))
    ofOwner.follow(directory.view)
    return ofOwner
  })
  const homeOf = (user: string | null): number | null => user === null ? null : evenTable(nodes.length)(slotOf(user))
  return new Redirects({ owner: (user) => hosts[nodes.length === 1 ? 0 : homeOf(user()) ?? -1]?.hosts ?? null, perSecond: redirectsPerSecond, clock })
}

/** Links first, so that other nodes find what they are told of: what comes too early is told to come back. */
async function joinCluster(
  { config, steps }: Start, links: LinkDesk, parts: readonly NodePart[], peers: NodePeers | null, hosts: () => ClientHosts,
): Promise<{ nodes: readonly ClusterNode[], nodeLinks: NodeLinks, address: string }> {
  const { cluster } = config
  const joined = (): readonly ClusterNode[] | null => {
    const nodes = parts.flatMap(({ node }) => node ?? [])
    return nodes.length === parts.length ? nodes : null
  }
  const nodeServer = new NodeCallServer(nodeCalls(joined, hosts), links.environment)
  const purposes: Record<string, LinkPurpose> = { [NODE_PURPOSE]: nodeServer, ...peers?.purposes }
  for (const part of parts) Object.assign(purposes, part.purposes)
  let listening: string
  try {
    listening = await links.listen(parseLinkAddress(cluster.link)!, purposes)
  } catch (error) {
    throw listenError(cluster.link, error)
  }
  steps.push(() => links.close())
  const address = cluster.linkAddress === '' ? listening : cluster.linkAddress
  const nodeLinks = new NodeLinks({ identity: links.identity, environment: links.environment, dial: (text) => links.dial(text) })
  steps.push(() => nodeLinks.close())
  const nodes: ClusterNode[] = []
  for (const part of parts) {
    const node = await part.join(address, nodeLinks)
    steps.push(() => node.close())
    nodes.push(node)
  }
  return { nodes, nodeLinks, address }
}
