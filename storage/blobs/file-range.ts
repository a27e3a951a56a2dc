/** Reading a part of a file as a stream that knows how much there has to be. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { toBlobError } from './blob-error.js'
import { BlobError, assertByteRange } from './blob-store.js'

/** Large enough that system calls and turns of the event loop cost little beside the copy; a stream holds two of them at most. */
const FILE_CHUNK_BYTES = 256 * 1024

/** Chunks that nobody looks at any more, to be filled again: memory that is new costs more than what is read into it. */
const spares: Buffer[] = []
const SPARES_MAX = 16

/** Hands a chunk of a file's stream back. It is not to be looked at afterwards. */
export function recycleChunk(chunk: Uint8Array): void {
  const { buffer } = chunk
  if (buffer.byteLength !== FILE_CHUNK_BYTES || spares.length >= SPARES_MAX || spares.some((spare) => spare.buffer === buffer)) return
  spares.push(Buffer.from(buffer))
}

/** What has this path if it is a regular file; a link is not followed. The caller closes it. Rejects with the file system's error. */
export async function openRegularFile(path: string): Promise<{ handle: FileHandle, size: number }> {
  // Without O_NONBLOCK opening a named pipe would wait for its writer, for ever.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new BlobError('denied', `${path} is not a regular file; remove it`)
    return { handle, size: stat.size }
  } catch (error) {
    await handle.close().catch(() => undefined)
    throw error
  }
}

/** The bytes from `start` to before `end` of a file. Rejects, or ends in an error, with a BlobError; 'damaged' where the file is shorter. */
export async function readFileRange(path: string, start: number, end: number, doing: string): Promise<Readable> {
  assertByteRange(start, end)
  try {
    const { handle, size } = await openRegularFile(path)
    if (size >= end) return new FileRange(handle, start, end, doing)
    await handle.close()
    throw tooShort(doing, size, end)
  } catch (error) {
    throw toBlobError(error, doing)
  }
}

function tooShort(doing: string, size: number, end: number): BlobError {
  return new BlobError('damaged', `${doing}: the file has ${size} bytes, less than ${end}; restore it from a backup`)
}

/** node's own stream of a file ends as if nothing were wrong where the file turns out to be shorter. */
class FileRange extends Readable {
  readonly #handle: FileHandle
  readonly #end: number
  readonly #doing: string
  #at: number

  constructor(handle: FileHandle, start: number, end: number, doing: string) {
    super({ highWaterMark: FILE_CHUNK_BYTES })
    this.#handle = handle
    this.#at = start
    this.#end = end
    this.#doing = doing
  }

  override _read(): void {
    if (this.#at === this.#end) {
      this.push(null)
      return
    }
    const wanted = Math.min(FILE_CHUNK_BYTES, this.#end - this.#at)
    const chunk = (wanted === FILE_CHUNK_BYTES ? spares.pop() : undefined) ?? Buffer.allocUnsafeSlow(wanted)
    this.#handle.read(chunk, 0, wanted, this.#at).then(({ bytesRead }) => {
      if (this.destroyed) return
      if (bytesRead === 0) {
        this.destroy(tooShort(this.#doing, this.#at, this.#end))
        return
      }
      this.#at += bytesRead
      this.push(chunk.subarray(0, bytesRead))
    }, (error: unknown) => this.destroy(toBlobError(error, this.#doing)))
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // A read under way is waited for. An error of closing a file that was only read means nothing to its reader.
    this.#handle.close().then(() => { callback(error) }, () => { callback(error) })
  }
}
