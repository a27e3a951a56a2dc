/** Whether a node is one of those that follow the shard, as it was at the last look. */
import type { ShardView } from './cluster-store.js'
import type { ClusterLimits } from './environment.js'
import { isLacking, isToFollow } from './standbys.js'

export class Following {
  readonly #node: string
  readonly #shard: number
  readonly #limits: Pick<ClusterLimits, 'standbys' | 'memberAwayMs'>
  /** Since when there are fewer members than standbys are wanted; null: there are enough. */
  #lackingSinceMs: number | null = null
  #isWanted = true

  constructor(node: string, shard: number, limits: Pick<ClusterLimits, 'standbys' | 'memberAwayMs'>) {
    this.#node = node
    this.#shard = shard
    this.#limits = limits
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  /** `names`: of the nodes that have shown themselves of late. */
  look(view: ShardView, names: readonly string[], nowMs: number): void {
    const { standbys, memberAwayMs } = this.#limits
    const [node, shard] = [this.#node, this.#shard]
    const others = [...new Set([...names, node])].filter((name) => name !== view.node)
    const { members } = view
    this.#lackingSinceMs = isLacking(view.node, { others, members, standbys }) ? this.#lackingSinceMs ?? nowMs : null
    const passedOver = this.#lackingSinceMs === null ? 0 : Math.floor((nowMs - this.#lackingSinceMs) / memberAwayMs)
    this.#isWanted = standbys === 0 || view.node === node || isToFollow({ node, shard, others, members, standbys, passedOver })
  }
}
