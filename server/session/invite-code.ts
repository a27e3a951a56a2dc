/**
 * Invite codes as people copy them: an id that finds the invite and may be shown, and a secret of which the server keeps the hash.
 *
 *     7m4hx2kq-9c1vw8e5s3jtd-p0zr6ynbgf2a4      8 letters of id, 26 of secret: 40 and 130 bits
 *
 * The letters are those of Crockford's base 32, which leaves out i, l, o and u. [INV-8]
 */
import { randomBytes } from 'node:crypto'
import { LIMIT } from '../../protocol/generated/registry.js'
import { sha256 } from './node-crypto.js'
import type { InviteProof } from '../accounts/registration-router.js'

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'
const ID_LETTERS = 8
const SECRET_LETTERS = 26
const ID_FORM = new RegExp(`^[${LETTERS}]{${String(ID_LETTERS)}}$`)
const CODE_FORM = new RegExp(`^[${LETTERS}]{${String(ID_LETTERS + SECRET_LETTERS)}}$`)

/** A new code and what the server keeps of it. */
export function newInviteCode(id = randomLetters(ID_LETTERS)): { readonly code: string; readonly proof: InviteProof } {
  const secret = randomLetters(SECRET_LETTERS)
  const half = SECRET_LETTERS / 2
  return { code: `${id}-${secret.slice(0, half)}-${secret.slice(half)}`, proof: { id, secretHash: hashOf(secret) } }
}

/** What a typed code proves; null for what is no code. Case, spaces and hyphens do not matter, nor letters taken for digits. */
export function readInviteCode(typed: string): InviteProof | null {
  if (typed.length > LIMIT.inviteBytesMax) return null
  const letters = typed.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll(/[il]/g, '1').replaceAll('o', '0')
  if (!CODE_FORM.test(letters)) return null
  return { id: letters.slice(0, ID_LETTERS), secretHash: hashOf(letters.slice(ID_LETTERS)) }
}

/** The id of an invite as typed; null for what is none. */
export function readInviteId(typed: string): string | null {
  const id = typed.toLowerCase()
  return ID_FORM.test(id) ? id : null
}

function randomLetters(count: number): string {
  // 256 is a multiple of 32: every letter is as likely as any other.
  return Array.from(randomBytes(count), (byte) => LETTERS[byte % LETTERS.length]).join('')
}

function hashOf(secret: string): Uint8Array {
  return sha256(Buffer.from(secret, 'latin1'))
}
