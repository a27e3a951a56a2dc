/** Of every row of a shard's store what it is, and whose: where it belongs when the shard is split. Pure. */
import { COPY_MARK_NAME } from '../../storage/copy.js'
import { StorageError } from '../../storage/engine.js'
import { conversationKeys, ownerAt, userKeys } from '../../storage/keyspace.js'
import { isBlobListKey } from '../../storage/blob-keys.js'
import { isChannelKey } from '../../storage/channel-keys.js'
import { expiryAt, inviteListAt, shardMetaNameAt, shardTableAt, userNameAt } from '../../storage/shard-keys.js'
import { decodeInvite } from '../accounts/invite-state.js'
import { TOTALS } from '../holdings/states.js'
import { reporterOf, REPORTS_META_NAME } from '../profiles/reports.js'

export interface RowHome {
  /** For counts: `user account`, `conversation log`, `names`… */
  readonly kind: string
  /** The user, conversation or other name in whose slot it belongs; null: it is the shard's own, and made anew. */
  readonly owner: string | null
}

/** Of several shards each has other rows of blobs, which nobody makes of these yet: what says that one is there must not be lost without a word. */
const BLOB_KINDS: ReadonlySet<string> = new Set(['conversation reference', 'conversation picture-reference', 'user holding'])

/** What a shard knows of itself and each of several finds for itself: how many reports wait, how much its blobs take. */
const MADE_ANEW: ReadonlySet<string> = new Set([REPORTS_META_NAME, TOTALS, COPY_MARK_NAME])

/** Throws StorageError('corrupt') for a row that is none of a server's, and Refusal for one that can't be in a shard of several. */
export function rowHome(key: Uint8Array, row: Uint8Array): RowHome {
  const owner = ownerAt(key)
  if (owner === null) return reservedHome(key, row)
  const kind = kindOf(owner, key)
  if (owner.table === 'blob' || BLOB_KINDS.has(kind)) throw new Refusal('it holds pictures and files, which can\'t be split yet')
  return { kind, owner: owner.name }
}

function kindOf({ table, name }: NonNullable<ReturnType<typeof ownerAt>>, key: Uint8Array): string {
  switch (table) {
    case 'user': return `user ${userKeys(name).kindOf(key) ?? 'unknown'}`
    case 'conversation': return `conversation ${conversationKeys(name).kindOf(key) ?? 'unknown'}`
    case 'search': return 'search segment'
    case 'blob': return 'blob'
  }
}

/** Of what the shard keeps for itself. */
function reservedHome(key: Uint8Array, row: Uint8Array): RowHome {
  if (isBlobListKey(key)) throw new Refusal('blobs are being uploaded to it, or erased from it')
  if (isChannelKey(key)) throw new Refusal('it is one shard of several already')
  const kind = shardTableAt(key)
  switch (kind) {
    case 'names': return { kind, owner: userNameAt(key) }
    case 'invites': return { kind, owner: inviteListAt(key) ?? decodeInvite(row).maker }
    case 'reports': return { kind, owner: reporterOf(row) }
    case 'expiries': return { kind, owner: expiryAt(key).conversation }
    case 'meta':
      if (!MADE_ANEW.has(shardMetaNameAt(key))) throw new StorageError('corrupt', `a row of the shard's own that this version does not know: ${shardMetaNameAt(key)}`)
      return { kind, owner: null }
    case null: throw new StorageError('corrupt', `a row of an unknown table: ${Buffer.from(key).toString('hex')}`)
  }
}

/** The data can't be split, for a reason that the operator has to know. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
