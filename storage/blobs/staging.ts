/**
 * Where uploads lie until they are whole: one file for each in `<directory>/uploads`, on the local disk whatever store the finished blobs
 * go to. What an uploader has been told that we have is on stable storage, so it goes on from there after a crash of the machine.
 */
import { constants } from 'node:fs'
import { lstat, open, readdir, statfs, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { makeDirectory } from '../make-directory.js'
import { syncDirectory } from '../sync-directory.js'
import { errnoOf, toBlobError } from './blob-error.js'
import { BlobError } from './blob-store.js'
import { openRegularFile, readFileRange } from './file-range.js'
import { inSyncTurn } from './sync-turn.js'

const UPLOAD_ID = /^[0-9a-f]{32}$/

/** What has become of an append; `size` is what the file has now, on stable storage, unless another writer is at it. */
export interface Appended {
  readonly size: number
  readonly outcome:
    /** All of the source is there. */
    | 'complete'
    /** The source had more than fits; the file has `sizeMax` bytes. */
    | 'too-long'
    /** The source failed, see `cause`. What it had given is there. */
    | 'broken'
    /** The signal said so. What the source had given is there. */
    | 'aborted'
    /** Nothing was written: the file's size is not the offset. */
    | 'wrong-offset'
    /** Nothing was written: another append to this upload has not ended. Its size is what was on stable storage when it began. */
    | 'busy'
  readonly cause?: unknown
}

export interface StagedUpload {
  readonly id: string
  /** In bytes. */
  readonly size: number
  /** When something was last written to it, in milliseconds since 1970. */
  readonly modifiedMs: number
}

export class Staging {
  readonly #directory: string
  // Writers under way, and the size that their file had before them.
  readonly #writers = new Map<string, number>()
  readonly #appends = new Map<string, AbortController>()
  /** Made by this process, and their names may not be on stable storage yet. */
  readonly #unnamed = new Set<string>()

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Makes `<directory>/uploads` where it is missing; what lies there stays. Rejects with a BlobError. */
  static async open(directory: string): Promise<Staging> {
    const uploads = path.join(path.resolve(directory), 'uploads')
    try {
      await makeDirectory(uploads)
      if (!(await lstat(uploads)).isDirectory()) {
        throw new BlobError('denied', `${uploads} has to be a folder, and is a symbolic link or a file; remove it`)
      }
      // Files that an earlier process made and did not live to sync.
      await syncDirectory(uploads)
      await syncDirectory(path.dirname(uploads))
    } catch (error) {
      throw toBlobError(error, `the directory of uploads ${uploads} cannot be opened`)
    }
    return new Staging(uploads)
  }

  /**
   * Writes what comes from the source behind the first `offset` bytes, which must be what the file has, until the source ends or the file
   * has `sizeMax`. Resolves when that is on stable storage. A source that breaks leaves what it gave; it is no error here. An upload
   * begins with an append at 0. Each chunk is written before the next is asked for. Readables are not destroyed: theirs is the answer to
   * who sends them.
   *
   * Rejects with a BlobError if the disk fails: after 'no-space' what reached the disk is kept, otherwise the file is taken back to
   * `offset`, for it is unknown what the disk has of the rest; `size` tells. A source that gives no bytes is a TypeError.
   */
  async append(id: string, offset: number, source: AsyncIterable<Uint8Array>, sizeMax: number, signal?: AbortSignal): Promise<Appended> {
    assertUploadId(id)
    if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(sizeMax) || sizeMax < offset) {
      throw new TypeError(`cannot write from ${offset} up to ${sizeMax}`)
    }
    const before = this.#writers.get(id)
    if (before !== undefined) return { size: before, outcome: 'busy' }
    this.#writers.set(id, offset)
    const ending = new AbortController()
    const abort = (): void => { ending.abort() }
    this.#appends.set(id, ending)
    if (signal?.aborted === true) abort()
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return await this.#append(id, offset, source, sizeMax, ending.signal)
    } catch (error) {
      throw error instanceof TypeError ? error : toBlobError(error, `the upload ${id} could not be written`)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#appends.delete(id)
      this.#writers.delete(id)
    }
  }

  /** An append that is under way ends as if its signal had come, soon. None: fine. */
  interrupt(id: string): void {
    this.#appends.get(id)?.abort()
  }

  /** Whether an append has not ended. */
  isBusy(id: string): boolean {
    return this.#writers.has(id)
  }

  /** The bytes that are on stable storage, so an offset to tell an uploader; null: there is no such upload. */
  async size(id: string): Promise<number | null> {
    const file = this.path(id)
    try {
      const size = await sizeOnDisk(file)
      if (this.#unnamed.has(id)) await syncDirectory(this.#directory)
      return size
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null
      throw toBlobError(error, `the upload ${id} could not be looked up`)
    }
  }

  /** As `BlobStore.read`. */
  async read(id: string, start: number, end: number): Promise<Readable> {
    return readFileRange(this.path(id), start, end, `the upload ${id} could not be read`)
  }

  /** Of its file, to be given to `BlobStore.put` once it is whole. */
  path(id: string): string {
    assertUploadId(id)
    return path.join(this.#directory, id)
  }

  /** Takes away what lies behind the first `size` bytes. Resolves with false, and does nothing, while something is being appended. */
  async truncate(id: string, size: number): Promise<boolean> {
    const file = this.path(id)
    if (this.#writers.has(id)) return false
    this.#writers.set(id, size)
    try {
      const handle = await open(file, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
      try {
        if ((await handle.stat()).size < size) throw new TypeError(`the upload ${id} has less than ${size} bytes`)
        await handle.truncate(size)
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      throw error instanceof TypeError ? error : toBlobError(error, `the upload ${id} could not be shortened`)
    } finally {
      this.#writers.delete(id)
    }
    return true
  }

  /** Resolves with false, and does nothing, while something is being appended. Not there: fine. */
  async remove(id: string): Promise<boolean> {
    const file = this.path(id)
    if (this.#writers.has(id)) return false
    this.#writers.set(id, 0)
    try {
      await unlink(file)
      this.#unnamed.delete(id)
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw toBlobError(error, `the upload ${id} could not be removed`)
    } finally {
      this.#writers.delete(id)
    }
    return true
  }

  /** All uploads, in no order. What begins or goes meanwhile may be among them or not. */
  async* list(): AsyncGenerator<StagedUpload> {
    try {
      for (const entry of await readdir(this.#directory, { withFileTypes: true })) {
        if (!entry.isFile() || !UPLOAD_ID.test(entry.name)) continue
        const stat = await lstat(path.join(this.#directory, entry.name)).catch((error: unknown) => {
          if (errnoOf(error) !== 'ENOENT') throw error
          return null
        })
        if (stat?.isFile() === true) yield { id: entry.name, size: stat.size, modifiedMs: Math.floor(stat.mtimeMs) }
      }
    } catch (error) {
      throw toBlobError(error, 'the uploads could not be listed')
    }
  }

  /** Space on the disk of uploads that a program without privileges may still use, in bytes. */
  async freeBytes(): Promise<number> {
    try {
      const { bavail, bsize } = await statfs(this.#directory)
      return bavail * bsize
    } catch (error) {
      throw toBlobError(error, 'the free space of the disk could not be read')
    }
  }

  async #append(
    id: string, offset: number, source: AsyncIterable<Uint8Array>, sizeMax: number, signal: AbortSignal | undefined,
  ): Promise<Appended> {
    const file = this.path(id)
    const there = await this.#sizeBefore(file)
    if (there !== offset) return { size: there, outcome: 'wrong-offset' }
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o600)
    if (offset === 0) this.#unnamed.add(id)
    try {
      const writer = new OffsetWriter(handle, offset)
      let ended: Omit<Appended, 'size'>
      try {
        ended = await writeAll(writer, source, sizeMax, signal)
      } catch (error) {
        await this.#settle(id, handle, offset, error)
        throw error
      }
      await this.#sync(id, handle).catch(async (error: unknown) => {
        // Once a sync has failed nobody knows what the disk has, and the next one may say that all is well.
        await handle.truncate(offset)
        throw error
      })
      return { size: writer.at, ...ended }
    } finally {
      await handle.close()
    }
  }

  /** Bytes first: a new file's name is on disk along with them as a rule, so that the directory has nothing left to wait for. */
  async #sync(id: string, handle: FileHandle): Promise<void> {
    await inSyncTurn(() => handle.datasync())
    if (!this.#unnamed.has(id)) return
    await inSyncTurn(() => syncDirectory(this.#directory))
    this.#unnamed.delete(id)
  }

  /** Keeps what was written before a disk was full, and takes back what was written before any other failure. */
  async #settle(id: string, handle: FileHandle, offset: number, error: unknown): Promise<void> {
    const { code } = toBlobError(error, '')
    if (code === 'no-space' && await this.#sync(id, handle).then(() => true, () => false)) return
    await handle.truncate(offset).catch(() => undefined)
  }

  async #sizeBefore(file: string): Promise<number> {
    try {
      return await sizeOnDisk(file)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 0
      throw error
    }
  }
}

/** Writes at the end of a file, all of each chunk. */
class OffsetWriter {
  readonly #handle: FileHandle
  /** Bytes that the file has. */
  at: number

  constructor(handle: FileHandle, at: number) {
    this.#handle = handle
    this.at = at
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let written = 0; written < chunk.length;) {
      // A disk that is nearly full takes a part, and refuses the next.
      const { bytesWritten } = await this.#handle.write(chunk, written, chunk.length - written, this.at)
      written += bytesWritten
      this.at += bytesWritten
    }
  }
}

const ABORTED = Symbol('aborted')

/** Pulls from the source until it ends, breaks, has given too much, or the signal comes. Rejects only if writing fails. */
async function writeAll(
  writer: OffsetWriter, source: AsyncIterable<Uint8Array>, sizeMax: number, signal: AbortSignal | undefined,
): Promise<Omit<Appended, 'size'>> {
  const chunks = source instanceof Readable
    ? source.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>
    : source[Symbol.asyncIterator]()
  const interruption = new Interruption(signal)
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array> | typeof ABORTED
      try {
        next = await interruption.before(chunks.next())
      } catch (cause) {
        return { outcome: 'broken', cause }
      }
      if (next === ABORTED) return { outcome: 'aborted' }
      if (next.done === true) return { outcome: 'complete' }
      if (!(next.value instanceof Uint8Array)) throw new TypeError('the source of an upload gives bytes')
      const room = sizeMax - writer.at
      await writer.write(next.value.length > room ? next.value.subarray(0, room) : next.value)
      if (next.value.length > room) return { outcome: 'too-long' }
    }
  } finally {
    interruption.release()
    // Not waited for: a generator that is asked for its next chunk answers only behind that.
    void Promise.resolve(chunks.return?.()).catch(() => undefined)
  }
}

/**
 * What comes first, a chunk or the signal. Each chunk gets a promise of its own: to race them all against one that outlives them would
 * keep each of them until the upload ends.
 */
class Interruption {
  readonly #signal: AbortSignal | undefined
  #interrupt = (): void => {}
  readonly #listener = (): void => { this.#interrupt() }

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#listener, { once: true })
  }

  before<T>(promise: Promise<T>): Promise<T | typeof ABORTED> {
    return new Promise((resolve, reject) => {
      this.#interrupt = () => { resolve(ABORTED) }
      promise.then(resolve, reject)
      if (this.#signal?.aborted === true) this.#interrupt()
    })
  }

  release(): void {
    this.#interrupt = () => {}
    this.#signal?.removeEventListener('abort', this.#listener)
  }
}

/** Size of a file, all of it on stable storage. */
async function sizeOnDisk(file: string): Promise<number> {
  const { handle, size } = await openRegularFile(file)
  try {
    await handle.datasync()
  } finally {
    await handle.close()
  }
  return size
}

function assertUploadId(id: string): void {
  if (typeof id !== 'string' || !UPLOAD_ID.test(id)) throw new TypeError('the id of an upload is 32 hex digits')
}
