/** A data directory that has been part of a cluster is written by a node of it alone: anything else would part it from its changelog. */
import type { Engine } from '../../storage/engine.js'
import { ConfigError } from '../config/config.js'
import { MEMBERS_KEY, readState, STATE_KEY } from './shard-rows.js'

/** Rejects with ConfigError where the data belongs to a cluster, and with StorageError where it can't be read. */
export async function refuseClusterData(engine: Engine, directory: string): Promise<void> {
  if (await readState(engine) === null) return
  throw new ConfigError(`${directory} belongs to a node of a cluster: start it with its cluster settings, or take the data out of the cluster for good with chatd cluster leave --data ${directory}`)
}

/** The data is that of a server which stands alone from now on; the cluster goes on without it. false: it was in none. Rejects with StorageError. */
export async function leaveCluster(engine: Engine): Promise<boolean> {
  const state = await readState(engine)
  if (state === null) return false
  const batch = engine.batch()
  batch.delete(STATE_KEY)
  batch.delete(MEMBERS_KEY)
  await engine.commit(batch)
  return true
}
