/** Blobs, holdings and uploads in memory: read when first needed, as the users and conversations that they concern. */
import { uploadKey } from '../../storage/blob-keys.js'
import type { Engine } from '../../storage/engine.js'
import { blobKeys, userKeys } from '../../storage/keyspace.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import { Residents } from '../shard/residents.js'
import { Resident } from '../shard/state.js'
import { type BlobRow, type BlobTotals, decodeBlob, decodeHolding, decodeTotals, decodeUpload, type HoldingRow, type UploadRow } from './rows.js'

/** Kept in memory beside those that a transaction holds: they are needed when a message carries one, and again when it ends. */
const BLOBS_RESIDENT_MAX = 4000
const UPLOADS_RESIDENT_MAX = 1000

/** Those in memory, in one life of the shard. */
export class BlobStates {
  readonly blobs: Residents<BlobState>
  readonly holdings: Residents<HoldingState>
  readonly uploads: Residents<UploadState>
  readonly totals: Residents<TotalsState>

  /** `mayGo`: whether nothing of it is uncommitted. */
  constructor(engine: Engine, mayGo: (state: Resident) => boolean, defer: (task: () => void) => void) {
    this.blobs = new Residents(BLOBS_RESIDENT_MAX, (id) => loadBlob(engine, id), mayGo, defer)
    this.holdings = new Residents(BLOBS_RESIDENT_MAX, (name) => loadHolding(engine, name), mayGo, defer)
    this.uploads = new Residents(UPLOADS_RESIDENT_MAX, (id) => loadUpload(engine, id), mayGo, defer)
    // There is one.
    this.totals = new Residents(1, (name) => loadTotals(engine, name), mayGo, defer)
  }

  /** Throws everything away; see residents.ts. */
  close(): void {
    for (const states of [this.blobs, this.holdings, this.uploads, this.totals]) states.close()
  }
}

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

async function loadBlob(engine: Engine, id: string): Promise<BlobState> {
  const state = new BlobState(id)
  const row = await engine.get(blobKeys(id).meta())
  if (row !== undefined) state.row = decodeBlob(row)
  return state
}

async function loadHolding(engine: Engine, name: string): Promise<HoldingState> {
  const state = new HoldingState(name)
  const row = await engine.get(userKeys(state.user).holding(state.blob))
  if (row !== undefined) state.row = decodeHolding(row)
  return state
}

async function loadUpload(engine: Engine, id: string): Promise<UploadState> {
  const state = new UploadState(id)
  const row = await engine.get(uploadKey(id))
  if (row !== undefined) state.row = decodeUpload(row, id)
  return state
}

async function loadTotals(engine: Engine, name: string): Promise<TotalsState> {
  const state = new TotalsState(name)
  const row = await engine.get(shardMetaKey(TOTALS))
  if (row !== undefined) state.row = decodeTotals(row)
  return state
}
