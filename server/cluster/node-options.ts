/** What a node of a cluster is given, for its part in one shard. */
import type { Engine } from '../../storage/engine.js'
import type { ClusterStore } from './cluster-store.js'
import type { ClusterEnvironment, ClusterLimits } from './environment.js'
import type { LossReason } from './owner-log.js'
import type { ReplicatedEngine } from './replicated-engine.js'
import type { CopySource } from './standby.js'

export interface ClusterNodeOptions {
  /** The node's name, unique in the cluster and the same after a restart. */
  readonly node: string
  /** How other nodes reach its links. */
  readonly address: string
  readonly version: string
  /** Random, of this process: the same for all its shards. Of two with one name it tells which is which. */
  readonly life: string
  readonly shard: number
  readonly engine: Engine
  readonly store: ClusterStore
  readonly environment: ClusterEnvironment
  readonly limits: ClusterLimits
  readonly copySource: CopySource
  /** What is wrong with the shard while it is this node's; '': nothing. Not given: nothing ever is. */
  readonly trouble?: () => string
  /** What an operator should know of the shard while it is this node's, though it serves; '': nothing. Not given: there is never anything. */
  readonly notice?: () => string
  /** The shard is this node's. `epoch`: higher than whatever an earlier owner was told here. */
  readonly onOwner: (engine: ReplicatedEngine, epoch: number) => void | Promise<void>
  /** It is not any more; with 'resigned' it is for as long as the promise takes. */
  readonly onLost: (reason: LossReason) => void | Promise<void>
}
