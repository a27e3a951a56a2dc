/** What an operator sees of a cluster, as one of its nodes knows it. */
import type { NodeSeen } from './cluster-store.js'
import type { NodeReport } from './node.js'

export interface ClusterStatus {
  readonly cluster: string
  /** Where it was asked. */
  readonly node: string
  /** Those that have shown themselves of late, by name. */
  readonly nodes: readonly NodeSeen[]
  /** By number. */
  readonly shards: readonly ShardStatus[]
}

export interface ShardStatus {
  readonly shard: number
  /** '': nobody, as far as that node knows. */
  readonly owner: string
  /** Those that may take the shard. */
  readonly members: readonly string[]
  /** What each of the nodes has of it, in their order. */
  readonly nodes: readonly NodeInShard[]
}

export interface NodeInShard {
  readonly node: string
  /** 'silent': it does not answer. */
  readonly role: NodeReport['role'] | 'silent'
  /** How far it has got in the changelog, as epoch-number; '' where it is not known. */
  readonly position: string
  readonly trouble: string
  /** What is to be known of it though it takes part; '': nothing. */
  readonly notice: string
  readonly waitingFor: readonly string[]
  /** It was told to own nothing, until it is told to stay. */
  readonly isDrained: boolean
}
