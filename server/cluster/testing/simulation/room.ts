/** What the machines of a simulated cluster have in common. */
import type { Engine } from '../../../../storage/engine.js'
import type { World } from '../../../testing/simulation/world.js'
import type { ClusterLimits } from '../../environment.js'
import type { ClusterNode } from '../../node.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import type { ModelServer } from '../model-store.js'
import type { Machine } from './machine.js'
import type { NodePlants } from './node-plants.js'
import type { SimProcess } from './sim-process.js'

export interface Faults {
  /** Probability that a request, or its answer, is lost; that one comes twice; that it takes long. */
  readonly lost: number
  readonly doubled: number
  readonly slow: number
  /** That a commit of a disk fails, stored or not. */
  readonly disk: number
}

/** What a process does: its part in each shard, and what becomes of those that it owns. */
export interface Work {
  /** By the numbers of the shards; those that have begun. */
  readonly nodes: readonly ClusterNode[]
  /** The shard is this node's at present. */
  isOwner(shard: number): boolean
  /** Has a node give the shard to another one; null: the operator's commands are not played. */
  readonly move: ((shard: number, node: string) => void) | null
  /** Ends in order, as when the operator stops it: everything that it owns is given up. */
  close(): Promise<void>
  /** The process has died: nothing of it runs any more. */
  died(isSilent: boolean): void
}

export interface Room {
  readonly world: World
  /** The store as each shard has it, by their numbers. */
  readonly servers: readonly ModelServer[]
  /** By their names. */
  readonly machines: ReadonlyMap<string, Machine>
  readonly limits: ClusterLimits
  readonly plants: NodePlants
  readonly faults: Faults
  /** false while everything rests. */
  readonly isFaulty: boolean
  /** Nothing new is written any more. */
  readonly isQuiet: boolean
  /** The store answers nobody about these shards. */
  readonly storeAway: ReadonlySet<number>
  begin(process: SimProcess): Promise<Work>
  /** A process begins to own a shard, and has this on its disk. */
  owns(process: SimProcess, shard: number, engine: ReplicatedEngine, disk: Engine): void
  note(text: string): void
  report(error: unknown): void
}
