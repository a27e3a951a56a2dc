/**
 * Where blobs lie: opaque bytes under the SHA-256 of themselves. Nobody here knows whose they are, what they show or whether somebody
 * still needs them.
 */
import type { Readable } from 'node:stream'

/** Whatever goes wrong rejects with a BlobError; a name that is not 64 hex digits, or a range that is none, with a TypeError. */
export interface BlobStore {
  readonly name: 'file' | 's3'
  /**
   * Stores a finished local file of `size` bytes as an object. `path` is the caller's no longer afterwards (moved or removed); when it
   * rejects, the file is still there, or the object is. Idempotent: an object of that name and size keeps its bytes, counts as
   * stored now, and it is no error then if the file is not there any more. Resolves when the object is on stable storage; never is half of one visible. That `name` is the hash of
   * the file is the caller's promise; a store that can check it on the way does ('damaged').
   */
  put(name: string, path: string, size: number): Promise<void>
  /**
   * The bytes from `start` to before `end`, as they come: in chunks of up to 256 KiB from files, of any size from the network. The
   * chunks are the reader's. Rejects, or ends in an error, with 'not-found', and with 'damaged' where there are fewer bytes than that:
   * a stream never ends early without an error. Destroying the stream frees everything, and who has not read it to its end has to.
   */
  read(name: string, start: number, end: number): Promise<Readable>
  /** A chunk of such a stream that its reader looks at no more, and has handed to nobody: its memory may be filled anew. To be called or not. */
  recycle?(chunk: Uint8Array): void
  /** Size in bytes; null: there is none. */
  stat(name: string): Promise<number | null>
  /** Resolves when the object is gone for good. Not there: fine. */
  delete(name: string): Promise<void>
  /** All objects behind this name ('' for all), in order of name. What is put or deleted meanwhile may be among them or not. */
  list(after: string): AsyncIterable<StoredBlob>
  /** At start: whether it can be written to and read from. Rejects with a BlobError that an operator can act on. */
  check(): Promise<void>
  /** Waits for what is under way on the disk, ends what is under way in the network, and refuses what comes later ('unavailable'). */
  close(): Promise<void>
}

export interface StoredBlob {
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** When it was last put, in milliseconds since 1970, by the clock of the store. */
  readonly modifiedMs: number
}

export type BlobErrorCode =
  /** There is no such object. */
  | 'not-found'
  /** No space left, or a quota of the disk's is used up. */
  | 'no-space'
  /** The store does not answer, or says that it can't now: the same may succeed later. */
  | 'unavailable'
  /** Permissions, keys, addresses: it will be refused until an operator changes something. */
  | 'denied'
  /** Fewer bytes than there should be, or others. */
  | 'damaged'
  /** Any other failure to read or write; see cause. */
  | 'internal'

/** Whatever goes wrong with blobs; `code` says what, the message what to do about it. Holds no secret and no content. */
export class BlobError extends Error {
  override readonly name = 'BlobError'
  readonly code: BlobErrorCode
  constructor(code: BlobErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}

const BLOB_NAME = /^[0-9a-f]{64}$/

/** Whether this is the name of an object: 64 hex digits in lower case. */
export function isBlobName(name: string): boolean {
  return BLOB_NAME.test(name)
}

/** Throws a TypeError for anything else than a name, so that no path or address can be made of it. */
export function assertBlobName(name: string): void {
  if (typeof name !== 'string' || !isBlobName(name)) throw new TypeError('the name of a blob is 64 hex digits')
}

/** Throws a TypeError unless these are whole numbers of bytes, the second not below the first. */
export function assertByteRange(start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new TypeError(`not a range of bytes: ${start} to ${end}`)
  }
}
