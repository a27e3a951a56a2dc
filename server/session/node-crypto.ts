/** SCRAM's cryptography by node:crypto. Key derivation runs in the thread pool: it takes tens of milliseconds. */
import { createHmac, hash, pbkdf2, randomBytes } from 'node:crypto'
import { deriveVerifier, SCRAM_SALT_BYTES, type ScramCrypto, type ScramVerifier } from '../../protocol/scram.js'

export const NODE_CRYPTO: ScramCrypto = {
  randomBytes: (size) => randomBytes(size),
  sha256: (data) => sha256(data),
  hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  pbkdf2: (password, salt, iterations) => new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, 32, 'sha256', (error, key) => error === null ? resolve(key) : reject(error))
  }),
}

export function sha256(data: Uint8Array): Uint8Array {
  // A third of the time of an object for the hash and memory of its own for the digest.
  return Buffer.from(hash('sha256', data, 'binary'), 'latin1')
}

/** The verifier of a new password under a fresh salt. Throws a RangeError for a password that preparation refuses. [ADR-6] */
export function newVerifier(password: string, iterations: number): Promise<ScramVerifier> {
  return deriveVerifier(password, randomBytes(SCRAM_SALT_BYTES), iterations, NODE_CRYPTO)
}
