/** The operator stops the server, with whatever was under way, and gives it another number of shards. */
import { MemoryEngine } from '../../../storage/memory-engine.js'
import { SYSTEM_CLOCK } from '../../clock.js'
import { configOf } from '../../config/config.js'
import { SILENT_LOG } from '../../log.js'
import { shardEnvironment } from '../../run/shard-environment.js'
import { settle } from '../../split/settle.js'
import { ShardStores } from '../../split/shard-stores.js'
import { splitData } from '../../split/split-data.js'
import { Disk } from './disk.js'
import type { World } from './world.js'

type TableOf = (shards: number) => (slot: number) => number

export interface Reshard {
  /** They hold what was on the others. */
  readonly disks: readonly Disk[]
  /** Entries that were between the shards. */
  readonly settled: number
}

/** It takes no time. */
export async function reshard(world: World, disks: readonly Disk[], shards: number, tableOf: TableOf): Promise<Reshard> {
  const from = new ShardStores(disks.map(({ stored }) => stored.copy()), tableOf(disks.length))
  // What shards ask each other for is there at once: nothing of the simulated world runs meanwhile.
  const environment = shardEnvironment(configOf({}), SYSTEM_CLOCK, SILENT_LOG)
  const settled = await settle(from, { ...environment, clock: world })
  const engines = Array.from({ length: shards }, () => new MemoryEngine())
  await splitData(from, new ShardStores(engines, tableOf(shards)))
  const [{ faults, blobs }] = disks as [Disk]
  return { disks: engines.map((engine) => new Disk(world, faults, blobs, engine)), settled }
}
