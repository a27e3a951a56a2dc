/** A data directory as another one with another number of shards, while no server runs on it. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { copyBlobFiles, type CopiedFiles } from '../../storage/blobs/copy-files.js'
import { StorageError } from '../../storage/engine.js'
import { makeDirectory } from '../../storage/make-directory.js'
import { openStores, type Stores } from '../../storage/open-stores.js'
import { isShardDirectory, readShardCount, writeShardCount } from '../../storage/shards-file.js'
import { markFinished, markUnfinished, refuseUnfinished } from '../../storage/unfinished.js'
import { BLOBS_FOLDER } from '../blobs/blob-storage.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import { configOf } from '../config/config.js'
import { type Log, SILENT_LOG } from '../log.js'
import { copyServerSecret } from '../session/server-secret.js'
import type { ShardEnvironment } from '../shard/environment.js'
import { shardEnvironment } from '../run/shard-environment.js'
import { partOfAnother, Refusal } from './refusal.js'
import { ShardStores } from './shard-stores.js'
import { settle } from './settle.js'
import { splitData, type SplitProgress } from './split-data.js'

export interface SplitDirectory {
  /** Entries between the old shards that had to be taken first. */
  readonly settled: number
  /** By their kinds. */
  readonly rows: ReadonlyMap<string, number>
  /** Of blobs that lay in the directory; null: there were none. */
  readonly files: CopiedFiles | null
}

export interface SplitHooks {
  readonly onProgress?: SplitProgress
  /** What shards say while they take what was under way. */
  readonly log?: Log
}

/**
 * Resolves to what was copied when the new directory is whole and on stable storage; the old one says what it said before.
 * Rejects with StorageError (in use, damaged, `to` is not empty…), ConfigError (it belongs to a cluster), and Refusal.
 */
export async function splitDirectory(directory: string, shards: number, to: string, { onProgress, log = SILENT_LOG }: SplitHooks = {}): Promise<SplitDirectory> {
  await refuseUnfinished(directory)
  if (await isShardDirectory(directory)) throw partOfAnother()
  const before = await readShardCount(directory) ?? 1
  const from = await openStores(before, { directory, engine: 'auto', create: false })
  try {
    for (const engine of from.engines) await refuseClusterData(engine, directory)
    if (before === shards) throw new Refusal(`it has as many shards already: ${String(shards)}`)
    await mustBeEmpty(to)
    const settled = await settle(new ShardStores(from.engines), settling(directory, log))
    await makeDirectory(to)
    await markUnfinished(to)
    const files = await copyBlobFiles(path.join(directory, BLOBS_FOLDER), path.join(to, BLOBS_FOLDER))
    copyServerSecret(directory, to)
    const rows = await splitInto(from, to, shards, onProgress)
    if (shards > 1) await writeShardCount(to, shards)
    await markFinished(to)
    return { settled, rows, files }
  } finally {
    await from.close()
  }
}

async function splitInto(from: Stores, directory: string, shards: number, onProgress?: SplitProgress): Promise<ReadonlyMap<string, number>> {
  const engine = from.engines[0]?.name ?? 'memory'
  if (engine === 'memory') throw new TypeError('not an engine on a disk')
  const to = await openStores(shards, { directory, engine, create: true, isUnfinished: true })
  try {
    return await splitData(new ShardStores(from.engines), new ShardStores(to.engines), onProgress)
  } finally {
    await to.close()
  }
}

/** Nobody knows here how the server is configured, so that nothing is done but what was given: no queue is cut short, nothing forgotten by its age. */
function settling(directory: string, log: Log): ShardEnvironment {
  const environment = shardEnvironment(configOf({ data: { directory } }), SYSTEM_CLOCK, log)
  return { ...environment, limits: { ...environment.limits, queueEntriesMax: Infinity, queueAgeMs: Infinity, retentionMs: 0, searchIndexAhead: false } }
}

async function mustBeEmpty(directory: string): Promise<void> {
  await refuseUnfinished(directory)
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return []
    throw error
  })
  if (names.length > 0) throw new StorageError('not-empty', `${directory} holds something already; give a new directory`)
}
