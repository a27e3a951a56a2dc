/**
 * Who holds which blob, and what it costs: every change of it is made here, in the transaction that is open and in one turn, with all states
 * it needs in memory. Pure: nothing is read.
 *
 *     holding    a user's share in a blob: references + a time until which it is held without any
 *     blob       goes with its last holding, and its keys with it; only when that is on disk its objects are erased
 *     reference  row of the conversation: which blobs a message, or a picture, carries, and whose share that raises
 *     release    what ended, by conversation and seqs: its references are lowered later, see sweeps.ts
 */
import { endKey, eraseKey, releaseKey, type ReleaseKind, uploadKey } from '../../storage/blob-keys.js'
import { blobKeys } from '../../storage/keyspace.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import type { Blob, StoredRendition, Upload } from '../blobs/blob-router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { ConversationState, UserState } from '../shard/state.js'
import type { Transaction } from '../shard/transaction.js'
import {
  type BlobRow, type BlobTotals, type BlobUse, encodeBlob, encodeBlobUse, encodeHolding, encodeReference, encodeTotals, encodeUpload, type HoldingRow,
  LISTED, NO_BLOB_USE, type UploadRow,
} from './rows.js'
import { type BlobState, type HoldingState, TOTALS, type TotalsState, type UploadState } from './states.js'

/**
 * A put into the store may still be under way when its upload ends: what it has put is erased no earlier than this much later, or it
 * would lie there for ever.
 */
export const LATE_PUT_MS = 600_000

/** What an upload has once it is a blob. */
const NO_KEY = new Uint8Array(0)

/** A user's share, with all that changes where it ends. */
export interface HeldBlob {
  readonly user: UserState
  readonly holding: HoldingState
  readonly blob: BlobState
  readonly totals: TotalsState
}

/** What is listed by time, or at once, to be done. */
export type BlobList = 'ends' | 'releases' | 'erases'

export interface LedgerHost {
  readonly environment: Pick<ShardEnvironment, 'blobs'>
  /** The one that fills at present. */
  readonly transaction: Transaction
  /** Something is listed that has to be done then (Unix time, ms); 0: at once. */
  wakeBlobs(list: BlobList, dueMs: number): void
}

export class BlobLedger {
  readonly #host: LedgerHost

  constructor(host: LedgerHost) {
    this.#host = host
  }

  // ——— Holdings ———

  /** The user holds the blob, which exists, until then at least; it may have done so before. [BLB-14] */
  hold({ user, holding, blob }: HeldBlob, untilMs: number): void {
    const { transaction } = this.#host
    const before = holding.row
    if (blob.row === null) throw new TypeError('a blob that does not exist is not held')
    const { content } = blob.row.blob
    if (before === null) {
      this.#setBlob(blob, { ...blob.row, holders: blob.row.holders + 1 })
      this.#setUse(user, { ...user.blobUse, heldBytes: user.blobUse.heldBytes + content.size })
    } else if (before.heldUntilMs > 0) transaction.batch.delete(endKey(before.heldUntilMs, 'hold', holding.name))
    const heldUntilMs = Math.max(untilMs, before?.heldUntilMs ?? 0)
    this.#setHolding(user, holding, { references: before?.references ?? 0, heldUntilMs, size: content.size, type: content.type })
    transaction.batch.put(endKey(heldUntilMs, 'hold', holding.name), LISTED)
    this.#host.wakeBlobs('ends', heldUntilMs)
  }

  /** A message or a picture of the user carries it from now on. */
  refer(user: UserState, holding: HoldingState): void {
    if (holding.row === null) throw new TypeError('what is not held is not referred to')
    this.#setHolding(user, holding, { ...holding.row, references: holding.row.references + 1 })
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

  #settle(held: HeldBlob, row: HoldingRow): void {
    if (row.references === 0 && row.heldUntilMs === 0) this.#drop(held, row.size)
    else this.#setHolding(held.user, held.holding, row)
  }

  /** With the last holding the blob is gone, and with its row its keys. [BLB-22] */
  #drop({ user, holding, blob, totals }: HeldBlob, size: number): void {
    this.#setHolding(user, holding, null)
    this.#setUse(user, { ...user.blobUse, heldBytes: user.blobUse.heldBytes - size })
    if (blob.row === null) return
    const holders = blob.row.holders - 1
    if (holders > 0) {
      this.#setBlob(blob, { ...blob.row, holders })
      return
    }
    const gone = blob.row.blob
    this.#setBlob(blob, null)
    this.#setTotals(totals, { ...totals.row, storedBytes: totals.row.storedBytes - storedBytesOf(gone) })
    this.erase(objectsOf(gone), 0)
  }

  // ——— Blobs ———

  /**
   * A blob's content and renditions are in the store. Where the blob is there already it gets what it lacks, and the rest, put in vain, is
   * erased. It has to be held in the same turn.
   */
  addBlob(state: BlobState, blob: Blob, totals: TotalsState): Blob {
    const known = state.row?.blob ?? null
    const merged = known === null ? blob : mergedBlob(known, blob)
    this.#setBlob(state, { blob: merged, holders: state.row?.holders ?? 0 })
    const before = known === null ? 0 : storedBytesOf(known)
    this.#setTotals(totals, { ...totals.row, storedBytes: totals.row.storedBytes - before + storedBytesOf(merged) })
    return merged
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
  carry({ keys }: ConversationState, seq: number, user: UserState, holdings: readonly HoldingState[]): void {
    for (const holding of holdings) this.refer(user, holding)
    this.#host.transaction.batch.put(keys.reference(seq), encodeReference({ user: user.name, blobs: holdings.map(({ blob }) => blob) }))
  }

  /** The change with this seq has made it the picture of the group. */
  carryPicture({ keys }: ConversationState, seq: number, user: UserState, holding: HoldingState): void {
    this.refer(user, holding)
    this.#host.transaction.batch.put(keys.pictureReference(seq), encodeReference({ user: user.name, blobs: [holding.blob] }))
  }

  /** What these carried is over; nothing is read, it is lowered later. [BLB-13] */
  release(conversation: string, kind: ReleaseKind, first: number, last: number): void {
    this.#host.transaction.batch.put(releaseKey(conversation, kind, first, last), LISTED)
    this.#host.wakeBlobs('releases', 0)
  }

  // ——— Rows ———

  #setHolding(user: UserState, holding: HoldingState, row: HoldingRow | null): void {
    const { transaction } = this.#host
    holding.row = row
    transaction.touch(holding)
    if (row === null) transaction.batch.delete(user.keys.holding(holding.blob))
    else transaction.batch.put(user.keys.holding(holding.blob), encodeHolding(row))
  }

  #setBlob(state: BlobState, row: BlobRow | null): void {
    const { transaction } = this.#host
    state.row = row
    transaction.touch(state)
    if (row === null) transaction.batch.delete(blobKeys(state.name).meta())
    else transaction.batch.put(blobKeys(state.name).meta(), encodeBlob(row))
  }

  #setUpload(state: UploadState, row: UploadRow | null): void {
    const { transaction } = this.#host
    state.row = row
    transaction.touch(state)
    if (row === null) transaction.batch.delete(uploadKey(state.name))
    else transaction.batch.put(uploadKey(state.name), encodeUpload(row))
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

/** Names of all that the store has of a blob. */
export function objectsOf({ content, renditions }: Blob): string[] {
  return [content.object, ...renditions.map(({ object }) => object)]
}

/** Whether it can be the picture of a profile or a group. */
export function hasSquares({ renditions }: Blob): boolean {
  return renditions.some(({ kind }) => kind === 'square-640') && renditions.some(({ kind }) => kind === 'square-96')
}

function storedBytesOf({ content, renditions }: Blob): number {
  return renditions.reduce((sum, { size }) => sum + size, content.size)
}

/** The same content, as it is in the store already, with what only the other one has. */
function mergedBlob(known: Blob, other: Blob): Blob {
  const missing = other.renditions.filter(({ kind }) => !known.renditions.some((rendition: StoredRendition) => rendition.kind === kind))
  const { width, height, placeholder } = known.width > 0 ? known : other
  return { content: known.content, width, height, placeholder, renditions: [...known.renditions, ...missing] }
}
