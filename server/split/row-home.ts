/** Of every row of a shard's store what it is, and whose: where it belongs when there are other shards. */
import { blobKeys, blobListAt, endAt, eraseAt, isBlobCopyKey, isVisitorHoldingKey, releaseAt, uploadAt, uploadKey } from '../../storage/blob-keys.js'
import { isChannelKey, isVisitorKey } from '../../storage/channel-keys.js'
import { COPY_MARK_NAME } from '../../storage/copy-mark.js'
import { type Engine, StorageError } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { ownerAt } from '../../storage/owner-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { expiryAt, inviteListAt, shardMetaNameAt, shardTableAt, userNameAt } from '../../storage/shard-keys.js'
import { decodeInvite } from '../accounts/invite-state.js'
import { decodeUpload } from '../holdings/rows.js'
import { TOTALS } from '../holdings/states.js'
import { reporterOf, REPORTS_META_NAME } from '../profiles/reports.js'
import { partOfAnother } from './refusal.js'

export interface RowHome {
  /** For counts: `user account`, `conversation log`, `names`… */
  readonly kind: string
  /** The user, conversation or other name in whose slot it belongs; null: it is the shard's own. */
  readonly owner: string | null
}

/** A blob, where there is one shard. */
export const BLOB = 'blob'
/** Of several: which of them have it; and what each of these has of it. */
export const BLOB_HOME = 'blob home'
export const BLOB_COPY = 'blob copy'
/** What a user holds at home, and in another of several shards. */
export const HOLDING = 'user holding'
export const VISITOR_HOLDING = 'visitor holding'

const OF_SEVERAL: ReadonlySet<string> = new Set([BLOB_HOME, BLOB_COPY, VISITOR_HOLDING, 'visitors', 'channels', 'loans'])
const OF_BLOBS: ReadonlySet<string> = new Set([BLOB, BLOB_HOME, BLOB_COPY, HOLDING, VISITOR_HOLDING])

/** What a shard knows of itself and each finds for itself: how many reports wait, how much its blobs take. */
const OF_ITSELF: ReadonlySet<string> = new Set([REPORTS_META_NAME, TOTALS, COPY_MARK_NAME])

/** It depends on how many shards there are, and is made of the others (blob-rows.ts, split-data.ts), or is of no use any more. */
export function isMadeAnew({ kind, owner }: RowHome): boolean {
  return owner === null || OF_BLOBS.has(kind)
}

/** Throws for a row that a server with so many shards has not: Refusal where the directory is a part of another. */
export function mustFit({ kind }: RowHome, isOne: boolean): void {
  if (isOne && OF_SEVERAL.has(kind)) throw partOfAnother()
  if (!isOne && kind === BLOB) throw new StorageError('corrupt', 'one of several shards has a row of a server with one')
}

/** `engine`: which has the row, and others that it names. Rejects with StorageError('corrupt') for a row that is none of a server's. */
export async function rowHome(engine: Engine, key: Uint8Array, row: Uint8Array): Promise<RowHome> {
  const owner = ownerAt(key)
  if (owner === null) return reservedHome(engine, key, row)
  const { table, name } = owner
  switch (table) {
    case 'user': return { kind: `user ${userKeys(name).kindOf(key) ?? 'unknown'}`, owner: name }
    case 'conversation': return { kind: `conversation ${conversationKeys(name).kindOf(key) ?? 'unknown'}`, owner: name }
    case 'search': return { kind: 'search segment', owner: name }
    case 'blob': return { kind: blobKeys(name).kindOf(key) === 'meta' ? BLOB : BLOB_HOME, owner: name }
  }
}

/** Of what the shard keeps for itself. */
async function reservedHome(engine: Engine, key: Uint8Array, row: Uint8Array): Promise<RowHome> {
  if (isVisitorKey(key)) return { kind: 'visitors', owner: null }
  if (isChannelKey(key)) return { kind: 'channels', owner: null }
  if (isBlobCopyKey(key)) return { kind: BLOB_COPY, owner: null }
  if (isVisitorHoldingKey(key)) return { kind: VISITOR_HOLDING, owner: null }
  const list = blobListAt(key)
  if (list !== null) return listHome(engine, list, key, row)
  const kind = shardTableAt(key)
  switch (kind) {
    case 'names': return { kind, owner: userNameAt(key) }
    case 'invites': return { kind, owner: inviteListAt(key) ?? decodeInvite(row).maker }
    case 'reports': return { kind, owner: reporterOf(row) }
    case 'expiries': return { kind, owner: expiryAt(key).conversation }
    case 'journal': throw new StorageError('corrupt', 'a journal of queues that was not written out')
    case 'meta':
      if (!OF_ITSELF.has(shardMetaNameAt(key))) throw new StorageError('corrupt', `a row of the shard's own that this version does not know: ${shardMetaNameAt(key)}`)
      return { kind, owner: null }
    case null: throw new StorageError('corrupt', `a row of an unknown table: ${Buffer.from(key).toString('hex')}`)
  }
}

/** Whoever has what is to be done: then the same shard does it. */
async function listHome(engine: Engine, kind: NonNullable<ReturnType<typeof blobListAt>>, key: Uint8Array, row: Uint8Array): Promise<RowHome> {
  switch (kind) {
    case 'uploads': return { kind, owner: decodeUpload(row, uploadAt(key)).upload.user }
    case 'releases': return { kind, owner: releaseAt(key).conversation }
    // Nobody has it any more: any shard may erase it.
    case 'erases': return { kind, owner: eraseAt(key).name }
    case 'ends': {
      const end = endAt(key)
      // Nothing is under way for which a shard could have borrowed something.
      if (end.kind === 'loan') return { kind: 'loans', owner: null }
      return { kind, owner: end.kind === 'hold' ? end.name.slice(0, end.name.indexOf('/')) : await uploaderOf(engine, end.name) }
    }
  }
}

async function uploaderOf(engine: Engine, id: string): Promise<string> {
  const row = await engine.get(uploadKey(id))
  if (row === undefined) throw new StorageError('corrupt', `the end of upload ${id} is listed, and there is no such upload`)
  return decodeUpload(row, id).upload.user
}
