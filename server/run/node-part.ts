/**
 * What a node has of one shard of its cluster: a store with the shard's content, its part in who owns the shard, the shard itself while that is
 * this node, and the way to whichever node it is.
 */
import type { Engine } from '../../storage/engine.js'
import type { ChannelState } from '../channels/channels.js'
import type { ClusterStore } from '../cluster/cluster-store.js'
import type { DirectoryView } from '../cluster/directory.js'
import { type ClusterNode, openClusterNode } from '../cluster/node.js'
import { aboutShard } from '../cluster/node-calls.js'
import type { NodeLinks } from '../cluster/node-links.js'
import type { ClusterNodeOptions } from '../cluster/node-options.js'
import { OwnedShard } from '../cluster/owned-shard.js'
import { upgradeNotice, waitingForUpgrade } from '../cluster/upgrade-notice.js'
import type { LinkDesk } from '../link/link-desk.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { NodePeers } from '../peers/node-peers.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import { ClusterRouter } from '../router/cluster-router.js'
import { LinkServer, routerPurpose } from '../router/link-server.js'
import { OwnerRoutes, type ShardOwner } from '../router/owner-routes.js'
import { dialRouter } from '../router/remote-router.js'
import type { Start } from './run.js'
import type { ShardEnvironment } from '../shard/environment.js'
import { version } from '../process/version.js'

const TOKEN_BYTES = 8

export interface PartOptions {
  readonly start: Pick<Start, 'config' | 'clock' | 'log' | 'steps'>
  readonly shard: number
  /** Of this process; see ClusterNodeOptions. */
  readonly life: string
  readonly engine: Engine
  /** Called once, as it joins. */
  readonly openStore: () => ClusterStore
  /** Of the shard while it is this node's, but for what it has of the others. */
  readonly environment: ShardEnvironment
  readonly links: Pick<LinkDesk, 'identity' | 'environment' | 'dial'>
  /** Whether blobs are kept. */
  readonly hasBlobs: boolean
  /** What shards of this node have of the others; null: there are none. */
  readonly peers: NodePeers | null
  /** For jitter: from 0 up to, without, 1. */
  readonly random: () => number
}

export class NodePart {
  readonly #options: PartOptions
  readonly #routes: OwnerRoutes
  readonly #owned: OwnedShard
  readonly linkServer = new LinkServer()
  readonly router: ClusterRouter
  #node: ClusterNode | null = null

  constructor(options: PartOptions) {
    this.#options = options
    this.#routes = this.#openRoutes()
    this.router = this.#openRouter()
    this.#owned = this.#openOwned()
  }

  /** null: it has not joined yet. */
  get node(): ClusterNode | null {
    return this.#node
  }

  /** null: this node does not own it. */
  get shard(): OwnedShard['shard'] {
    return this.#owned.shard
  }

  /** Channels of this node's shard to nodes of an earlier version, in which something waits until these are upgraded. */
  get waitingForUpgrade(): readonly ChannelState[] {
    const { peers, shard } = this.#options
    return peers === null ? [] : waitingForUpgrade(this.shard?.channels?.states() ?? [], (other) => peers.isOutdated(shard, other))
  }

  /** Why who owns the shard is not reached; '': see OwnerRoutes. */
  get unreached(): string {
    return this.#routes.unreached
  }

  /** What keeps this node's shard from being served, a full disk say; '': nothing, or it is another's. */
  get #troubleOfShard(): string {
    const { peers, shard } = this.#options
    const trouble = this.shard?.trouble ?? ''
    return trouble === '' ? '' : `${peers === null ? 'the shard' : `shard ${String(shard)}`}: ${trouble}`
  }

  /** What other nodes may have links for. */
  get purposes(): Readonly<Record<string, LinkPurpose>> {
    const { shard } = this.#options
    return { [routerPurpose(shard)]: this.linkServer }
  }

  /** Once other nodes find its links. `address`: where they do. `open` opens the node. */
  async join(address: string, nodeLinks: Pick<NodeLinks, 'ask'>, open: (options: ClusterNodeOptions) => Promise<ClusterNode> = openClusterNode): Promise<ClusterNode> {
    const { start: { config, clock, log }, shard, life, engine, openStore, links: { environment } } = this.#options
    const { cluster } = config
    const node = this.#node = await open({
      node: cluster.node, address, version: version(), life, shard, engine, store: openStore(),
      environment: {
        monotonicMs: () => clock.monotonicMs(), scheduler: environment.scheduler, log,
        randomToken: () => Buffer.from(environment.randomBytes(TOKEN_BYTES)).toString('hex'),
      },
      // The settings of the section have the names of the limits.
      limits: cluster,
      copySource: { page: async (owner, request) => await nodeLinks.ask(owner.node, owner.address, 'copyPage', aboutShard(shard, request)) as Uint8Array },
      trouble: () => this.#troubleOfShard,
      notice: () => upgradeNotice(shard, this.waitingForUpgrade),
      onOwner: (replicated, epoch) => this.#owned.open(replicated, epoch),
      onLost: () => this.#owned.close(),
    })
    node.directory.onChange((view) => this.#follow(view))
    this.#follow(node.directory.view)
    return node
  }

  #follow({ owner, isSelf }: DirectoryView): void {
    const known: ShardOwner | null = owner === null ? null : isSelf ? { kind: 'self' } : { kind: 'node', node: owner.node, address: owner.address }
    this.#routes.follow(known)
    this.#options.peers?.ownersChanged()
  }

  #openRoutes(): OwnerRoutes {
    const { start: { config, clock, log, steps }, links, shard, random } = this.#options
    const routes = new OwnerRoutes({
      local: () => this.#owned.targets, clock, scheduler: links.environment.scheduler, log, blobBytesMax: config.blobs.sizeMax,
      dial: async (node, address) => dialRouter(await links.dial(address), links.identity, node, links.environment, shard),
      random,
    })
    steps.push(() => routes.close())
    return routes
  }

  #openRouter(): ClusterRouter {
    const { start: { config, clock, log, steps }, links, hasBlobs } = this.#options
    const router = new ClusterRouter({
      source: this.#routes, clock, scheduler: links.environment.scheduler, log, ownerWaitMs: config.limits.ownerWaitMs,
      hasBlobs, blobBytesMax: config.blobs.sizeMax,
    })
    steps.push(() => router.close())
    return router
  }

  #openOwned(): OwnedShard {
    const { start: { config }, shard, environment, peers } = this.#options
    return new OwnedShard({
      environment,
      presence: { ...PRESENCE_LIMITS, ...config.presence },
      linkServer: this.linkServer, routes: this.#routes,
      peers: peers === null ? null : {
        federation: peers.federationOf(shard), serve: (router) => peers.serve(shard, router), stopServing: () => peers.stopServing(shard),
      },
    })
  }
}
