/**
 * The other shards, each in a process of its own, as one shard sees them: a link to each of them for what this one gives and asks, and one
 * from each for what it is given and asked. See spec/links.md, 20 to 25.
 *
 * In which order: `serve` when the shard is open; a link that comes before is told `notOwner` and tries again. `stopServing` before it closes.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Federation, Peers } from '../channels/federation.js'
import { encodeValue } from '../link/call-codec.js'
import type { LinkIdentity } from '../link/handshake.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { LinkError, openLink } from '../link/open-link.js'
import type { Transport } from '../listeners/transport.js'
import type { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import { GivingLink } from './giving-link.js'
import { GivingRoute } from './giving-route.js'
import { disagreement, identityForm, identityOf, type ShardIdentity } from './shard-identity.js'
import { readIdentity, TakingLink } from './taking-link.js'

/** What such links are for, in hello. */
export const SHARDS_PURPOSE = 'shards'

export interface LinkPeersOptions extends Omit<Federation, 'peers'> {
  /** Who this process is at links. */
  readonly identity: LinkIdentity
  readonly environment: LinkEnvironment
  /** For jitter: from 0 up to, without, 1. */
  readonly random: () => number
  /** Connects to the process that has that shard, which is to be the node of this name. Rejects with LinkError. */
  readonly dial: (shard: number) => Promise<{ readonly transport: Transport, readonly node: string }>
  /** Whether the node of this name may speak for that shard. */
  readonly isAt: (shard: number, node: string) => boolean
}

export class LinkPeers implements LinkPurpose {
  readonly federation: Federation
  readonly #options: LinkPeersOptions
  readonly #identity: ShardIdentity
  readonly #routes = new Map<number, GivingRoute>()
  /** All of them, and by the shard that gives, the latest. */
  readonly #taking = new Set<TakingLink>()
  readonly #givers = new Map<number, TakingLink>()
  /** Nodes of which the log says already that they mean other shards. */
  readonly #told = new Set<string>()
  #router: LocalRouter | null = null

  constructor(options: LinkPeersOptions) {
    this.#options = options
    this.#identity = identityOf(options)
    const { shard, shards, shardOf, limits, environment, random } = options
    this.federation = { shard, shards, shardOf, limits, peers: this.#peers() }
    for (let other = 0; other < shards; other++) {
      if (other !== shard) this.#routes.set(other, new GivingRoute({ shard: other, open: () => this.#open(other), environment, random }))
    }
  }

  /** The shard is open, behind this router: others are dialled and taken from now on. */
  serve(router: LocalRouter): void {
    this.#router = router
    for (const route of this.#routes.values()) route.start()
  }

  /** Ends all links, and dials and takes no more. */
  stopServing(): void {
    this.#router = null
    for (const route of this.#routes.values()) route.stop()
    for (const taking of [...this.#taking]) taking.link.close(LINK_CLOSE.notOwner)
  }

  /** The process of that shard is there: it is dialled now, where it had to wait. */
  wake(shard: number): void {
    this.#routes.get(shard)?.wake()
  }

  #peers(): Peers {
    const linkTo = (shard: number): GivingLink | null => this.#routes.get(shard)?.link ?? null
    return {
      offer: (to, first, entries) => linkTo(to)?.offer(first, entries) ?? false,
      confirm: (to, cursor, again) => { this.#givers.get(to)?.confirm(cursor, again) },
      ask: (of, name, ...args) => linkTo(of)?.ask(name, args) ?? Promise.reject(new RouterError(ERROR.unavailable, 'a shard is not reached')),
      tell: (to, name, ...args) => { linkTo(to)?.tell(name, args) },
      isReached: (shard) => linkTo(shard) !== null,
    }
  }

  // ——— Giving ———

  async #open(shard: number): Promise<GivingLink> {
    const { dial, identity, environment, limits } = this.#options
    const { transport, node } = await dial(shard)
    return openLink(transport, identity, { expects: node, purpose: SHARDS_PURPOSE }, environment, ({ link, details }) => {
      const taker = readIdentity(details)
      const reason = taker?.shard === shard ? disagreement(this.#identity, taker) : LINK_CLOSE.otherShards
      if (reason !== null) {
        link.close(reason)
        throw new LinkError(reason)
      }
      return new GivingLink(link, this.#identity, 2 * limits.windowBytes, {
        greeted: (cursor) => { this.#router?.shard.channels?.greeted(shard, cursor) },
        confirmed: (cursor, again) => { this.#router?.shard.channels?.confirmed(shard, cursor, again) },
      })
    })
  }

  // ——— Taking ———

  open(link: LinkConnection, node: string): { details: Uint8Array, handler: LinkHandler } | LinkClose {
    if (this.#router === null) return LINK_CLOSE.notOwner
    const taking: TakingLink = new TakingLink(link, this.#router, {
      begin: (_, giver) => this.#begin(taking, giver, node),
      ended: () => {
        this.#taking.delete(taking)
        if (this.#givers.get(taking.giver) === taking) this.#givers.delete(taking.giver)
      },
    })
    this.#taking.add(taking)
    return { details: encodeValue(identityForm.write(this.#identity)).slice(), handler: taking }
  }

  #begin(taking: TakingLink, giver: ShardIdentity, node: string): LinkClose | null {
    const reason = this.#options.isAt(giver.shard, node) ? disagreement(giver, this.#identity) : LINK_CLOSE.otherShards
    if (reason !== null) {
      if (!this.#told.has(node)) this.#options.environment.log.error({ node, shard: giver.shard }, 'a node gives for a shard that it can\'t be')
      this.#told.add(node)
      return reason
    }
    this.#told.delete(node)
    const before = this.#givers.get(giver.shard)
    this.#givers.set(giver.shard, taking)
    before?.link.close(LINK_CLOSE.closed)
    this.wake(giver.shard)
    return null
  }
}
