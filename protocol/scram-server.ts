/** The server's side of one SCRAM exchange: start(client-first) → challenge(verifier) → finish(client-final). */
import { normalizeUser } from './address.js'
import { decodeBase64, encodeBase64 } from './base64.js'
import { concatBytes } from './bytes.js'
import { ERROR } from './generated/registry.js'
import {
  CHANNEL_BINDING_TYPE, NONCE_BYTES, attributeValue, equalInConstantTime, isNonce, unescapeName, xor,
} from './scram.js'
import type { ScramCrypto, ScramVerifier } from './scram.js'
import { decodeString, encodeText } from './utf8.js'

/** What a refused exchange closes the connection with. A message that does not parse is refused like a wrong password. */
export type ScramRefusal = typeof ERROR.notAuthorized | typeof ERROR.channelBindingFailed

export interface ScramServerOptions {
  /** Whether the mechanism the client chose is SCRAM-SHA-256-PLUS. */
  readonly isPlus: boolean
  /** The TLS exporter's value of this connection; null: -PLUS is not offered on it. */
  readonly bindingData: Uint8Array | null
  readonly crypto: ScramCrypto
  /** The server's part of the nonce; for tests with known answers only. */
  readonly nonce?: string
}

export class ScramServer {
  readonly #options: ScramServerOptions
  /** As the client wrote it; '' before start. For an unknown user, what the fake verifier is made from. */
  name: string
  /** The normalised user; null: no user can have this name. */
  user: string | null
  #header: string
  #firstBare: string
  #nonce: string
  #serverFirst: string
  #verifier: ScramVerifier | null

  constructor(options: ScramServerOptions) {
    this.#options = options
    this.name = ''
    this.user = null
    this.#header = ''
    this.#firstBare = ''
    this.#nonce = ''
    this.#serverFirst = ''
    this.#verifier = null
  }

  /**
   * Takes auth.data. 0: `name` and `user` are set; go on with `challenge`, for an unknown user too [OPN-13]. Otherwise the code to
   * close with: channel-binding-failed where the gs2 flag does not fit what was offered [SCR-3], else not-authorized.
   */
  start(clientFirst: Uint8Array): 0 | ScramRefusal {
    const text = decodeString(clientFirst, 0, clientFirst.length)
    const [flag, authorization, ...bare] = text?.split(',') ?? []
    if (flag === undefined || authorization === undefined) return ERROR.notAuthorized
    const refusal = this.#checkFlag(flag)
    if (refusal !== 0) return refusal
    // A leading m= is a mandatory extension nobody here knows; it fails as a missing n=.
    const name = unescapeName(attributeValue(bare[0], 'n') ?? '')
    const nonce = attributeValue(bare[1], 'r')
    if (name === null || nonce === null || !isNonce(nonce)) return ERROR.notAuthorized
    this.name = name
    this.user = normalizeUser(name)
    if (authorization !== '' && !this.#isOwnIdentity(authorization)) return ERROR.notAuthorized
    this.#header = `${flag},${authorization},`
    this.#firstBare = bare.join(',')
    this.#nonce = nonce + (this.#options.nonce ?? encodeBase64(this.#options.crypto.randomBytes(NONCE_BYTES)))
    return 0
  }

  #checkFlag(flag: string): 0 | ScramRefusal {
    const { isPlus, bindingData } = this.#options
    if (flag === `p=${CHANNEL_BINDING_TYPE}`) return isPlus && bindingData !== null ? 0 : ERROR.channelBindingFailed
    if (flag.startsWith('p=')) return ERROR.channelBindingFailed
    if (flag !== 'n' && flag !== 'y') return ERROR.notAuthorized
    if (isPlus || (flag === 'y' && bindingData !== null)) return ERROR.channelBindingFailed
    return 0
  }

  /** [SCR-6] */
  #isOwnIdentity(authorization: string): boolean {
    const identity = unescapeName(attributeValue(authorization, 'a') ?? '')
    return identity !== null && this.user !== null && normalizeUser(identity) === this.user
  }

  /** server-first, for challenge.data. Call it once, after `start` returned 0. */
  challenge(verifier: ScramVerifier): Uint8Array {
    this.#verifier = verifier
    this.#serverFirst = `r=${this.#nonce},s=${encodeBase64(verifier.salt)},i=${verifier.iterations}`
    return encodeText(this.#serverFirst)
  }

  /**
   * server-final, for authenticated.data, from response.data; or the code to close with: channel-binding-failed if the client saw
   * another TLS connection than we, else not-authorized. An exchange can be finished once.
   */
  async finish(clientFinal: Uint8Array): Promise<Uint8Array | ScramRefusal> {
    const verifier = this.#verifier
    this.#verifier = null
    const text = decodeString(clientFinal, 0, clientFinal.length)
    const proofStart = text?.lastIndexOf(',p=') ?? -1
    if (verifier === null || text === null || proofStart < 0) return ERROR.notAuthorized
    const withoutProof = text.slice(0, proofStart)
    const parts = withoutProof.split(',')
    const binding = attributeValue(parts[0], 'c')
    const proof = decodeBase64(text.slice(proofStart + 3))
    if (binding === null || proof === null || proof.length !== verifier.storedKey.length || parts[1] !== `r=${this.#nonce}`) {
      return ERROR.notAuthorized
    }
    if (binding !== this.#expectedBinding()) return ERROR.channelBindingFailed

    const { crypto } = this.#options
    const authMessage = encodeText(`${this.#firstBare},${this.#serverFirst},${withoutProof}`)
    const clientKey = xor(proof, await crypto.hmac(verifier.storedKey, authMessage))
    if (!equalInConstantTime(await crypto.sha256(clientKey), verifier.storedKey)) return ERROR.notAuthorized
    return encodeText(`v=${encodeBase64(await crypto.hmac(verifier.serverKey, authMessage))}`)
  }

  #expectedBinding(): string {
    const header = encodeText(this.#header)
    const data = this.#header.startsWith('p') ? this.#options.bindingData : null
    return encodeBase64(data === null ? header : concatBytes(header, data))
  }
}
