/**
 * LevelDB by classic-level, which brings a binary for nearly every machine. Its commits, reads and trims run in Node's thread pool.
 *
 * It does not check its own checksums when it reads, and classic-level has no option for that. So every value is stored with one of
 * ours behind it, over key and value: a damaged row is an error and not somebody's message.
 */
import { crc32 } from 'node:zlib'
import { BaseEngine } from './base-engine.js'
import { isRefusedAsLocked, PROBE } from './probe.js'
import type { EngineFiles } from './base-engine.js'
import { StorageError } from './engine.js'
import type { Entry, KeyRange, ReadRange } from './engine.js'
import type { OpBatch } from './op-batch.js'
import type { ClassicLevel } from 'classic-level'

type Database = ClassicLevel<Uint8Array, Uint8Array>

const SEAL_BYTES = 4
const NO_BYTES = new Uint8Array(0)
const INT32_MAX = 0x7fff_ffff

const OPTIONS = {
  // 'view': Uint8Arrays go in as they are.
  keyEncoding: 'view',
  valueEncoding: 'view',
  passive: true,
  compression: true,
  cacheSize: 64 << 20,
  // Two memtables at most.
  writeBufferSize: 32 << 20,
  maxFileSize: 8 << 20,
} as const

export type LevelModule = typeof import('classic-level')

/** The package, or a StorageError 'engine-unavailable' that says why not. */
export async function loadLevel(): Promise<LevelModule> {
  try {
    return await import('classic-level')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new StorageError('engine-unavailable', `LevelDB does not load on this machine: ${reason ?? ''}`, { cause })
  }
}

export class LevelEngine extends BaseEngine {
  readonly name = 'leveldb'
  readonly #module: LevelModule
  readonly #directory: string
  #db: Database

  private constructor(module: LevelModule, directory: string, db: Database, files: EngineFiles) {
    super(files)
    this.#module = module
    this.#directory = directory
    this.#db = db
  }

  /** Opens the database in a directory of its own; rejects with whatever the binding threw, see `toStorageError`. */
  static async open(module: LevelModule, directory: string, files: EngineFiles): Promise<LevelEngine> {
    return new LevelEngine(module, directory, await openDatabase(module, directory, files.create), files)
  }

  /** Whether another process has it open; never to be asked where this one has. */
  static isHeld(module: LevelModule, directory: string): Promise<boolean> {
    return isRefusedAsLocked(new module.ClassicLevel(directory, PROBE))
  }

  protected async doCommit(batch: OpBatch): Promise<void> {
    const chained = this.#db.batch()
    for (let i = 0; i < batch.keys.length; i++) {
      const key = batch.keys[i]
      const value = batch.values[i]
      if (key === undefined || value === undefined) break
      if (value === null) chained.del(key)
      else chained.put(key, seal(key, value))
    }
    await chained.write({ sync: true })
  }

  protected async doGetMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const stored = await this.#db.getMany(keys as Uint8Array[])
    return stored.map((value, i) => value === undefined ? undefined : unseal(keys[i] ?? NO_BYTES, value))
  }

  protected async doRange(options: ReadRange): Promise<Entry[]> {
    const limit = Math.min(options.limit, INT32_MAX)
    const iterator = this.#db.iterator({
      gte: options.gte,
      lt: options.lt,
      reverse: options.reverse === true,
      limit,
      // The binding stops when more than this has been read, we promise to stop when as much has been.
      highWaterMarkBytes: Math.max(1, Math.min(options.bytesMax ?? INT32_MAX, INT32_MAX)) - 1,
    })
    try {
      const stored = await iterator.nextv(limit)
      return stored.map(([key, value]) => [key, unseal(key, value)])
    } finally {
      await iterator.close()
    }
  }

  protected doTrim(range: KeyRange): Promise<void> {
    return this.#db.clear({ gte: range.gte, lt: range.lt })
  }

  protected async doOpen(): Promise<void> {
    this.#db = await openDatabase(this.#module, this.#directory, false)
  }

  protected doClose(): Promise<void> {
    return this.#db.close()
  }
}

function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = Buffer.allocUnsafe(value.length + SEAL_BYTES)
  sealed.set(value)
  sealed.writeUInt32LE(crc32(value, crc32(key)), value.length)
  return sealed
}

function unseal(key: Uint8Array, stored: Uint8Array): Uint8Array {
  const length = stored.length - SEAL_BYTES
  const sealed = Buffer.from(stored.buffer, stored.byteOffset, stored.length)
  const value = sealed.subarray(0, Math.max(0, length))
  if (length < 0 || sealed.readUInt32LE(length) !== crc32(value, crc32(key))) {
    throw new StorageError('corrupt', 'a row of the store is damaged; restore the data directory from a backup')
  }
  return value
}

async function openDatabase(module: LevelModule, directory: string, create: boolean): Promise<Database> {
  const db = new module.ClassicLevel<Uint8Array, Uint8Array>(directory, { ...OPTIONS, createIfMissing: create })
  await db.open()
  return db
}
