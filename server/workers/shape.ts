/** How many shards a server has, and how many processes take its clients: from its configuration and what its data directory holds. */
import { dirname, resolve } from 'node:path'
import { readMetadata } from '../../storage/metadata.js'
import { isShardDirectory, readShardCount } from '../../storage/shards-file.js'
import { refuseUnfinished } from '../../storage/unfinished.js'
import { ConfigError } from '../config/config.js'
import type { Config } from '../config/settings.js'
import { workersOf } from './share.js'

export interface ServerShape {
  readonly shards: number
  /** 1: the process that has the shard does all. Of several shards each has a worker of its own. */
  readonly workers: number
  /** The data directory has to be made as one of several shards first. */
  readonly isNew: boolean
}

/** Of a server that stands alone. Rejects with ConfigError where the two contradict each other, and with StorageError where the directory can't be read. */
export async function readShape(config: Config): Promise<ServerShape> {
  return shapeOf(config, await heldShards(config.data.directory))
}

/** How many the data directory holds; null: it is a new one. */
async function heldShards(directory: string): Promise<number | null> {
  if (await isShardDirectory(directory)) {
    throw new ConfigError(`${directory} is one shard of several (data.directory): name the directory that has them all, ${dirname(resolve(directory))}`)
  }
  const several = await readShardCount(directory)
  // Behind what says why the directory can't be looked into.
  await refuseUnfinished(directory)
  return several ?? (await readMetadata(directory) === null ? null : 1)
}

/** `held`: shards of the data directory; null: it is a new one. Throws ConfigError. */
export function shapeOf(config: Config, held: number | null): ServerShape {
  const { directory, shards: wanted } = config.data
  const shards = held ?? wanted
  // One is what it is where nobody has said anything.
  if (wanted !== 1 && wanted !== shards) {
    const how = `split it while no server runs, with chatd split ${directory} --shards ${String(wanted)} --to ANOTHER`
    throw new ConfigError(`${directory} holds ${countOf(shards)}, not ${String(wanted)} (data.shards): ${how}`)
  }
  if (shards === 1) return { shards, workers: workersOf(config), isNew: false }
  const { workers } = config.listen
  if (workers > 1 && workers !== shards) {
    throw new ConfigError(`${directory} holds ${countOf(shards)}, each of which has a worker of its own: leave listen.workers out, or set it to ${String(shards)}`)
  }
  return { shards, workers: shards, isNew: held === null }
}

function countOf(shards: number): string {
  return shards === 1 ? 'one shard' : `${String(shards)} shards`
}
