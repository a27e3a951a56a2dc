/** Blobs, holdings and uploads in memory: read when first needed, as the users and conversations that they concern. */
import { uploadKey } from '../../storage/blob-keys.js'
import type { Engine } from '../../storage/engine.js'
import { blobKeys, userKeys } from '../../storage/keyspace.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import { Resident } from '../shard/state.js'
import { type BlobRow, type BlobTotals, decodeBlob, decodeHolding, decodeTotals, decodeUpload, type HoldingRow, type UploadRow } from './rows.js'

/** `name` is the blob's id. */
export class BlobState extends Resident {
  /** null: there is no such blob, or none any more. */
  row: BlobRow | null = null
}

export class HoldingState extends Resident {
  readonly user: string
  readonly blob: string
  /** null: the user does not hold the blob. */
  row: HoldingRow | null = null

  constructor(name: string) {
    super(name)
    const slash = name.indexOf('/')
    this.user = name.slice(0, slash)
    this.blob = name.slice(slash + 1)
  }
}

/** `name` is the upload's id. */
export class UploadState extends Resident {
  /** null: there is no such upload. */
  row: UploadRow | null = null
}

/** The one and only. */
export class TotalsState extends Resident {
  row: BlobTotals = { storedBytes: 0, underWayBytes: 0 }
}

export const TOTALS = 'blobs'

export function holdingName(user: string, blob: string): string {
  return `${user}/${blob}`
}

export async function loadBlob(engine: Engine, id: string): Promise<BlobState> {
  const state = new BlobState(id)
  const row = await engine.get(blobKeys(id).meta())
  if (row !== undefined) state.row = decodeBlob(row)
  return state
}

export async function loadHolding(engine: Engine, name: string): Promise<HoldingState> {
  const state = new HoldingState(name)
  const row = await engine.get(userKeys(state.user).holding(state.blob))
  if (row !== undefined) state.row = decodeHolding(row)
  return state
}

export async function loadUpload(engine: Engine, id: string): Promise<UploadState> {
  const state = new UploadState(id)
  const row = await engine.get(uploadKey(id))
  if (row !== undefined) state.row = decodeUpload(row, id)
  return state
}

export async function loadTotals(engine: Engine, name: string): Promise<TotalsState> {
  const state = new TotalsState(name)
  const row = await engine.get(shardMetaKey(TOTALS))
  if (row !== undefined) state.row = decodeTotals(row)
  return state
}
