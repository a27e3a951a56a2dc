/**
 * A storage in a directory of the file system: a journal of batches, each with its checksum, written in one go and synced before
 * `apply` resolves. It is written anew as a snapshot when it has grown far beyond what it holds.
 *
 *     journal := record*        record := payload bytes (u32 LE), CRC-32 of the payload (u32 LE), payload: JSON of StorageChange[]
 *
 * A crash may tear the last record, which was then never reported as stored: it is cut off at load time. Damage anywhere else is an
 * error, for what was acknowledged could be missing. The directory is for its owner alone, because it holds the token.
 */
import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { localError } from './client-error.js'
import { LockedError, lockFile } from './file-lock-node.js'
import { syncDirectory, writeAll } from './file-writing-node.js'
import { makeDirectory } from './make-directory-node.js'
import { applyChanges, copyState, emptyState, snapshotOf } from './state.js'
import type { ClientStorage, MutableState, StorageChange } from './state.js'
import { decodeChanges, encodeChanges } from './storage-json.js'

const LOCK = 'lock'
const JOURNAL = 'journal'
const JOURNAL_NEW = 'journal.new'
const HEADER_BYTES = 8
const PAYLOAD_START = '[{"kind":'
/** Smaller journals are not worth a snapshot. */
const COMPACT_FROM_BYTES = 1 << 20
/** A snapshot is due when the journal is this many times as long as the last one was. */
const COMPACT_RATIO = 4

/** The storage in `directory`, which is made if it does not exist. Nothing is opened before `load`. */
export function fileStorage(directory: string): ClientStorage {
  return new FileStorage(directory, COMPACT_FROM_BYTES)
}

/** For tests: as fileStorage, with a snapshot from so many bytes on. */
export function fileStorageWithCompaction(directory: string, compactFromBytes: number): ClientStorage {
  return new FileStorage(directory, compactFromBytes)
}

class FileStorage implements ClientStorage {
  readonly #directory: string
  readonly #compactFromBytes: number
  readonly #state: MutableState = emptyState()
  #unlock: (() => Promise<void>) | null = null
  #journal: FileHandle | null = null
  #size = 0
  #snapshotSize = 0
  /** A write failed: what the file holds is not known any more. */
  #isBroken = false

  constructor(directory: string, compactFromBytes: number) {
    this.#directory = directory
    this.#compactFromBytes = compactFromBytes
  }

  async load(): Promise<MutableState> {
    await makeDirectory(this.#directory)
    this.#unlock = await lockFile(join(this.#directory, LOCK)).catch((error: unknown) => {
      throw error instanceof LockedError ? localError('storage-locked', `the storage ${this.#directory} is in use by ${error.holder}`) : error
    })
    try {
      const path = join(this.#directory, JOURNAL)
      // A snapshot that was not finished: the journal still holds everything.
      await unlink(join(this.#directory, JOURNAL_NEW)).catch(ignoreMissing)
      this.#journal = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
      await syncDirectory(this.#directory)
      await this.#replay(this.#journal, path)
    } catch (error) {
      await this.close()
      throw error
    }
    return copyState(this.#state)
  }

  async apply(changes: readonly StorageChange[]): Promise<void> {
    const journal = this.#journal
    if (journal === null || this.#isBroken) throw localError('storage-failed', `the storage ${this.#directory} is closed`)
    const record = encodeRecord(changes)
    try {
      await writeAll(journal, record, this.#size)
      await journal.datasync()
    } catch (error) {
      this.#isBroken = true
      throw localError('storage-failed', `the storage ${this.#directory} could not write`, error)
    }
    this.#size += record.length
    applyChanges(this.#state, changes)
    if (this.#size >= Math.max(this.#compactFromBytes, this.#snapshotSize * COMPACT_RATIO)) await this.#compact()
  }

  async close(): Promise<void> {
    const journal = this.#journal
    const unlock = this.#unlock
    this.#journal = null
    this.#unlock = null
    await journal?.close()
    await unlock?.()
  }

  async #replay(journal: FileHandle, path: string): Promise<void> {
    const bytes = await journal.readFile()
    let position = 0
    while (position < bytes.length) {
      const end = recordEnd(bytes, position)
      const changes = end < 0 ? null : decodeChanges(bytes.toString('utf8', position + HEADER_BYTES, end))
      if (changes === null) {
        if (!isTorn(bytes, position) || hasRecordBehind(bytes, position)) throw localError('storage-damaged', `${path} is damaged at byte ${position}`)
        break
      }
      applyChanges(this.#state, changes)
      position = end
    }
    if (position < bytes.length) {
      await journal.truncate(position)
      await journal.sync()
    }
    this.#size = position
    this.#snapshotSize = 0
  }

  /** The old journal stays valid until the new one has its name. */
  async #compact(): Promise<void> {
    const path = join(this.#directory, JOURNAL_NEW)
    const record = encodeRecord(snapshotOf(this.#state))
    try {
      const next = await open(path, 'w', 0o600)
      try {
        await writeAll(next, record, 0)
        await next.sync()
        await rename(path, join(this.#directory, JOURNAL))
        await syncDirectory(this.#directory)
      } catch (error) {
        await next.close()
        throw error
      }
      await this.#journal?.close()
      this.#journal = next
    } catch (error) {
      this.#isBroken = true
      throw localError('storage-failed', `the storage ${this.#directory} could not write a snapshot`, error)
    }
    this.#size = record.length
    this.#snapshotSize = record.length
  }
}

function encodeRecord(changes: readonly StorageChange[]): Buffer {
  const payload = Buffer.from(encodeChanges(changes))
  const record = Buffer.allocUnsafe(HEADER_BYTES + payload.length)
  record.writeUInt32LE(payload.length, 0)
  record.writeUInt32LE(crc32(payload), 4)
  payload.copy(record, HEADER_BYTES)
  return record
}

/** The end of the record at `position`; -1 if it is not whole. */
function recordEnd(bytes: Buffer, position: number): number {
  if (bytes.length - position < HEADER_BYTES) return -1
  const end = position + HEADER_BYTES + bytes.readUInt32LE(position)
  if (end > bytes.length) return -1
  return crc32(bytes.subarray(position + HEADER_BYTES, end)) === bytes.readUInt32LE(position + 4) ? end : -1
}

/** Whether what lies at `position` can be the last write, torn: cut short, not all on disk, or a file extended with zeros. */
function isTorn(bytes: Buffer, position: number): boolean {
  if (bytes.length - position < HEADER_BYTES) return true
  const end = position + HEADER_BYTES + bytes.readUInt32LE(position)
  return end >= bytes.length || bytes.subarray(position).every((byte) => byte === 0)
}

/**
 * Whether a whole record lies behind the broken one: then it was not the last write. Records are JSON arrays of objects, so few places
 * need the checksum.
 */
function hasRecordBehind(bytes: Buffer, position: number): boolean {
  let start = bytes.indexOf(PAYLOAD_START, position + HEADER_BYTES + 1)
  while (start >= 0) {
    if (start - HEADER_BYTES > position && recordEnd(bytes, start - HEADER_BYTES) > 0) return true
    start = bytes.indexOf(PAYLOAD_START, start + 1)
  }
  return false
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
