/** Blobs, holdings and uploads in memory: read when first needed, as the users and conversations that they concern. */
import { blobCopyKey, blobKeys, uploadKey, visitorHoldingKey } from '../../storage/blob-keys.js'
import type { Engine } from '../../storage/engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import { Residents } from '../shard/residents.js'
import { Resident } from '../shard/resident.js'
import {
  type BlobRow, type BlobTotals, decodeBlob, decodeContents, decodeHolding, decodeTotals, decodeUpload, type HoldingRow, type SharedContent, type UploadRow,
} from './rows.js'

/** Kept in memory beside those that a transaction holds: they are needed when a message carries one, and again when it ends. */
const BLOBS_RESIDENT_MAX = 4000
const UPLOADS_RESIDENT_MAX = 1000

/** Those in memory, in one life of the shard. */
export class BlobStates {
  readonly blobs: Residents<BlobState>
  readonly holdings: Residents<HoldingState>
  readonly uploads: Residents<UploadState>
  readonly totals: Residents<TotalsState>
  /** Of several shards: of blobs that are at home here. */
  readonly homes: Residents<HomeState>

  /** `mayGo`: whether nothing of it is uncommitted. `isAway`: whether a user is at home elsewhere; null: there is one shard. */
  constructor(engine: Engine, mayGo: (state: Resident) => boolean, defer: (task: () => void) => void, isAway: ((user: string) => boolean) | null) {
    this.blobs = new Residents(BLOBS_RESIDENT_MAX, (id) => loadBlob(engine, id, isAway !== null), mayGo, defer)
    this.holdings = new Residents(BLOBS_RESIDENT_MAX, (name) => loadHolding(engine, name, isAway ?? (() => false)), mayGo, defer)
    this.homes = new Residents(BLOBS_RESIDENT_MAX, (id) => loadHome(engine, id), mayGo, defer)
    this.uploads = new Residents(UPLOADS_RESIDENT_MAX, (id) => loadUpload(engine, id), mayGo, defer)
    // There is one.
    this.totals = new Residents(1, (name) => loadTotals(engine, name), mayGo, defer)
  }

  /** Throws everything away; see residents.ts. */
  close(): void {
    for (const states of [this.blobs, this.holdings, this.uploads, this.totals, this.homes]) states.close()
  }
}

/** `name` is the blob's id. */
export class BlobState extends Resident {
  readonly key: Uint8Array
  /** null: the shard holds no such blob, or not any more. */
  row: BlobRow | null = null
  /** How often it was let go since it is in memory. */
  drops = 0

  constructor(id: string, isOfSeveral: boolean) {
    super(id)
    this.key = isOfSeveral ? blobCopyKey(id) : blobKeys(id).meta()
  }
}

export class HoldingState extends Resident {
  readonly user: string
  readonly blob: string
  /** The user is at home elsewhere. */
  readonly isVisitors: boolean
  readonly key: Uint8Array
  /** null: the user does not hold the blob. */
  row: HoldingRow | null = null

  constructor(name: string, isAway: (user: string) => boolean) {
    super(name)
    const slash = name.indexOf('/')
    this.user = name.slice(0, slash)
    this.blob = name.slice(slash + 1)
    this.isVisitors = isAway(this.user)
    this.key = this.isVisitors ? visitorHoldingKey(this.user, this.blob) : userKeys(this.user).holding(this.blob)
  }
}

/** Which shards have to do with a blob; `name` is its id. */
export class HomeState extends Resident {
  readonly key: Uint8Array
  /** More than one where two shards were given the same content before either could be told of the other. */
  contents: readonly SharedContent[] = []

  constructor(id: string) {
    super(id)
    this.key = blobKeys(id).home()
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

async function loadBlob(engine: Engine, id: string, isOfSeveral: boolean): Promise<BlobState> {
  const state = new BlobState(id, isOfSeveral)
  const row = await engine.get(state.key)
  if (row !== undefined) state.row = decodeBlob(row)
  return state
}

async function loadHolding(engine: Engine, name: string, isAway: (user: string) => boolean): Promise<HoldingState> {
  const state = new HoldingState(name, isAway)
  const row = await engine.get(state.key)
  if (row !== undefined) state.row = decodeHolding(row)
  return state
}

async function loadHome(engine: Engine, id: string): Promise<HomeState> {
  const state = new HomeState(id)
  const row = await engine.get(state.key)
  if (row !== undefined) state.contents = decodeContents(row)
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
