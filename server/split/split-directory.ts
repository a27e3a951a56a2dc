/** A data directory with one shard as another one with several, while no server runs on it. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { copyBlobFiles, type CopiedFiles } from '../../storage/blobs/copy-files.js'
import type { Engine } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'
import { makeDirectory } from '../../storage/make-directory.js'
import { openEngine } from '../../storage/open.js'
import { readShardCount, shardDirectory, writeShardCount } from '../../storage/shards-file.js'
import { BLOBS_FOLDER } from '../blobs/blob-storage.js'
import { evenTable } from '../channels/federation.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import { copyServerSecret } from '../session/server-secret.js'
import { Refusal } from './row-home.js'
import { splitData } from './split-data.js'

export interface SplitDirectory {
  /** By their kinds. */
  readonly rows: ReadonlyMap<string, number>
  /** Of blobs that lay in the directory; null: there were none. */
  readonly files: CopiedFiles | null
}

/**
 * Resolves to what was copied when the new directory is whole and on stable storage; the old one stays as it is.
 * Rejects with StorageError (in use, damaged, `to` is not empty…), ConfigError (it belongs to a cluster), and Refusal.
 */
export async function splitDirectory(directory: string, shards: number, to: string): Promise<SplitDirectory> {
  if (await readShardCount(directory) !== null) throw new Refusal('it holds several shards already')
  const opened: Engine[] = []
  const open = async (options: Parameters<typeof openEngine>[0]): Promise<Engine> => {
    const engine = await openEngine(options)
    opened.push(engine)
    return engine
  }
  try {
    const from = await open({ directory, engine: 'auto', create: false })
    await refuseClusterData(from, directory)
    await mustBeEmpty(to)
    await makeDirectory(to)
    const { name } = from
    if (name === 'memory') throw new TypeError('not an engine on a disk')
    const stores: Engine[] = []
    for (let shard = 0; shard < shards; shard++) stores.push(await open({ directory: shardDirectory(to, shard), engine: name, create: true }))
    const rows = await splitData(from, stores, evenTable(shards))
    const files = await copyBlobFiles(path.join(directory, BLOBS_FOLDER), path.join(to, BLOBS_FOLDER))
    copyServerSecret(directory, to)
    await writeShardCount(to, shards)
    return { rows, files }
  } finally {
    for (const engine of opened.reverse()) await engine.close()
  }
}

async function mustBeEmpty(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return []
    throw error
  })
  if (names.length > 0) throw new StorageError('not-empty', `${directory} holds something already; give a new directory`)
}
