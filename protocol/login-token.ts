/** What `auth.data` of TOKEN is: user, U+0000, device, U+0000, token. [TOK-1] */
import { normalizeDevice, normalizeUser } from './address.js'
import { concatBytes } from './bytes.js'
import { LIMIT } from './generated/registry.js'
import { decodeText, encodeText } from './utf8.js'

/** Names in their normalised form. */
export interface LoginToken {
  readonly user: string
  readonly device: string
  readonly token: Uint8Array
}

export function encodeLoginToken(user: string, device: string, token: Uint8Array): Uint8Array {
  return concatBytes(encodeText(`${user}\0${device}\0`), token)
}

/** null: it is none. `token` is a view of `data`. */
export function decodeLoginToken(data: Uint8Array): LoginToken | null {
  const first = data.indexOf(0)
  const second = data.indexOf(0, first + 1)
  if (first < 0 || second < 0) return null
  const user = normalizeUser(decodeText(data.subarray(0, first)))
  const device = normalizeDevice(decodeText(data.subarray(first + 1, second)))
  const token = data.subarray(second + 1)
  return user === null || device === null || token.length !== LIMIT.tokenBytes ? null : { user, device, token }
}
