/**
 * The one small interface between chatd and an ordered key-value engine. Keys and values are opaque bytes; keys are ordered
 * bytewise. Everything a shard writes goes through `commit`: one atomic, synced batch.
 */

/** Operations to be applied as one. Keys and values are not copied: leave them alone until the commit has settled. */
export interface Batch {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  /** Operations so far. */
  readonly size: number
  /** Of all keys and values so far. */
  readonly bytes: number
}

export interface KeyRange {
  /** First key. */
  readonly gte: Uint8Array
  /** First key after the range. */
  readonly lt: Uint8Array
}

export interface ReadRange extends KeyRange {
  /** From the end. */
  readonly reverse?: boolean
  /** Entries at most. */
  readonly limit: number
  /**
   * Stop once keys and values together reach this, give or take what the engine stores with them; at least one entry is returned if
   * there is one.
   */
  readonly bytesMax?: number
}

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

export interface Engine {
  readonly name: 'rocksdb' | 'leveldb' | 'memory'
  batch(): Batch
  /**
   * Applies the batch atomically and syncs it to stable storage before it resolves. Rejects with a StorageError: then the batch may
   * or may not be on disk, and the engine accepts no further commit until `reopen`.
   */
  commit(batch: Batch): Promise<void>
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  /** Values in the order of the keys. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>
  /** One bounded page of a range, from one consistent snapshot. The entries of a page may share memory; don't change them. */
  range(options: ReadRange): Promise<Entry[]>
  /** Deletes a whole range, in steps; neither atomic nor synced: only for what nobody needs any more. */
  trim(range: KeyRange): Promise<void>
  /** Closes and opens again after a failed commit; rejects as long as the fault lasts. */
  reopen(): Promise<void>
  /** Waits for the commit and the reads under way, refuses commits queued behind, and gives the data directory free. */
  close(): Promise<void>
}

export type StorageErrorCode =
  /** There is no store in the directory, and none was to be made. */
  | 'not-found'
  /** Another process holds the data directory. */
  | 'locked'
  /** The data directory belongs to another engine. */
  | 'wrong-engine'
  /** The data directory has a newer format than this program. */
  | 'newer-format'
  /** The data directory holds the stores of several shards. */
  | 'several-shards'
  /** No space left. */
  | 'disk-full'
  /** The directory or its file system can't be written. */
  | 'read-only'
  /** The place to copy to holds data already. */
  | 'not-empty'
  /** A file is damaged or missing. */
  | 'corrupt'
  /** The engine's binary does not load on this machine. */
  | 'engine-unavailable'
  /** The engine is closed, or refuses after a failed commit. */
  | 'closed'
  /** What is stored belongs to somebody else from now on: this engine reads and writes nothing any more, and `reopen` changes nothing. */
  | 'lost'
  /** Any other failure to read or write; see cause. */
  | 'io'

/** Whatever goes wrong in the store; `code` says what, the message what to do about it. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  constructor(code: StorageErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}
