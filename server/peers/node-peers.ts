/**
 * The shards of one process, any number of them, as they reach each other and those of other processes. Which of them it has may change
 * at any time: the process is ready for all, and serves those that are open.
 */
import type { Federation } from '../channels/federation.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LocalRouter } from '../router/local-router.js'
import { LinkPeers, type LinkPeersOptions, shardPurpose } from './link-peers.js'

export type NodePeersOptions = Omit<LinkPeersOptions, 'shard' | 'near'>

export class NodePeers {
  readonly #peers: readonly LinkPeers[]
  readonly #served = new Map<number, LocalRouter>()

  constructor(options: NodePeersOptions) {
    const near = (shard: number): LocalRouter | null => this.#served.get(shard) ?? null
    this.#peers = Array.from({ length: options.shards }, (_, shard) => new LinkPeers({ ...options, shard, near }))
  }

  /** For a LinkAcceptor. */
  get purposes(): Readonly<Record<string, LinkPurpose>> {
    return Object.fromEntries(this.#peers.map((peers, shard) => [shardPurpose(shard), peers]))
  }

  /** What a shard is opened with. */
  federationOf(shard: number): Federation {
    return this.#of(shard).federation
  }

  /** The shard is open, behind this router: see LinkPeers. */
  serve(shard: number, router: LocalRouter): void {
    this.#served.set(shard, router)
    this.#of(shard).serve(router)
    this.#tellNear(shard)
  }

  /** Before the shard closes. */
  stopServing(shard: number): void {
    if (!this.#served.delete(shard)) return
    this.#of(shard).stopServing()
    this.#tellNear(shard)
  }

  /** Whether the shard `to` is at a node of an earlier version, which can't read what the shard `from` gives. */
  isOutdated(from: number, to: number): boolean {
    return this.#of(from).isOutdated(to)
  }

  /** Shards may be in other processes than before, as `dial` and `isAt` say. */
  ownersChanged(): void {
    for (const peers of this.#peers) peers.ownersChanged()
  }

  #of(shard: number): LinkPeers {
    const peers = this.#peers[shard]
    if (peers === undefined) throw new RangeError(`there is no shard ${String(shard)}`)
    return peers
  }

  #tellNear(shard: number): void {
    for (const other of this.#served.keys()) if (other !== shard) this.#of(other).nearChanged(shard)
  }
}
