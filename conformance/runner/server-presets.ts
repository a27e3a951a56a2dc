/** Names and values that every case of server mode may speak of. */
import { createHash } from 'node:crypto'
import type { SeededBytes } from './random.js'
import { verifierOf } from './scram-client.js'

/** `mark`: of the run and the case. */
export async function presetsOf(mark: string, random: SeededBytes): Promise<readonly (readonly [name: string, value: string])[]> {
  const password = random.bytes(18).toString('base64')
  const { salt, storedKey, serverKey } = await verifierOf(password, random.bytes(16), 4096)
  const blob = `a file of ${mark}`
  const letters = mark.replaceAll(/[^a-z0-9]/g, '')
  return [
    ['mark', mark],
    ['group', `g-${mark}`],
    ['otherGroup', `h-${mark}`],
    ['nobody', `nobody-${mark}`],
    ['newcomer', `new-${mark}`],
    ['word', `w${letters}`],
    ['otherToken', `hex:${random.bytes(32).toString('hex')}`],
    ['verifierSalt', salt.toString('base64')],
    ['storedKey', storedKey.toString('base64')],
    ['serverKey', serverKey.toString('base64')],
    ['inviteId', inviteIdOf(random.bytes(8))],
    ['blob', blob],
    ['blobHash', createHash('sha256').update(blob).digest('hex')],
    ['blobSize', String(Buffer.byteLength(blob))],
  ]
}

/** 8 letters and digits without i, l, o and u. */
function inviteIdOf(bytes: Buffer): string {
  return [...bytes].map((byte) => '0123456789abcdefghjkmnpqrstvwxyz'[byte & 31]!).join('')
}
