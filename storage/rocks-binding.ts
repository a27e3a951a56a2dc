/** The part of @nxtedition/rocksdb that is used here; the package brings no types and may be missing. */
import { StorageError } from './engine.js'

export interface RocksDatabase {
  /** Native address of the database, for another RocksLevel of this process. */
  readonly handle: bigint
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Synchronous. The asynchronous `getMany` throws into the void when it comes upon a damaged block: an uncaught exception, and a
   * promise that never settles.
   */
  _getManySync(keys: readonly Uint8Array[], options: { valueEncoding: 'buffer' }): (Buffer | undefined)[]
  batch(): RocksBatch
  /** Without a limit one range tombstone, with it a tombstone for each key. Synchronous inside. */
  clear(options: { gte: Uint8Array; lt: Uint8Array; limit?: number }): Promise<void>
  /** Synchronous: seeks and reads before it returns. Rows are key, value, key, value … */
  querySync(options: RocksQuery): { rows: Buffer[]; finished: boolean }
}

/** The calls behind the public ones, which check and count what we have checked and write in the same way. */
export interface RocksBatch {
  _put(key: Uint8Array, value: Uint8Array): void
  _del(key: Uint8Array): void
  /** Empties it and keeps its memory. */
  _clear(): void
  /** Fsync included. Throws the engine's error. */
  _writeSync(options: { sync: boolean }): void
}

export interface RocksQuery {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
  readonly reverse: boolean
  readonly limit: number
  /** Stops behind the row that goes beyond it. */
  readonly highWaterMarkBytes: number
  readonly keyEncoding: 'buffer'
  readonly valueEncoding: 'buffer'
}

export interface RocksModule {
  readonly RocksLevel: new (location: string | bigint, options: Readonly<Record<string, unknown>>) => RocksDatabase
}

/** The package, or a StorageError 'engine-unavailable' that says why not. */
export async function loadRocks(name = '@nxtedition/rocksdb'): Promise<RocksModule> {
  try {
    const module = await import(name) as { default: RocksModule }
    return module.default
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new StorageError('engine-unavailable', `RocksDB does not load on this machine: ${reason ?? ''}`, { cause })
  }
}
