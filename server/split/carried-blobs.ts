/** What a row refers to among blobs, and for whom. Pure. */
import { userKeys } from '../../storage/user-keys.js'
import { decodeReference, type ReferenceRow } from '../holdings/rows.js'
import { decodeProfile } from '../profiles/profile.js'
import type { RowHome } from './row-home.js'

const NOTHING: ReferenceRow = { user: '', blobs: [] }

/** Messages, pictures of groups, pictures of profiles: each raises its user's share in each of the blobs by one. */
export function carriedBy({ kind, owner }: RowHome, row: Uint8Array): ReferenceRow {
  switch (kind) {
    case 'conversation reference': case 'conversation picture-reference': return decodeReference(row)
    case 'user profile': {
      const { profile, isPictureHeld } = decodeProfile(row)
      return isPictureHeld ? { user: owner ?? '', blobs: [profile.picture] } : NOTHING
    }
    default: return NOTHING
  }
}

/** Of the row of a holding. */
export function heldBlobAt(user: string, key: Uint8Array): string {
  return userKeys(user).nameAt(key)
}
