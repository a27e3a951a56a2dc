/** Blobs and bytes as what is uploaded, and memory as where a download goes. */
import { concatBytes } from '../bytes.js'
import type { Hash, DownloadTarget, UploadSource } from './blob-platform.js'

/** Bytes of a Blob that are hashed in one go. */
const HASH_BYTES = 1 << 20

/** `file` must not change while it is uploaded. */
export function memorySource(file: Blob | Uint8Array, newHash: () => Hash): UploadSource {
  const isBytes = file instanceof Uint8Array
  const size = isBytes ? file.length : file.size
  return {
    size,
    name: isBytes ? '' : (file as { readonly name?: string }).name ?? '',
    type: isBytes ? '' : file.type,
    read: async (start, end) => isBytes ? file.subarray(start, end) : file.slice(start, end),
    hash: async (signal) => {
      const hash = newHash()
      for (let start = 0; start < size; start += HASH_BYTES) {
        signal.throwIfAborted()
        const piece = isBytes ? file.subarray(start, start + HASH_BYTES) : new Uint8Array(await file.slice(start, start + HASH_BYTES).arrayBuffer())
        hash.update(piece)
      }
      return hash.digest()
    },
    close: async () => {},
  }
}

export class MemoryTarget implements DownloadTarget {
  #pieces: Uint8Array[] = []
  #size = 0

  get held(): number {
    return this.#size
  }

  /** Of the whole; valid once it is finished. */
  get bytes(): Uint8Array {
    return concatBytes(...this.#pieces)
  }

  async rehash(hash: Hash): Promise<void> {
    for (const piece of this.#pieces) hash.update(piece)
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#pieces.push(bytes)
    this.#size += bytes.length
  }

  async restart(): Promise<void> {
    this.#pieces = []
    this.#size = 0
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}
