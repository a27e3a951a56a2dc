/**
 * Who holds which blob, and what it costs: every change of it is made here, in the transaction that is open and in one turn, with all states
 * it needs in memory. Pure: nothing is read.
 *
 *     holding    a user's share in a blob: references + a time until which it is held without any
 *     blob       goes with its last holding, and its keys with it; only when that is on disk its objects are erased
 *     reference  row of the conversation: which blobs a message, or a picture, carries, and whose share that raises
 *     release    what ended, by conversation and seqs: its references are lowered later, see sweeps.ts
 *
 * Of several shards each does this for what is said, and for the users who are, at home there; whether the bytes go is said by the blob's home
 * (homes.ts), which is told of the first holding in a shard and of the last (shares.ts).
 */
import { endKey, eraseKey, releaseKey, type ReleaseKind, uploadKey } from '../../storage/blob-keys.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import type { Blob, Upload } from '../blobs/blob-router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { UserState } from '../shard/user-state.js'
import type { CarriedPart } from './carried.js'
import { type BlobHome, BlobHomes, contentFor, type HomesHost, type Lent } from './homes.js'
import { mergedBlob, objectsOf, storedBytesOf } from './merge.js'
import {
  type BlobRow, type BlobTotals, type BlobUse, encodeBlob, encodeBlobUse, encodeHolding, encodeReference, encodeTotals, encodeUpload, type HeldFacts,
  type HoldingRow, keepsBlob, LISTED, NO_BLOB_USE, type UploadRow,
} from './rows.js'
import { Shares, type SharesHost } from './shares.js'
import { type BlobState, type HoldingState, TOTALS, type TotalsState, type UploadState } from './states.js'

/**
 * A put into the store may still be under way when its upload ends: what it has put is erased no earlier than this much later, or it
 * would lie there for ever.
 */
const LATE_PUT_MS = 600_000

/** What an upload has once it is a blob. */
const NO_KEY = new Uint8Array(0)

/** A user's share, with all that changes where it ends. */
export interface HeldBlob {
  /** null: at home in another shard, where the quota is counted. */
  readonly user: UserState | null
  readonly holding: HoldingState
  readonly blob: BlobState
  readonly totals: TotalsState
  /** null: there is one shard, or the blob is at home in another. */
  readonly home: BlobHome | null
  /** What the blob's home, where that is another shard, was asked for; null: nothing, or it has nothing. */
  readonly lent: Lent | null
  /** How often the shard had let it go when that was asked: what was told before another time is worth nothing. */
  readonly drops: number
}

/** What somebody is about to do with a blob. */
export interface Claim extends HeldBlob {
  /** null: the user does not hold it. */
  readonly facts: HeldFacts | null
}

/** What is listed by time, or at once, to be done. */
export type BlobList = 'ends' | 'releases' | 'erases'

export interface LedgerHost extends SharesHost, HomesHost {
  readonly environment: Pick<ShardEnvironment, 'blobs' | 'federation' | 'limits'>
  /** Something is listed that has to be done then (Unix time, ms); 0: at once. */
  wakeBlobs(list: BlobList, dueMs: number): void
}

export class BlobLedger {
  readonly #host: LedgerHost
  /** Of several shards: what is kept of blobs that are at home here. */
  readonly homes: BlobHomes
  /** null: there is one shard. */
  readonly #shares: Shares | null

  constructor(host: LedgerHost) {
    this.#host = host
    this.homes = new BlobHomes(host, this)
    const { federation } = host.environment
    this.#shares = federation === undefined ? null : new Shares(host, federation.shard, this.homes)
  }

  // ——— Holdings ———

  /** The user holds the blob, which the shard has or was lent, until then at least; it may have done so before. [BLB-14] */
  hold(held: HeldBlob, untilMs: number): void {
    const { transaction } = this.#host
    const { user, holding } = held
    const before = holding.row
    const { content } = this.#keep(held)
    if (before === null) this.#use(user, content.size)
    else if (before.heldUntilMs > 0) transaction.batch.delete(endKey(before.heldUntilMs, 'hold', holding.name))
    const heldUntilMs = Math.max(untilMs, before?.heldUntilMs ?? 0)
    this.#setHolding(holding, { ...startOf(before, content), heldUntilMs })
    transaction.batch.put(endKey(heldUntilMs, 'hold', holding.name), LISTED)
    this.#host.wakeBlobs('ends', heldUntilMs)
  }

  /** A message or a picture of the user carries what it holds from now on. */
  refer(holding: HoldingState): void {
    if (!keepsBlob(holding.row) || holding.row === null) throw new TypeError('what is not held is not referred to')
    this.#setHolding(holding, { ...holding.row, references: holding.row.references + 1 })
  }

  /** The same where the shard may have to take the blob for it. */
  take(held: HeldBlob): void {
    const { user, holding } = held
    if (!keepsBlob(holding.row)) {
      const { content } = this.#keep(held)
      if (holding.row === null) this.#use(user, content.size)
      this.#setHolding(holding, { ...startOf(holding.row, content), references: 1 })
    } else this.refer(holding)
  }

  /** One message or picture does not carry it any more. */
  unrefer(held: HeldBlob): void {
    const { row } = held.holding
    if (row === null || row.references === 0) return
    this.#settle(held, { ...row, references: row.references - 1 })
  }

  /** The time is over for which it is held without a reference. */
  endHold(held: HeldBlob): void {
    const { row } = held.holding
    if (row === null || row.heldUntilMs === 0) return
    this.#host.transaction.batch.delete(endKey(row.heldUntilMs, 'hold', held.holding.name))
    this.#settle(held, { ...row, heldUntilMs: 0 })
  }

  /** Messages of the user carry the blob in another shard, or do so no more: it holds it for these as well, and needs no bytes here for it. */
  carriedElsewhere(user: UserState, holding: HoldingState, shard: number, facts: HeldFacts, isCarried: boolean): void {
    const before = holding.row
    const others = before?.elsewhere.filter((each) => each !== shard) ?? []
    if (before === null && isCarried) this.#use(user, facts.size)
    const row = { ...startOf(before, facts), elsewhere: isCarried ? [...others, shard] : others }
    const isOver = !keepsBlob(row) && row.elsewhere.length === 0
    if (before !== null && isOver) this.#use(user, -before.size)
    if (before !== null || isCarried) this.#setHolding(holding, isOver ? null : row)
  }

  #settle(held: HeldBlob, row: HoldingRow): void {
    const { user, holding } = held
    const isLetGo = keepsBlob(holding.row) && !keepsBlob(row)
    const isOver = !keepsBlob(row) && row.elsewhere.length === 0
    this.#setHolding(holding, isOver ? null : row)
    if (isOver) this.#use(user, -row.size)
    if (isLetGo) this.#letGo(held)
  }

  /** The shard has the blob for one more holding, unless it has it for this one already. */
  #keep(held: HeldBlob): Blob {
    const { blob, holding, home, lent } = held
    const offered = blob.row === null ? this.offered(held) : null
    const row = blob.row ?? (offered === null ? null : { blob: offered, holders: 0 })
    if (row === null) throw new TypeError('a blob that does not exist is not held')
    if (blob.row === null || lent !== null) this.#shares?.hold(home, row.blob, lent?.number ?? 0)
    if (!keepsBlob(holding.row)) this.#setBlob(blob, { ...row, holders: row.holders + 1 })
    return row.blob
  }

  /** What the shard would have of a blob that it does not have yet; null: nothing. */
  offered({ lent, home, blob, drops }: HeldBlob): Blob | null {
    if (home !== null) return contentFor(home.state, this.#host.environment.federation?.shard ?? 0)?.blob ?? null
    return lent === null || blob.drops !== drops ? null : lent.blob
  }

  /** With the last holding the shard's blob is gone, and with its row its keys; whether its bytes are, of several shards its home says. [BLB-22] */
  #letGo({ blob, totals, home }: HeldBlob): void {
    if (blob.row === null) return
    const holders = blob.row.holders - 1
    if (holders > 0) {
      this.#setBlob(blob, { ...blob.row, holders })
      return
    }
    const gone = blob.row.blob
    blob.drops++
    this.#setBlob(blob, null)
    if (this.#shares !== null) {
      this.#shares.drop(home, blob.name)
      return
    }
    this.#setTotals(totals, { ...totals.row, storedBytes: totals.row.storedBytes - storedBytesOf(gone) })
    this.erase(objectsOf(gone), 0)
  }

  // ——— Blobs ———

  /**
   * A blob's content and renditions are in the store. Where the blob is there already it gets what it lacks, and the rest, put in vain, is
   * erased. It has to be held in the same turn.
   */
  addBlob(held: HeldBlob, blob: Blob): Blob {
    const { blob: state, totals, home, lent } = held
    const known = state.row?.blob ?? this.offered(held)
    const merged = known === null ? blob : mergedBlob(known, blob)
    this.#setBlob(state, { blob: merged, holders: state.row?.holders ?? 0 })
    // Bytes of its own the home does not know yet.
    if (this.#shares !== null) this.#shares.hold(home, merged, known === null ? 0 : lent?.number ?? 0)
    else this.stores(totals, storedBytesOf(merged) - (known === null ? 0 : storedBytesOf(known)))
    return merged
  }

  /** So many more bytes are in the store. */
  stores(totals: TotalsState, bytes: number): void {
    this.#setTotals(totals, { ...totals.row, storedBytes: totals.row.storedBytes + bytes })
  }

  /** What of these no blob names is erased, at once or at that time; only after the commit, by sweeps.ts. */
  erase(objects: readonly string[], atMs: number): void {
    const { transaction } = this.#host
    for (const object of objects) transaction.batch.put(eraseKey(atMs, 'object', object), LISTED)
    if (objects.length === 0) return
    this.#host.environment.blobs?.forgotten?.(objects)
    this.#host.wakeBlobs('erases', atMs)
  }

  // ——— Uploads ———

  begin(user: UserState, state: UploadState, upload: Upload, totals: TotalsState): void {
    this.#setUpload(state, { upload, objects: [], blob: '' })
    this.#host.transaction.batch.put(endKey(upload.expiresMs, 'upload', upload.id), LISTED)
    this.#setUse(user, { ...user.blobUse, uploads: [...user.blobUse.uploads, { id: upload.id, size: upload.size }] })
    this.#setTotals(totals, { ...totals.row, underWayBytes: totals.row.underWayBytes + upload.size })
    this.#host.wakeBlobs('ends', upload.expiresMs)
  }

  /** It lies for no longer than until then. [BLB-5] */
  renew(state: UploadState, row: UploadRow, expiresMs: number): Upload {
    const { batch } = this.#host.transaction
    const upload = { ...row.upload, expiresMs: Math.max(expiresMs, row.upload.expiresMs) }
    batch.delete(endKey(row.upload.expiresMs, 'upload', upload.id))
    batch.put(endKey(upload.expiresMs, 'upload', upload.id), LISTED)
    this.#setUpload(state, { ...row, upload })
    return upload
  }

  /** These names belong to it. */
  storing(state: UploadState, row: UploadRow, objects: readonly string[]): void {
    this.#setUpload(state, { ...row, objects: [...new Set([...row.objects, ...objects])] })
  }

  /** It is over, and has become this blob, which is remembered until it would have ended. What it put in vain, or an earlier attempt did, goes. */
  complete(user: UserState, state: UploadState, row: UploadRow, put: Blob, blob: Blob, totals: TotalsState, nowMs: number): void {
    // The key is the blob's alone from now on, and goes with it: who asks what became of the upload needs none. [BLB-22]
    this.#setUpload(state, { upload: { ...row.upload, key: NO_KEY }, objects: [], blob: blob.content.hash })
    this.#endUnderWay(user, row, totals)
    const kept = new Set(objectsOf(blob))
    this.erase([...new Set([...row.objects, ...objectsOf(put)])].filter((object) => !kept.has(object)), nowMs + LATE_PUT_MS)
  }

  /** It is over, and nothing of it remains. */
  endUpload(user: UserState, state: UploadState, row: UploadRow, totals: TotalsState, nowMs: number): void {
    const { batch } = this.#host.transaction
    this.#setUpload(state, null)
    batch.delete(endKey(row.upload.expiresMs, 'upload', row.upload.id))
    if (row.blob !== '') return
    this.#endUnderWay(user, row, totals)
    this.erase(row.objects, nowMs + LATE_PUT_MS)
  }

  #endUnderWay(user: UserState, { upload }: UploadRow, totals: TotalsState): void {
    this.#setUse(user, { ...user.blobUse, uploads: user.blobUse.uploads.filter(({ id }) => id !== upload.id) })
    this.#setTotals(totals, { ...totals.row, underWayBytes: totals.row.underWayBytes - upload.size })
    this.#host.transaction.batch.put(eraseKey(0, 'staged', upload.id), LISTED)
    this.#host.wakeBlobs('erases', 0)
  }

  // ——— What carries blobs ———

  /** The message with this seq carries what its sender holds. [BLB-12] */
  carry({ keys }: ConversationState, seq: number, user: string, parts: readonly CarriedPart[]): void {
    for (const { holding, claim } of parts) {
      if (claim === null) this.refer(holding)
      else this.take(claim)
    }
    this.#host.transaction.batch.put(keys.reference(seq), encodeReference({ user, blobs: parts.map(({ holding }) => holding.blob) }))
  }

  /** The change with this seq has made it the picture of the group. */
  carryPicture({ keys }: ConversationState, seq: number, claim: Claim): void {
    const { user, blob } = claim.holding
    this.take(claim)
    this.#host.transaction.batch.put(keys.pictureReference(seq), encodeReference({ user, blobs: [blob] }))
  }

  /** What these carried is over; nothing is read, it is lowered later. [BLB-13] */
  release(conversation: string, kind: ReleaseKind, first: number, last: number): void {
    this.#host.transaction.batch.put(releaseKey(conversation, kind, first, last), LISTED)
    this.#host.wakeBlobs('releases', 0)
  }

  // ——— Rows ———

  #setHolding(holding: HoldingState, row: HoldingRow | null): void {
    const { transaction } = this.#host
    const before = holding.row
    holding.row = row
    transaction.touch(holding)
    if (row === null) transaction.batch.delete(holding.key)
    else transaction.batch.put(holding.key, encodeHolding(row))
    const facts = row ?? before
    if (holding.isVisitors && facts !== null && (before === null) !== (row === null)) this.#shares?.carries(holding, facts, row !== null)
  }

  #setBlob(state: BlobState, row: BlobRow | null): void {
    const { transaction } = this.#host
    state.row = row
    transaction.touch(state)
    if (row === null) transaction.batch.delete(state.key)
    else transaction.batch.put(state.key, encodeBlob(row))
  }

  #setUpload(state: UploadState, row: UploadRow | null): void {
    const { transaction } = this.#host
    state.row = row
    transaction.touch(state)
    if (row === null) transaction.batch.delete(uploadKey(state.name))
    else transaction.batch.put(uploadKey(state.name), encodeUpload(row))
  }

  /** Of who is at home elsewhere its home counts. */
  #use(user: UserState | null, bytes: number): void {
    if (user !== null) this.#setUse(user, { ...user.blobUse, heldBytes: user.blobUse.heldBytes + bytes })
  }

  #setUse(user: UserState, use: BlobUse): void {
    const { transaction } = this.#host
    const isNone = use.heldBytes === 0 && use.uploads.length === 0
    user.blobUse = isNone ? NO_BLOB_USE : use
    transaction.touch(user)
    if (isNone) transaction.batch.delete(user.keys.blobUse())
    else transaction.batch.put(user.keys.blobUse(), encodeBlobUse(use))
  }

  #setTotals(state: TotalsState, row: BlobTotals): void {
    const { transaction } = this.#host
    state.row = row
    transaction.touch(state)
    transaction.batch.put(shardMetaKey(TOTALS), encodeTotals(row))
  }
}

/** What of a user's quota is taken. */
export function usedBytes({ heldBytes, uploads }: BlobUse): number {
  return uploads.reduce((sum, { size }) => sum + size, heldBytes)
}

/** Whether it can be the picture of a profile or a group. */
export function hasSquares({ renditions }: Blob): boolean {
  return renditions.some(({ kind }) => kind === 'square-640') && renditions.some(({ kind }) => kind === 'square-96')
}

/** A holding's row before what is about to be added. */
function startOf(row: HoldingRow | null, { size, type }: HeldFacts): HoldingRow {
  return { references: row?.references ?? 0, heldUntilMs: row?.heldUntilMs ?? 0, size, type, elsewhere: row?.elsewhere ?? NOWHERE }
}

const NOWHERE: readonly number[] = []
