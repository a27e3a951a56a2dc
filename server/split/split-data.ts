/**
 * The rows of the shards of one server as those of another number of shards, each where its user or conversation is at home. What a shard has to know of
 * members of its conversations who are at home elsewhere (see channels/), and of blobs (blob-rows.ts), is made from their rows. Then all is read once
 * more: what came out has to be, row by row, what went in.
 */
import { eraseKey, uploadAt } from '../../storage/blob-keys.js'
import { visitorKey } from '../../storage/channel-keys.js'
import { COPY_MARK } from '../../storage/copy-mark.js'
import { type Batch, type Engine, StorageError } from '../../storage/engine.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { pagesOf } from '../../storage/pages.js'
import { inviteIdAt, reportIdAt, reportKey } from '../../storage/shard-keys.js'
import { slotAt } from '../../storage/slots.js'
import { encodeVisitor } from '../channels/entries.js'
import type { VisitorFacts } from '../channels/federation.js'
import { decodeHolding, decodeUpload, LISTED } from '../holdings/rows.js'
import { commonReportId, putReportsMeta, readReportsMeta } from '../profiles/reports.js'
import { decodeAccount, decodeSettings } from '../shard/records.js'
import { BlobProof } from './blob-proof.js'
import { BlobRows } from './blob-rows.js'
import { carriedBy, heldBlobAt } from './carried-blobs.js'
import { keptBlob } from './kept-blob.js'
import { Refusal } from './refusal.js'
import { BLOB, BLOB_COPY, BLOB_HOME, HOLDING, isMadeAnew, mustFit, rowHome, type RowHome } from './row-home.js'
import type { ShardStores } from './shard-stores.js'
import { contentsOf, SourceBlobs } from './source-blobs.js'
import { Tally } from './tally.js'
import { entriesUnderWay } from './under-way.js'

/** Told of every page: rows so far. */
export type SplitProgress = (step: 'copied' | 'proved', rows: number) => void

/**
 * Copies all rows into empty engines, one for each shard, and proves it. Nobody may write to any of them meanwhile, and of several shards each has to have
 * taken what the others gave it (settle.ts). Resolves to the rows by their kinds. Rejects with Refusal where the data can't be split, with StorageError
 * where it can't be read, and with an Error where what came out is not what went in; the copies can't be opened then.
 */
export async function splitData(from: ShardStores, to: ShardStores, onProgress: SplitProgress = () => undefined): Promise<ReadonlyMap<string, number>> {
  const waiting = await entriesUnderWay(from.engines)
  if (waiting > 0) throw new Refusal(`${String(waiting)} entries are under way between its shards: start the server on it, and stop it again in good order`)
  for (const engine of to.engines) await commit(engine, (batch) => { batch.put(COPY_MARK, new Uint8Array(0)) })
  const split = new Split(from, to)
  const source = await split.copy(onProgress)
  await prove(source, split.blobProof, to, onProgress)
  for (const engine of to.engines) await commit(engine, (batch) => { batch.delete(COPY_MARK) })
  return new Map([...source.rows, ...split.blobProof.rows])
}

class Split {
  readonly #from: ShardStores
  readonly #to: ShardStores
  readonly #tally = new Tally()
  readonly #source: SourceBlobs
  readonly #blobs: BlobRows
  readonly blobProof = new BlobProof()
  #batches: Batch[] = []
  /** Reports that wait, by shard. */
  readonly #reports: number[]
  /** Of the user whose rows are being read, which come together, the smallest first. */
  #user = { name: '', exists: false, readReceipts: true, visits: new Set<number>() }

  constructor(from: ShardStores, to: ShardStores) {
    this.#from = from
    this.#to = to
    this.#source = new SourceBlobs(from)
    this.#blobs = new BlobRows(this.#source, to)
    this.#reports = to.engines.map(() => 0)
  }

  async copy(onProgress: SplitProgress): Promise<Tally> {
    let rows = 0
    for (const [shard, engine] of this.#from.engines.entries()) {
      for await (const page of pagesOf(engine, everything())) {
        this.#batches = this.#to.engines.map((each) => each.batch())
        for (const [key, value] of page) await this.#row(shard, engine, key, value)
        await Promise.all(this.#batches.flatMap((batch, at) => batch.size === 0 ? [] : [this.#to.engines[at]!.commit(batch)]))
        await this.#blobs.flush()
        onProgress('copied', rows += page.length)
      }
    }
    const lastId = await this.#lastReport()
    for (const [shard, engine] of this.#to.engines.entries()) {
      await commit(engine, (batch) => {
        // Numbers that were given are given by no shard again.
        if (lastId > 0) putReportsMeta(batch, { lastId, waiting: this.#reports[shard]! })
        this.#blobs.putTotals(shard, batch)
      })
    }
    return this.#tally
  }

  async #row(shard: number, engine: Engine, key: Uint8Array, value: Uint8Array): Promise<void> {
    const row = await rowHome(engine, key, value)
    mustFit(row, this.#from.isOne)
    this.#mustBeAtHome(shard, key)
    if (await this.#isListedBefore(shard, row, key)) return
    this.blobProof.before(row, key, value)
    await this.#ofBlobs(shard, row, key, value)
    if (isMadeAnew(row) || row.owner === null) return
    if (row.kind.startsWith('user ')) this.#ofUser(row.owner, row.kind, key, value)
    this.#put(row.kind, row.owner, row.kind === 'reports' ? this.#commonReportKey(shard, key) : key, value)
  }

  #put(kind: string, owner: string, key: Uint8Array, value: Uint8Array): void {
    const home = this.#to.homeOf(owner)
    this.#tally.add(kind, key, value)
    this.#batches[home]!.put(key, value)
    if (kind === 'reports') this.#reports[home]!++
  }

  /** So that no two shards have a row of the same key in a slot. */
  #mustBeAtHome(shard: number, key: Uint8Array): void {
    const owner = ownerAt(key)
    if (owner === null || this.#from.shardOf(slotAt(key)) === shard) return
    throw new StorageError('corrupt', `shard ${String(shard)} holds a row of ${owner.name}, who is at home in another`)
  }

  /** Lists that every shard keeps for itself may name the same twice: what is to be erased then goes once; of invites no two are the same. */
  async #isListedBefore(shard: number, { kind, owner }: RowHome, key: Uint8Array): Promise<boolean> {
    if (kind !== 'erases' && kind !== 'invites') return false
    for (const other of this.#from.engines.slice(0, shard)) {
      const value = await other.get(key)
      if (value === undefined) continue
      if (kind === 'erases') return true
      const before = await rowHome(other, key, value)
      if (this.#to.homeOf(before.owner ?? '') !== this.#to.homeOf(owner ?? '')) continue
      throw new Refusal(`two invites have the id ${inviteIdAt(key)}, and would be at home in one shard: split into another number`)
    }
    return false
  }

  /** By which operators have known it. */
  #commonReportKey(shard: number, key: Uint8Array): Uint8Array {
    return reportKey(commonReportId(this.#from.count, shard, reportIdAt(key)))
  }

  async #lastReport(): Promise<number> {
    const metas = await Promise.all(this.#from.engines.map(readReportsMeta))
    return Math.max(...metas.map(({ lastId }, shard) => lastId === 0 ? 0 : commonReportId(this.#from.count, shard, lastId)))
  }

  async #ofBlobs(shard: number, row: RowHome, key: Uint8Array, value: Uint8Array): Promise<void> {
    const { kind, owner } = row
    switch (kind) {
      case BLOB: case BLOB_HOME: this.#keep(contentsOf(kind, value)); break
      case BLOB_COPY: await this.#source.mustKnow(shard, key, value); break
      case HOLDING: await this.#blobs.hold(owner ?? '', heldBlobAt(owner ?? '', key), decodeHolding(value)); break
      case 'uploads': this.#blobs.uploads(decodeUpload(value, uploadAt(key))); break
    }
    const { user, blobs } = carriedBy(row, value)
    for (const blob of blobs) await this.#blobs.refer(this.#to.homeOf(owner ?? ''), user, blob)
  }

  /** What only one of the shards had put into the store goes, where another one's is kept. */
  #keep(contents: ReturnType<typeof contentsOf>): void {
    const { blob, rest } = keptBlob(contents)
    if (blob !== null) this.#blobs.stores(blob)
    for (const object of rest) this.#put('erases', object, eraseKey(0, 'object', object), LISTED)
  }

  /** Whoever has a conversation in the list, as a member or in whatever way, is known where the conversation is at home. */
  #ofUser(name: string, kind: string, key: Uint8Array, value: Uint8Array): void {
    if (this.#user.name !== name) this.#user = { name, exists: false, readReceipts: true, visits: new Set([this.#to.homeOf(name)]) }
    const user = this.#user
    if (kind === 'user account') user.exists = !decodeAccount(value).removed
    else if (kind === 'user settings') user.readReceipts = decodeSettings(value).readReceipts
    else if (kind === 'user conversation') {
      const visited = this.#to.homeOf(userKeys(name).nameAt(key))
      if (user.visits.has(visited)) return
      user.visits.add(visited)
      const facts: VisitorFacts = { exists: user.exists, readReceipts: user.readReceipts }
      this.#batches[visited]!.put(visitorKey(name), encodeVisitor(facts))
    }
  }
}

/** All that was read is there, once, at its home; and besides only what was made. Rejects with an Error. */
async function prove(source: Tally, blobProof: BlobProof, to: ShardStores, onProgress: SplitProgress): Promise<void> {
  const copied = new Tally()
  let rows = 0
  for (const [shard, engine] of to.engines.entries()) {
    for await (const page of pagesOf(engine, everything())) {
      for (const [key, value] of page) {
        const row = await rowHome(engine, key, value)
        mustFit(row, to.isOne)
        if (row.owner !== null && to.homeOf(row.owner) !== shard) throw new Error(`splitting went wrong: shard ${String(shard)} holds a row of ${row.owner}`)
        blobProof.after(shard, row, key, value)
        if (!isMadeAnew(row)) copied.add(row.kind, key, value)
      }
      onProgress('proved', rows += page.length)
    }
  }
  const differences = [...source.differences(copied), ...blobProof.differences()]
  if (differences.length > 0) throw new Error(`splitting went wrong: rows are missing, doubled or changed: ${differences.join(', ')}`)
}

async function commit(engine: Engine, fill: (batch: Batch) => void): Promise<void> {
  const batch = engine.batch()
  fill(batch)
  await engine.commit(batch)
}
