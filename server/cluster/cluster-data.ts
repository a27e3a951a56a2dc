/** A data directory that has been part of a cluster is written by a node of it alone: anything else would part it from its changelog. */
import type { Engine } from '../../storage/engine.js'
import { everything } from '../../storage/owner-keys.js'
import { ConfigError } from '../config/config.js'
import { MEMBERS_KEY, readState, STATE_KEY } from './shard-rows.js'

/** Rejects with ConfigError where the data belongs to a cluster, and with StorageError where it can't be read. */
export async function refuseClusterData(engine: Engine, directory: string): Promise<void> {
  if (await readState(engine) === null) return
  throw new ConfigError(`${directory} belongs to a node of a cluster: start it with its cluster settings, or take the data out of the cluster for good with chatd cluster leave --data ${directory}`)
}

/**
 * The data, with a store for each shard, is that of a server which stands alone from now on; the cluster goes on without it. false: it was in none.
 * Rejects with StorageError, and with ConfigError where the node has not got all of it.
 */
export async function leaveCluster(engines: readonly Engine[], directory: string): Promise<boolean> {
  const states = await Promise.all(engines.map(readState))
  if (states.every((state) => state === null)) return false
  const areEmpty = await Promise.all(engines.map(isEmpty))
  // What has rows and no place in a changelog has left already, when this was begun before.
  const partial = [...states.keys()].filter((shard) => states[shard] === null ? areEmpty[shard] === true : states[shard]?.copy !== null)
  if (partial.length > 0) {
    const which = engines.length === 1 ? 'its shard' : `shard ${partial.join(', ')}`
    throw new ConfigError(`${directory} has no whole copy of ${which}: take the data of a node that has, which chatd cluster status calls owner or standby of every shard`)
  }
  // So that what is left of it after a crash is known: those last that don't show that they have left.
  for (const shard of [...states.keys()].sort((one, other) => Number(areEmpty[one]) - Number(areEmpty[other]))) {
    const engine = engines[shard]!
    const batch = engine.batch()
    batch.delete(STATE_KEY)
    batch.delete(MEMBERS_KEY)
    await engine.commit(batch)
  }
  return true
}

/** But for what the cluster keeps. */
async function isEmpty(engine: Engine): Promise<boolean> {
  const rows = await engine.range({ ...everything(), limit: 3 })
  return rows.every(([key]) => STATE_KEY.equals(key) || MEMBERS_KEY.equals(key))
}
