/**
 * A file that a download goes to. It grows beside its place, as PATH.HASH.part, where a later process finds it and goes on, and gets its
 * name when all of it is there, checked and on the disk: nobody ever sees half a file under that name. Two that write it at once would not
 * both know what it holds: PATH.HASH.part.lock is for the one that does.
 */
import { constants } from 'node:fs'
import { link, open, rename, rm, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DownloadTarget, FileTargetOptions, Hash } from './blob-platform.js'
import { ClientError, localError } from './client-error.js'
import { LockedError, lockFile } from './file-lock-node.js'
import { hasNoLinks, syncDirectory, writeAll } from './file-writing-node.js'

/** Digits of the hash: enough to tell what was held from what is wanted; the whole is checked at the end. */
const PART_HASH_DIGITS = 16
const READ_BYTES = 1 << 20

export function partPath({ path, hash }: Pick<FileTargetOptions, 'path' | 'hash'>): string {
  return `${path}.${hash.slice(0, PART_HASH_DIGITS)}.part`
}

export async function openFileTarget(options: FileTargetOptions): Promise<DownloadTarget> {
  const part = partPath(options)
  const unlockFile = await lockFile(`${part}.lock`).catch((error: unknown) => { throw failed(options.path, error) })
  // A lock that can't be taken away is void when this thread has ended, and says nothing of how the download went.
  const unlock = (): Promise<void> => unlockFile().catch(() => {})
  try {
    // In a folder that others may write to, a link laid out there would lead elsewhere.
    const file = await open(part, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o666)
    return new FileTarget(options, part, unlock, file, (await file.stat()).size)
  } catch (error) {
    await unlock()
    throw failed(part, error)
  }
}

class FileTarget implements DownloadTarget {
  readonly #options: FileTargetOptions
  readonly #part: string
  readonly #unlock: () => Promise<void>
  #file: FileHandle | null
  #held: number

  constructor(options: FileTargetOptions, part: string, unlock: () => Promise<void>, file: FileHandle, held: number) {
    this.#options = options
    this.#part = part
    this.#unlock = unlock
    this.#file = file
    this.#held = held
  }

  get held(): number {
    return this.#held
  }

  async rehash(hash: Hash): Promise<void> {
    await this.#try(async (file) => {
      for (let position = 0; position < this.#held;) {
        const bytes = Buffer.allocUnsafe(Math.min(READ_BYTES, this.#held - position))
        const { bytesRead } = await file.read(bytes, 0, bytes.length, position)
        if (bytesRead === 0) throw new Error('it was cut short')
        hash.update(bytes.subarray(0, bytesRead))
        position += bytesRead
      }
    })
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#try((file) => writeAll(file, bytes, this.#held))
    this.#held += bytes.length
  }

  async restart(): Promise<void> {
    await this.#try(async (file) => file.truncate(0))
    this.#held = 0
  }

  async finish(): Promise<void> {
    const { path, replaces } = this.#options
    await this.#try(async (file) => {
      await file.sync()
      await file.close()
      this.#file = null
      if (replaces) await rename(this.#part, path)
      else await renameToNew(this.#part, path)
      await syncDirectory(dirname(path))
    })
  }

  async close(): Promise<void> {
    try {
      await this.#file?.close()
      if (this.#file !== null && this.#held === 0) await rm(this.#part, { force: true })
      this.#file = null
    } finally {
      await this.#unlock()
    }
  }

  async #try(step: (file: FileHandle) => Promise<void>): Promise<void> {
    try {
      if (this.#file === null) throw new Error('it is closed')
      await step(this.#file)
    } catch (error) {
      throw failed(this.#options.path, error)
    }
  }
}

/** As rename, but never over a file that is there, even if it came a moment ago. */
async function renameToNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!hasNoLinks(error)) throw error
    // A file system without links: the name is taken first, which others see empty for a moment.
    await (await open(to, 'wx')).close()
    await rename(from, to)
    return
  }
  await unlink(from)
}

function failed(path: string, error: unknown): Error {
  if (error instanceof ClientError) return error
  if (error instanceof LockedError) return localError('file-locked', `${path} is being downloaded by ${error.holder} already`, error)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EEXIST') return localError('file-exists', `${path} exists already`, error)
  return localError('file-failed', `${path} can't be written: ${message}`, error)
}
