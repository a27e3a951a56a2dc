/**
 * What is known of an upload by having seen all its bytes go by: both hashes and the beginning. Kept between the requests of one upload,
 * so that nothing has to be read and decrypted again at its end; where it is not there the end reads it all.
 */
import { createHash, type Hash } from 'node:crypto'
import { HEAD_BYTES } from './media/content-type.js'

/** What all bytes of an upload show. */
export interface Looked {
  /** SHA-256 of the plain bytes. */
  readonly hash: string
  /** SHA-256 of the bytes as stored. */
  readonly object: string
  /** The first HEAD_BYTES. */
  readonly head: Uint8Array
}

export class UploadDigest {
  readonly #plain: Hash = createHash('sha256')
  readonly #stored: Hash = createHash('sha256')
  readonly #head: Buffer
  /** Bytes that it has seen, from the first on. */
  at = 0

  /** `size` of the whole. */
  constructor(size: number) {
    this.#head = Buffer.alloc(Math.min(HEAD_BYTES, size))
  }

  /** The next bytes, as they were sent and as they are stored. */
  update(plain: Uint8Array, stored: Uint8Array): void {
    if (this.at < this.#head.length) this.#head.set(plain.subarray(0, this.#head.length - this.at), this.at)
    this.#plain.update(plain)
    this.#stored.update(stored)
    this.at += plain.length
  }

  /** Of what it has seen; to be asked once, and nothing follows it. */
  result(): Looked {
    return { hash: this.#plain.digest('hex'), object: this.#stored.digest('hex'), head: this.#head }
  }
}

/** A few kilobytes each. */
const DIGESTS_MAX = 1024

/** The digests of uploads that are not complete; those that were used longest ago go first. */
export class UploadDigests {
  readonly #digests = new Map<string, UploadDigest>()

  /** Of an upload that goes on at `offset`; null where what lies before it was not seen. It is the caller's. */
  take(id: string, offset: number, size: number): UploadDigest | null {
    const digest = offset === 0 ? new UploadDigest(size) : this.#digests.get(id)
    this.#digests.delete(id)
    return digest?.at === offset ? digest : null
  }

  /** The caller has ended; the next request goes on with it. */
  keep(id: string, digest: UploadDigest): void {
    this.#digests.delete(id)
    this.#digests.set(id, digest)
    if (this.#digests.size <= DIGESTS_MAX) return
    for (const [oldest] of this.#digests) {
      this.#digests.delete(oldest)
      break
    }
  }
}
