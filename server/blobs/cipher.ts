/**
 * The encryption of blobs at rest: AES-256 in counter mode (NIST SP 800-38A, 6.5), the counter beginning at 0. Each key encrypts one
 * blob, so no nonce is needed; every byte has its place in the key stream, so that an upload goes on, and a download begins, at any
 * offset. It says nothing about whether bytes were changed: that is what the hashes are for. [BLB-22]
 */
import { type Cipher, createCipheriv, hkdfSync } from 'node:crypto'

const KEY_BYTES = 32
const BLOCK_BYTES = 16

/**
 * The key for something made from an upload: by HKDF (RFC 5869) from the upload's own key, which is random, and the SHA-256 of what is
 * made. Made again after a crash it is the same object; anything else never has the same key.
 */
export function derivedKey(uploadKey: Uint8Array, hash: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', uploadKey, new Uint8Array(0), `chatd blob made from upload ${hash}`, KEY_BYTES))
}

/** Encrypts and decrypts, which are the same, one run of bytes from `offset` on. Chunks are read and stay the caller's. */
export class BlobCipher {
  readonly #cipher: Cipher

  /** Throws a RangeError for an offset that is none, and what node:crypto says of a key that has not 32 bytes. */
  constructor(key: Uint8Array, offset: number) {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`not an offset: ${String(offset)}`)
    const counter = Buffer.alloc(BLOCK_BYTES)
    counter.writeBigUInt64BE(BigInt(Math.floor(offset / BLOCK_BYTES)), BLOCK_BYTES - 8)
    this.#cipher = createCipheriv('aes-256-ctr', key, counter)
    const within = offset % BLOCK_BYTES
    if (within > 0) this.#cipher.update(Buffer.alloc(within))
  }

  /** As many bytes as were given, in memory of their own. */
  update(chunk: Uint8Array): Buffer {
    return this.#cipher.update(chunk)
  }
}

/** The chunks of a source that begins at `offset`, encrypted or decrypted. Each is asked for when it is wanted. */
export async function* crypt(source: AsyncIterable<Uint8Array>, key: Uint8Array, offset: number): AsyncGenerator<Buffer, void> {
  const cipher = new BlobCipher(key, offset)
  for await (const chunk of source) yield cipher.update(chunk)
}
