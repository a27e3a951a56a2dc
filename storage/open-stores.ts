/** All stores of a data directory, whether it holds one shard or several. */
import type { Engine } from './engine.js'
import { openEngine, type OpenOptions } from './open.js'
import { storeDirectories } from './shards-file.js'

export interface Stores {
  /** By the numbers of the shards. */
  readonly engines: readonly Engine[]
  close(): Promise<void>
}

/** Rejects as `openEngine`, with none of them open. */
export async function openStores(shards: number, { directory, ...options }: OpenOptions): Promise<Stores> {
  const engines: Engine[] = []
  const close = async (): Promise<void> => {
    for (const engine of engines.splice(0)) await engine.close()
  }
  try {
    for (const each of storeDirectories(directory, shards)) engines.push(await openEngine({ directory: each, ...options }))
  } catch (error) {
    await close()
    throw error
  }
  return { engines: [...engines], close }
}
