/** Of every row of a shard's store what it is, and whose: where it belongs when the shard is split. */
import { blobListAt, endAt, eraseAt, isBlobCopyKey, isVisitorHoldingKey, releaseAt, uploadAt, uploadKey } from '../../storage/blob-keys.js'
import { isChannelKey } from '../../storage/channel-keys.js'
import { COPY_MARK_NAME } from '../../storage/copy.js'
import { type Engine, StorageError } from '../../storage/engine.js'
import { blobKeys, conversationKeys, ownerAt, userKeys } from '../../storage/keyspace.js'
import { expiryAt, inviteListAt, shardMetaNameAt, shardTableAt, userNameAt } from '../../storage/shard-keys.js'
import { decodeInvite } from '../accounts/invite-state.js'
import { decodeUpload } from '../holdings/rows.js'
import { TOTALS } from '../holdings/states.js'
import { reporterOf, REPORTS_META_NAME } from '../profiles/reports.js'

export interface RowHome {
  /** For counts: `user account`, `conversation log`, `names`… */
  readonly kind: string
  /** The user, conversation or other name in whose slot it belongs; null: it is the shard's own, and made anew. */
  readonly owner: string | null
}

/** What each of several shards has in rows of its own: see blob-rows.ts. */
export const BLOB = 'blob'
export const HOLDING = 'user holding'

/** What a shard knows of itself and each of several finds for itself: how many reports wait, how much its blobs take. */
const MADE_ANEW: ReadonlySet<string> = new Set([REPORTS_META_NAME, TOTALS, COPY_MARK_NAME])

/**
 * `engine`: which has the row, and others that it names. Rejects with StorageError('corrupt') for a row that is none of a server's, and with Refusal
 * for one that is in a shard of several alone.
 */
export async function rowHome(engine: Engine, key: Uint8Array, row: Uint8Array): Promise<RowHome> {
  const owner = ownerAt(key)
  if (owner === null) return reservedHome(engine, key, row)
  const { table, name } = owner
  switch (table) {
    case 'user': return { kind: `user ${userKeys(name).kindOf(key) ?? 'unknown'}`, owner: name }
    case 'conversation': return { kind: `conversation ${conversationKeys(name).kindOf(key) ?? 'unknown'}`, owner: name }
    case 'search': return { kind: 'search segment', owner: name }
    case 'blob':
      if (blobKeys(name).kindOf(key) !== 'meta') throw ofSeveral()
      return { kind: BLOB, owner: name }
  }
}

/** Of what the shard keeps for itself. */
async function reservedHome(engine: Engine, key: Uint8Array, row: Uint8Array): Promise<RowHome> {
  if (isChannelKey(key) || isBlobCopyKey(key) || isVisitorHoldingKey(key)) throw ofSeveral()
  const list = blobListAt(key)
  if (list !== null) return { kind: list, owner: await listOwner(engine, list, key, row) }
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

/** Whoever has what is to be done: then the same shard does it. */
async function listOwner(engine: Engine, list: NonNullable<ReturnType<typeof blobListAt>>, key: Uint8Array, row: Uint8Array): Promise<string> {
  switch (list) {
    case 'uploads': return decodeUpload(row, uploadAt(key)).upload.user
    case 'releases': return releaseAt(key).conversation
    // Nobody has it any more: any shard may erase it.
    case 'erases': return eraseAt(key).name
    case 'ends': {
      const { kind, name } = endAt(key)
      if (kind === 'loan') throw ofSeveral()
      return kind === 'hold' ? name.slice(0, name.indexOf('/')) : uploaderOf(engine, name)
    }
  }
}

async function uploaderOf(engine: Engine, id: string): Promise<string> {
  const row = await engine.get(uploadKey(id))
  if (row === undefined) throw new StorageError('corrupt', `the end of upload ${id} is listed, and there is no such upload`)
  return decodeUpload(row, id).upload.user
}

function ofSeveral(): Refusal {
  return new Refusal('it is one shard of several already')
}

/** The data can't be split, for a reason that the operator has to know. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}
