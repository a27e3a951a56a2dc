/** SCRAM's cryptography from WebCrypto, which browsers and Node both have as `crypto`. */
import type { ScramCrypto } from './scram.js'

const { subtle } = globalThis.crypto
const HMAC = { name: 'HMAC', hash: 'SHA-256' } as const

/** WebCrypto does not take an empty HMAC key; nobody here has one. */
export const webCrypto: ScramCrypto = {
  randomBytes: (size) => globalThis.crypto.getRandomValues(new Uint8Array(size)),
  sha256: async (data) => new Uint8Array(await subtle.digest('SHA-256', data)),
  hmac: async (key, data) => new Uint8Array(await subtle.sign(HMAC, await subtle.importKey('raw', key, HMAC, false, ['sign']), data)),
  pbkdf2: async (password, salt, iterations) => {
    const key = await subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits'])
    return new Uint8Array(await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, key, 256))
  },
}
