/** The client's side of one SCRAM exchange: first() → final(server-first) → verify(server-final). */
import { decodeBase64, encodeBase64 } from './base64.js'
import { concatBytes } from './bytes.js'
import { preparePassword } from './password.js'
import {
  CHANNEL_BINDING_TYPE, NONCE_BYTES, attributeValue, equalInConstantTime, escapeName, isIterationCount, isNonce, xor,
} from './scram.js'
import type { ScramCrypto } from './scram.js'
import { decodeString, encodeText } from './utf8.js'

/**
 * How the exchange is bound to its TLS connection: `none`: this client can't bind (gs2 flag n); `unoffered`: it could, but the server
 * did not offer -PLUS (flag y, which tells an honest server that somebody removed the offer); bytes: the exporter's value (flag p),
 * with the mechanism SCRAM-SHA-256-PLUS. [SCR-2] [SCR-3]
 */
export type ChannelBinding = 'none' | 'unoffered' | Uint8Array

/**
 * Why the client gives up: `malformed`: the server's message does not parse; `nonce`: it is not an answer to ours; `iterations`: too
 * few or too many [SCR-5]; `password`: preparation refuses the password [ADR-6].
 */
export type ScramFailure = 'malformed' | 'nonce' | 'iterations' | 'password'

export interface ScramClientOptions {
  readonly user: string
  /** As the person typed it; it is prepared here. */
  readonly password: string
  readonly binding: ChannelBinding
  readonly crypto: ScramCrypto
  /** For tests with known answers only. */
  readonly nonce?: string
}

export class ScramClient {
  readonly #crypto: ScramCrypto
  readonly #password: string | null
  readonly #header: string
  readonly #bindingData: Uint8Array
  readonly #firstBare: string
  readonly #nonce: string
  #serverSignature: Uint8Array | null

  constructor(options: ScramClientOptions) {
    const { binding, crypto } = options
    this.#crypto = crypto
    this.#password = preparePassword(options.password)
    this.#header = binding === 'none' ? 'n,,' : binding === 'unoffered' ? 'y,,' : `p=${CHANNEL_BINDING_TYPE},,`
    this.#bindingData = typeof binding === 'string' ? new Uint8Array(0) : binding
    this.#nonce = options.nonce ?? encodeBase64(crypto.randomBytes(NONCE_BYTES))
    this.#firstBare = `n=${escapeName(options.user)},r=${this.#nonce}`
    this.#serverSignature = null
  }

  /** The mechanism that goes with the binding. */
  get mechanism(): 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS' {
    return this.#header.startsWith('p') ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256'
  }

  /** client-first, for auth.data. [SCR-1] */
  first(): Uint8Array {
    return encodeText(this.#header + this.#firstBare)
  }

  /** client-final, for response.data, from challenge.data; or why there is none. */
  async final(serverFirst: Uint8Array): Promise<Uint8Array | ScramFailure> {
    const text = decodeString(serverFirst, 0, serverFirst.length)
    const parts = text?.split(',') ?? []
    // A leading m= is a mandatory extension nobody here knows; it fails as a missing r=.
    const nonce = attributeValue(parts[0], 'r')
    const salt = decodeBase64(attributeValue(parts[1], 's') ?? '')
    const count = attributeValue(parts[2], 'i')
    if (text === null || nonce === null || salt === null || salt.length === 0 || count === null || !/^[1-9][0-9]*$/.test(count)) {
      return 'malformed'
    }
    if (!isNonce(nonce) || !nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) return 'nonce'
    const iterations = Number(count)
    if (!isIterationCount(iterations)) return 'iterations'
    if (this.#password === null) return 'password'

    const binding = encodeBase64(concatBytes(encodeText(this.#header), this.#bindingData))
    const withoutProof = `c=${binding},r=${nonce}`
    const authMessage = encodeText(`${this.#firstBare},${text},${withoutProof}`)
    const saltedPassword = await this.#crypto.pbkdf2(encodeText(this.#password), salt, iterations)
    const clientKey = await this.#crypto.hmac(saltedPassword, encodeText('Client Key'))
    const storedKey = await this.#crypto.sha256(clientKey)
    const proof = xor(clientKey, await this.#crypto.hmac(storedKey, authMessage))
    const serverKey = await this.#crypto.hmac(saltedPassword, encodeText('Server Key'))
    this.#serverSignature = await this.#crypto.hmac(serverKey, authMessage)
    return encodeText(`${withoutProof},p=${encodeBase64(proof)}`)
  }

  /** Whether authenticated.data proves that the server knows the password too. False: trust nothing that follows. [SCR-4] */
  verify(serverFinal: Uint8Array): boolean {
    const text = decodeString(serverFinal, 0, serverFinal.length)
    const signature = decodeBase64(attributeValue(text?.split(',')[0], 'v') ?? '')
    return this.#serverSignature !== null && signature !== null && equalInConstantTime(signature, this.#serverSignature)
  }
}
