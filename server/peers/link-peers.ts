/**
 * The other shards as one shard sees them, whichever process they are in: those of its own process it calls; to each of the rest there is a
 * link for what this one gives and asks, and one from each for what it is given and asked. See spec/links.md, 20 to 26.
 *
 * In which order: `serve` when the shard is open; a link that comes before is told `notOwner` and tries again. `stopServing` before it
 * closes. Before the one and behind the other it reaches nobody, as nobody reaches it. The shard may come and go many times; one life of it
 * has to be closed to the end before the next is served.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Federation, Peers } from '../channels/federation.js'
import { localPeers } from '../channels/local-peers.js'
import { encodeValue } from '../link/call-codec.js'
import type { LinkIdentity } from '../link/handshake.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { closeName, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { LinkError, openLink } from '../link/open-link.js'
import type { Transport } from '../listeners/transport.js'
import type { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import { GivingLink } from './giving-link.js'
import { GivingRoute } from './giving-route.js'
import { disagreement, identityForm, identityOf, type ShardIdentity } from './shard-identity.js'
import { readIdentity, TakingLink } from './taking-link.js'

/** What links that a shard takes are for, in hello: a node may have several shards, and says which by what it takes. */
export function shardPurpose(shard: number): string {
  return `shards/${String(shard)}`
}

export interface LinkPeersOptions extends Omit<Federation, 'peers'> {
  /** Who this process is at links. */
  readonly identity: LinkIdentity
  readonly environment: LinkEnvironment
  /** For jitter: from 0 up to, without, 1. */
  readonly random: () => number
  /**
   * Connects to the process that has that shard at present, which is to be the node of this name. Asked anew for each attempt. Rejects
   * with LinkError.
   */
  readonly dial: (shard: number) => Promise<{ readonly transport: Transport, readonly node: string }>
  /** Whether the node of this name may speak for that shard. Where that changes: `ownersChanged`. */
  readonly isAt: (shard: number, node: string) => boolean
  /** The router of a shard that this process has, too; null: it has it not. Where that changes: `nearChanged`. */
  readonly near?: (shard: number) => LocalRouter | null
}

export class LinkPeers implements LinkPurpose {
  readonly federation: Federation
  readonly #options: LinkPeersOptions
  readonly #identity: ShardIdentity
  readonly #near: (shard: number) => LocalRouter | null
  readonly #routes = new Map<number, GivingRoute>()
  /** All of them, and by the shard that gives, the latest. */
  readonly #taking = new Set<TakingLink>()
  readonly #givers = new Map<number, TakingLink>()
  /** Nodes of which the log says already why they can't give. */
  readonly #told = new Set<string>()
  #router: LocalRouter | null = null

  constructor(options: LinkPeersOptions) {
    this.#options = options
    this.#identity = identityOf(options)
    this.#near = options.near ?? (() => null)
    const { shard, shards, shardOf, limits, environment, random } = options
    this.federation = { shard, shards, shardOf, limits, peers: this.#peers() }
    for (let other = 0; other < shards; other++) {
      if (other !== shard) this.#routes.set(other, new GivingRoute({ shard: other, open: () => this.#open(other), environment, random }))
    }
  }

  /** The shard is open, behind this router: others are dialled and taken from now on. */
  serve(router: LocalRouter): void {
    this.#router = router
    for (const other of this.#routes.keys()) this.nearChanged(other)
  }

  /** Ends all links, and dials and takes no more. */
  stopServing(): void {
    this.#router = null
    for (const route of this.#routes.values()) route.stop()
    for (const taking of [...this.#taking]) taking.link.close(LINK_CLOSE.notOwner)
  }

  /** That shard may have come into this process, or gone from it. */
  nearChanged(other: number): void {
    const route = this.#routes.get(other)
    if (this.#router === null || route === undefined) return
    if (this.#near(other) === null) route.start()
    else {
      route.stop()
      // As where a link opens: what waited to be taken goes on.
      this.#router.shard.channels?.greet(other)
    }
  }

  /** Shards may be in other processes than before: links with those that don't have them any more end, and others are dialled at once. */
  ownersChanged(): void {
    const { isAt } = this.#options
    for (const taking of [...this.#taking]) {
      if (taking.giver >= 0 && !isAt(taking.giver, taking.node)) taking.link.close(LINK_CLOSE.notOwner)
    }
    for (const [shard, route] of this.#routes) route.moved((node) => isAt(shard, node))
  }

  /** The process of that shard is there: it is dialled now, where it had to wait. */
  wake(shard: number): void {
    this.#routes.get(shard)?.wake()
  }

  /** Whether that shard is at a node of an earlier version, which can't read what this one gives. */
  isOutdated(shard: number): boolean {
    return this.#routes.get(shard)?.isOutdated === true
  }

  #peers(): Peers {
    const near = localPeers(this.#options.shard, this.#near, this.#options.environment.scheduler)
    // A shard that is given up lives on for a moment, and knows no more what is true of its users: others hear nothing of it.
    const isNear = (shard: number): boolean => this.#router !== null && this.#near(shard) !== null
    const linkTo = (shard: number): GivingLink | null => this.#routes.get(shard)?.link ?? null
    return {
      offer: (to, first, entries) => isNear(to) ? near.offer(to, first, entries) : linkTo(to)?.offer(first, entries) ?? false,
      confirm: (to, cursor, again) => {
        if (isNear(to)) near.confirm(to, cursor, again)
        else this.#givers.get(to)?.confirm(cursor, again)
      },
      ask: (of, name, ...args) => isNear(of) ? near.ask(of, name, ...args)
        : linkTo(of)?.ask(name, args) ?? Promise.reject(new RouterError(ERROR.unavailable, 'a shard is not reached')),
      tell: (to, name, ...args) => {
        if (isNear(to)) near.tell(to, name, ...args)
        else linkTo(to)?.tell(name, args)
      },
      isReached: (shard) => isNear(shard) || linkTo(shard) !== null,
    }
  }

  // ——— Giving ———

  async #open(shard: number): Promise<GivingLink> {
    const { dial, isAt, identity, environment, limits } = this.#options
    const { transport, node } = await dial(shard)
    return openLink(transport, identity, { expects: node, purpose: shardPurpose(shard) }, environment, (opened) => {
      const taker = readIdentity(opened.details)
      // It may have moved while the link was opened.
      const reason = !isAt(shard, node) ? LINK_CLOSE.notOwner : taker?.shard === shard ? disagreement(this.#identity, taker) : LINK_CLOSE.otherShards
      if (reason !== null) {
        opened.link.close(reason)
        throw new LinkError(reason)
      }
      return new GivingLink(opened, this.#identity, 2 * limits.windowBytes, {
        greeted: (cursor) => { this.#router?.shard.channels?.greeted(shard, cursor) },
        confirmed: (cursor, again) => { this.#router?.shard.channels?.confirmed(shard, cursor, again) },
      })
    })
  }

  // ——— Taking ———

  open(link: LinkConnection, node: string): { details: Uint8Array, handler: LinkHandler } | LinkClose {
    if (this.#router === null) return LINK_CLOSE.notOwner
    const taking: TakingLink = new TakingLink(link, node, this.#router, {
      begin: (_, giver) => this.#begin(taking, giver),
      ended: () => {
        this.#taking.delete(taking)
        if (this.#givers.get(taking.giver) === taking) this.#givers.delete(taking.giver)
      },
    })
    this.#taking.add(taking)
    return { details: encodeValue(identityForm.write(this.#identity)).slice(), handler: taking }
  }

  #begin(taking: TakingLink, giver: ShardIdentity): LinkClose | null {
    const { node } = taking
    // Who has a shard only just may be heard of later.
    const reason = disagreement(giver, this.#identity) ?? (this.#options.isAt(giver.shard, node) ? null : LINK_CLOSE.notOwner)
    if (reason !== null) {
      if (!this.#told.has(node)) this.#tell(node, giver.shard, reason)
      return reason
    }
    this.#told.delete(node)
    const before = this.#givers.get(giver.shard)
    this.#givers.set(giver.shard, taking)
    before?.link.close(LINK_CLOSE.closed)
    this.wake(giver.shard)
    return null
  }

  #tell(node: string, shard: number, reason: LinkClose): void {
    const { log } = this.#options.environment
    this.#told.add(node)
    if (reason === LINK_CLOSE.notOwner) log.info({ node, shard }, 'a node gives for a shard that it is not known to have')
    else log.error({ node, shard, reason: closeName(reason) }, 'a node can\'t give: the two are not of the same federation, or not of the same version')
  }
}
