/** A file to upload: read in pieces, and watched for changes, since its hash is announced before its bytes are sent. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import type { UploadSource } from './blob-platform.js'
import { localError } from './client-error.js'

const HASH_BYTES = 1 << 20

/** Rejects with file-failed where there is no such file, it may not be read, or it is none. */
export async function openFileSource(path: string): Promise<UploadSource> {
  let file: FileHandle | null = null
  try {
    file = await open(path, 'r')
    const { size, mtimeMs } = await file.stat().then((stat) => {
      if (!stat.isFile()) throw localError('file-failed', `${path} is ${stat.isDirectory() ? 'a folder' : 'not a file'}`)
      return stat
    })
    return new FileSource(path, file, size, mtimeMs)
  } catch (error) {
    await file?.close()
    throw failed(path, error)
  }
}

class FileSource implements UploadSource {
  readonly size: number
  readonly name: string
  readonly type = ''
  readonly #path: string
  readonly #file: FileHandle
  readonly #changedMs: number

  constructor(path: string, file: FileHandle, size: number, changedMs: number) {
    this.#path = path
    this.#file = file
    this.size = size
    this.name = basename(path)
    this.#changedMs = changedMs
  }

  async read(start: number, end: number): Promise<Uint8Array> {
    const bytes = Buffer.allocUnsafe(end - start)
    try {
      for (let filled = 0; filled < bytes.length;) {
        const { bytesRead } = await this.#file.read(bytes, filled, bytes.length - filled, start + filled)
        if (bytesRead === 0) throw this.#changed()
        filled += bytesRead
      }
      const { size, mtimeMs } = await this.#file.stat()
      if (size !== this.size || mtimeMs !== this.#changedMs) throw this.#changed()
    } catch (error) {
      throw failed(this.#path, error)
    }
    return bytes
  }

  async hash(signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256')
    for (let start = 0; start < this.size; start += HASH_BYTES) {
      signal.throwIfAborted()
      hash.update(await this.read(start, Math.min(this.size, start + HASH_BYTES)))
    }
    return hash.digest('hex')
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #changed(): Error {
    return localError('file-changed', `${this.#path} was changed while it was uploaded`)
  }
}

function failed(path: string, error: unknown): Error {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error as Error
  return localError('file-failed', `${path} can't be read: ${error.message}`, error)
}
