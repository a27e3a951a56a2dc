/** The stores of all shards of a server, one or several, and which of them is home to whom. */
import type { Engine } from '../../storage/engine.js'
import { evenTable, homeOf } from '../channels/federation.js'

export class ShardStores {
  /** By the numbers of the shards. */
  readonly engines: readonly Engine[]
  readonly shardOf: (slot: number) => number

  constructor(engines: readonly Engine[], shardOf = evenTable(engines.length)) {
    this.engines = engines
    this.shardOf = shardOf
  }

  get count(): number {
    return this.engines.length
  }

  /** It has no others to tell anything, and keeps it in fewer rows. */
  get isOne(): boolean {
    return this.count === 1
  }

  homeOf(name: string): number {
    return homeOf(this, name)
  }

  at(name: string): Engine {
    const engine = this.engines[this.homeOf(name)]
    if (engine === undefined) throw new TypeError('there is a store for each shard')
    return engine
  }
}
