/** The data directory: which engine it holds, in which format, and who has it open. */
import { StorageError } from './engine.js'
import type { Engine } from './engine.js'

/** The format of keys and rows; a program opens its own and older ones. */
export const STORE_FORMAT = 1

export interface OpenOptions {
  /** The data directory; made when `create` is set and it is missing. */
  readonly directory: string
  /** 'auto': what the directory holds; for a new one RocksDB where its binary loads, otherwise LevelDB. */
  readonly engine: 'auto' | 'rocksdb' | 'leveldb'
  /** Whether a directory without a store gets one; otherwise that is refused with 'not-found'. */
  readonly create: boolean
}

/**
 * Opens the store of a data directory, which then belongs to this process until `close` (or its death, however it dies).
 * Rejects with a StorageError whose message tells the operator what to do.
 */
export function openEngine(options: OpenOptions): Promise<Engine> {
  return Promise.reject(new StorageError('engine-unavailable', `not yet: ${options.engine}`))
}
