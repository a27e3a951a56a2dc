/**
 * Who holds which blob, as the new shards have it of what the old ones had: see holdings/. Each shard counts the references of a user to a blob that lie in
 * it, so they are counted anew, one by one, in whatever order rows come.
 *
 *     blob       its home's row, with the shards that have it; in each of these a row with how many hold it there. Of one shard both are one row
 *     holding    at its user's home what is carried there, its time, and in which other shards it is carried; in each of these what is carried in it
 */
import { blobCopyKey, blobKeys, visitorHoldingKey } from '../../storage/blob-keys.js'
import type { Batch } from '../../storage/engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import type { Blob } from '../blobs/blob-router.js'
import { storedBytesOf } from '../holdings/merge.js'
import {
  decodeBlob, decodeContents, decodeHolding, encodeBlob, encodeContents, encodeHolding, encodeTotals, type HoldingRow, keepsBlob, type UploadRow,
} from '../holdings/rows.js'
import { TOTALS } from '../holdings/states.js'
import type { ShardStores } from './shard-stores.js'
import type { SourceBlobs } from './source-blobs.js'
import { StagedRows } from './staged-rows.js'

export class BlobRows {
  readonly #source: SourceBlobs
  readonly #to: ShardStores
  readonly #rows: readonly StagedRows[]
  readonly #totals: { storedBytes: number, underWayBytes: number }[]

  constructor(source: SourceBlobs, to: ShardStores) {
    this.#source = source
    this.#to = to
    this.#rows = to.engines.map((engine) => new StagedRows(engine))
    this.#totals = to.engines.map(() => ({ storedBytes: 0, underWayBytes: 0 }))
  }

  /** Something in this shard carries the blob for the user. */
  async refer(shard: number, user: string, id: string): Promise<void> {
    const home = this.#to.homeOf(user)
    const row = await this.#change(shard, user, id, (before) => ({ ...before, references: before.references + 1 }))
    if (shard === home || row.references > 1) return
    await this.#change(home, user, id, (before) => ({ ...before, elsewhere: [...before.elsewhere, shard] }))
  }

  /** The user holds it, until then at least. What carries it is counted where it is. */
  async hold(user: string, id: string, { heldUntilMs, size, type }: HoldingRow): Promise<void> {
    await this.#change(this.#to.homeOf(user), user, id, (before) => ({ ...before, heldUntilMs, size, type }))
  }

  /** There is the blob; its home writes that when the first shard has it. */
  stores(blob: Blob): void {
    this.#totals[this.#to.homeOf(blob.content.hash)]!.storedBytes += storedBytesOf(blob)
  }

  uploads({ upload, blob }: UploadRow): void {
    if (blob === '') this.#totals[this.#to.homeOf(upload.user)]!.underWayBytes += upload.size
  }

  /** Writes what has changed since the last time. */
  async flush(): Promise<void> {
    for (const rows of this.#rows) await rows.flush()
  }

  /** Once all rows have come. */
  putTotals(shard: number, batch: Batch): void {
    const totals = this.#totals[shard]!
    if (totals.storedBytes > 0 || totals.underWayBytes > 0) batch.put(shardMetaKey(TOTALS), encodeTotals(totals))
  }

  /** Returns what the user's share in this shard is now. */
  async #change(shard: number, user: string, id: string, change: (row: HoldingRow) => HoldingRow): Promise<HoldingRow> {
    const rows = this.#rows[shard]!
    const key = shard === this.#to.homeOf(user) ? userKeys(user).holding(id) : visitorHoldingKey(user, id)
    const stored = await rows.get(key)
    const before = stored === undefined ? await this.#noShare(id) : decodeHolding(stored)
    const row = change(before)
    rows.put(key, encodeHolding(row))
    if (!keepsBlob(before) && keepsBlob(row)) await this.#keep(shard, id)
    return row
  }

  async #noShare(id: string): Promise<HoldingRow> {
    const { content: { size, type } } = await this.#source.blob(id)
    return { references: 0, heldUntilMs: 0, size, type, elsewhere: [] }
  }

  /** One user more has a share for which this shard needs the blob. */
  async #keep(shard: number, id: string): Promise<void> {
    const rows = this.#rows[shard]!
    const key = this.#to.isOne ? blobKeys(id).meta() : blobCopyKey(id)
    const stored = await rows.get(key)
    const { blob, holders } = stored === undefined ? { blob: await this.#source.blob(id), holders: 0 } : decodeBlob(stored)
    rows.put(key, encodeBlob({ blob, holders: holders + 1 }))
    if (holders === 0 && !this.#to.isOne) await this.#addHolder(blob, shard)
  }

  async #addHolder(blob: Blob, shard: number): Promise<void> {
    const id = blob.content.hash
    const rows = this.#rows[this.#to.homeOf(id)]!
    const stored = await rows.get(blobKeys(id).home())
    const holders = stored === undefined ? [] : decodeContents(stored).flatMap((content) => content.holders)
    rows.put(blobKeys(id).home(), encodeContents([{ blob, holders: [...holders, shard], loans: [] }]))
  }
}
