/**
 * RocksDB. The binding writes, syncs and seeks on the thread that calls it, hence two threads: one for commits and trims, one for
 * reads, which so never wait for an fsync. On the event loop a put costs its copy into the batch that is sent over.
 */
import { BaseEngine } from './base-engine.js'
import { isRefusedAsLocked, PROBE } from './probe.js'
import type { EngineFiles } from './base-engine.js'
import type { Entry, KeyRange, ReadRange } from './engine.js'
import type { OpBatch } from './op-batch.js'
import type { RocksDatabase, RocksModule } from './rocks-binding.js'
import { eachRow, unpackEntries } from './rocks-messages.js'
import { RocksThread } from './rocks-thread.js'
import { RocksWriter } from './rocks-writer.js'

const INT32_MAX = 0x7fff_ffff

const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  passive: true,
  // Levelled compaction with no compression in the two youngest levels, zstd below. A memtable is a quarter of the budget, six of them
  // at most before writers wait: 96 MiB.
  compaction: 'level',
  memtableMemoryBudget: 64 << 20,
  compression: true,
  cacheSize: 64 << 20,
  // Bodies may be encrypted by the clients: compressing each record of the write-ahead log costs CPU and saves nothing.
  walCompression: false,
  // No `infoLogLevel`: then the binding writes no log at all.
} as const

interface Parts {
  readonly db: RocksDatabase
  readonly writer: RocksWriter
  readonly reader: RocksThread
}

export class RocksEngine extends BaseEngine {
  readonly name = 'rocksdb'
  readonly #module: RocksModule
  readonly #directory: string
  #parts: Parts

  private constructor(module: RocksModule, directory: string, parts: Parts, files: EngineFiles) {
    super(files)
    this.#module = module
    this.#directory = directory
    this.#parts = parts
  }

  /** Opens the database in a directory of its own; rejects with whatever the binding threw, see `toStorageError`. */
  static async open(module: RocksModule, directory: string, files: EngineFiles): Promise<RocksEngine> {
    return new RocksEngine(module, directory, await openParts(module, directory, files.create), files)
  }

  /** Whether another process has it open; never to be asked where this one has. */
  static isHeld(module: RocksModule, directory: string): Promise<boolean> {
    return isRefusedAsLocked(new module.RocksLevel(directory, PROBE))
  }

  protected async doCommit(batch: OpBatch): Promise<void> {
    await this.#parts.writer.commit(batch)
  }

  protected async doGetMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const answer = await this.#parts.reader.request({ kind: 'get', keys: keys.map(sendable) })
    const values: (Uint8Array | undefined)[] = []
    if (answer.rows !== null) eachRow(answer.rows, answer.count, (_, value) => { values.push(value ?? undefined) })
    return values
  }

  protected async doRange(options: ReadRange): Promise<Entry[]> {
    const answer = await this.#parts.reader.request({
      kind: 'range',
      gte: sendable(options.gte),
      lt: sendable(options.lt),
      reverse: options.reverse === true,
      limit: Math.min(options.limit, INT32_MAX),
      bytesMax: Math.max(1, Math.min(options.bytesMax ?? INT32_MAX, INT32_MAX)),
    })
    return answer.rows === null ? [] : unpackEntries(answer.rows, answer.count)
  }

  protected async doTrim(range: KeyRange): Promise<void> {
    await this.#parts.writer.trim(sendable(range.gte), sendable(range.lt))
  }

  protected async doOpen(): Promise<void> {
    this.#parts = await openParts(this.#module, this.#directory, false)
  }

  protected async doClose(): Promise<void> {
    await closeParts(this.#parts)
  }
}

/** A key with memory of its own: a message carries the whole memory behind a view, and small Buffers share 8 KiB. */
function sendable(key: Uint8Array): Uint8Array {
  return new Uint8Array(key)
}

async function openParts(module: RocksModule, directory: string, create: boolean): Promise<Parts> {
  const db = new module.RocksLevel(directory, { ...OPTIONS, createIfMissing: create })
  await db.open()
  return { db, writer: new RocksWriter(db.handle), reader: new RocksThread('store-reader', { handle: db.handle }) }
}

/** Threads first: they hold the address of the database. */
async function closeParts(parts: Parts): Promise<void> {
  await Promise.all([parts.writer.stop(), parts.reader.stop()])
  await parts.db.close()
}
