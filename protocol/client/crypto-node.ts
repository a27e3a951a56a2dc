/** SCRAM's cryptography from node:crypto; PBKDF2 runs in the thread pool. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramCrypto } from '../scram.js'

const derive = promisify(pbkdf2)

export const nodeCrypto: ScramCrypto = {
  randomBytes: (size) => randomBytes(size),
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  pbkdf2: (password, salt, iterations) => derive(password, salt, iterations, 32, 'sha256'),
}
