/** A verifier as it waits in memory for the next password; see packed.ts. With tokens there is none for months. */
import type { Verifier } from '../router/router.js'
import { pack, unpack } from './packed.js'

export class PackedVerifier implements Verifier {
  readonly iterations: number
  readonly #saltBytes: number
  readonly #storedKeyBytes: number
  /** Salt, stored key and server key, one behind the other. */
  readonly #packed: string

  constructor(verifier: Verifier) {
    this.iterations = verifier.iterations
    this.#saltBytes = verifier.salt.length
    this.#storedKeyBytes = verifier.storedKey.length
    this.#packed = pack(Buffer.concat([verifier.salt, verifier.storedKey, verifier.serverKey]))
  }

  get salt(): Uint8Array {
    return unpack(this.#packed.slice(0, this.#saltBytes))
  }

  get storedKey(): Uint8Array {
    return unpack(this.#packed.slice(this.#saltBytes, this.#saltBytes + this.#storedKeyBytes))
  }

  get serverKey(): Uint8Array {
    return unpack(this.#packed.slice(this.#saltBytes + this.#storedKeyBytes))
  }
}
