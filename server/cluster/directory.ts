/** Who owns a shard, and which nodes there are, as this node last heard it. It tells of changes; it decides nothing. */
import type { NodeSeen, ShardView } from './cluster-store.js'

export interface ShardOwner {
  readonly node: string
  /** How its links are reached. */
  readonly address: string
  /** Never falls, but for a store that has lost its data and was not there for the end of an ownership. */
  readonly epoch: number
}

export interface DirectoryView {
  /** null: nobody, as far as is known. */
  readonly owner: ShardOwner | null
  /** Whether that is this node. */
  readonly isSelf: boolean
}

export class Directory {
  readonly #node: string
  readonly #listeners = new Set<(view: DirectoryView) => void>()
  #view: DirectoryView = { owner: null, isSelf: false }
  #nodes: readonly NodeSeen[] = []
  #shard: ShardView | null = null

  constructor(node: string) {
    this.#node = node
  }

  get view(): DirectoryView {
    return this.#view
  }

  /** Those that have shown themselves of late, this one too. */
  get nodes(): readonly NodeSeen[] {
    return this.#nodes
  }

  /** What the store last said; null: nothing yet. For reports. */
  get shard(): ShardView | null {
    return this.#shard
  }

  /** Called with each new view, in the turn in which it came. Returns what takes the listener away. */
  onChange(listener: (view: DirectoryView) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** What the store said. What this node knows of itself is better (`ownedBySelf`), so of itself it is not believed. */
  saw(shard: ShardView): void {
    this.#shard = shard
    if (this.#view.isSelf) return
    const isOwned = shard.leaseMs !== null && shard.node !== '' && shard.node !== this.#node
    this.#set(isOwned ? { node: shard.node, address: shard.address, epoch: shard.epoch } : null, false)
  }

  sawNodes(nodes: readonly NodeSeen[]): void {
    this.#nodes = nodes
  }

  /** This node serves the shard from now on. */
  ownedBySelf(address: string, epoch: number): void {
    this.#set({ node: this.#node, address, epoch }, true)
  }

  /** It does not any more. */
  lost(): void {
    if (this.#view.isSelf) this.#set(null, false)
  }

  #set(owner: ShardOwner | null, isSelf: boolean): void {
    const { owner: before } = this.#view
    if (isSelf === this.#view.isSelf && before?.epoch === owner?.epoch && before?.node === owner?.node && before?.address === owner?.address) return
    this.#view = { owner, isSelf }
    for (const listener of [...this.#listeners]) listener(this.#view)
  }
}
