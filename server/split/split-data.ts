/**
 * The rows of one shard as those of several, each where its user or conversation is at home. What a shard has to know of members of its
 * conversations who are at home elsewhere (see channels/), and of blobs (blob-rows.ts), is made from their rows. Then all is read once more: what came
 * out has to be, row by row, what went in.
 */
import { uploadAt } from '../../storage/blob-keys.js'
import { isVisitorKey, visitorKey } from '../../storage/channel-keys.js'
import { COPY_MARK } from '../../storage/copy.js'
import type { Batch, Engine, Entry } from '../../storage/engine.js'
import { everything, userKeys } from '../../storage/keyspace.js'
import { encodeVisitor } from '../channels/entries.js'
import { homeOf, type VisitorFacts } from '../channels/federation.js'
import { putReportsMeta, readReportsMeta } from '../profiles/reports.js'
import { decodeBlob, decodeHolding, decodeUpload } from '../holdings/rows.js'
import { decodeAccount, decodeSettings } from '../shard/records.js'
import { BlobProof } from './blob-proof.js'
import { BlobRows } from './blob-rows.js'
import { carriedBy, heldBlobAt } from './carried-blobs.js'
import { BLOB, HOLDING, rowHome, type RowHome } from './row-home.js'
import { Tally } from './tally.js'

const PAGE_ROWS = 4096
const PAGE_BYTES = 4 << 20

type ShardOf = (slot: number) => number

/**
 * Copies all rows into empty engines, one for each shard, and proves it. Nobody may write to any of them meanwhile. Resolves to the rows by
 * their kinds. Rejects with Refusal where the data can't be split, and with an Error where what came out is not what went in; the copies
 * can't be opened then.
 */
export async function splitData(from: Engine, to: readonly Engine[], shardOf: ShardOf): Promise<ReadonlyMap<string, number>> {
  for (const engine of to) await commit(engine, (batch) => { batch.put(COPY_MARK, new Uint8Array(0)) })
  const split = new Split(from, to, shardOf)
  const source = await split.copy()
  await prove(source, split.blobProof, to, shardOf)
  for (const engine of to) await commit(engine, (batch) => { batch.delete(COPY_MARK) })
  return new Map([...source.rows, ...split.blobProof.rows])
}

class Split {
  readonly #from: Engine
  readonly #to: readonly Engine[]
  readonly #shardOf: ShardOf
  readonly #tally = new Tally()
  readonly #blobs: BlobRows
  readonly blobProof: BlobProof
  #batches: Batch[] = []
  /** Reports that wait, by shard. */
  readonly #reports: number[]
  /** Of the user whose rows are being read, which come together, the smallest first. */
  #user = { name: '', exists: false, readReceipts: true, visits: new Set<number>() }

  constructor(from: Engine, to: readonly Engine[], shardOf: ShardOf) {
    this.#from = from
    this.#to = to
    this.#shardOf = shardOf
    this.#blobs = new BlobRows(from, to, shardOf)
    this.blobProof = new BlobProof(shardOf)
    this.#reports = to.map(() => 0)
  }

  async copy(): Promise<Tally> {
    for await (const page of pages(this.#from)) {
      this.#batches = this.#to.map((engine) => engine.batch())
      for (const [key, value] of page) await this.#put(key, value)
      await Promise.all(this.#batches.flatMap((batch, shard) => batch.size === 0 ? [] : [this.#to[shard]!.commit(batch)]))
      await this.#blobs.flush()
    }
    const { lastId } = await readReportsMeta(this.#from)
    for (const [shard, engine] of this.#to.entries()) {
      await commit(engine, (batch) => {
        // Numbers that were given are given by no shard again.
        if (lastId > 0) putReportsMeta(batch, { lastId, waiting: this.#reports[shard]! })
        this.#blobs.putTotals(shard, batch)
      })
    }
    return this.#tally
  }

  async #put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const row = await rowHome(this.#from, key, value)
    const { kind, owner } = row
    if (owner === null) return
    const home = homeOf({ shardOf: this.#shardOf }, owner)
    await this.#ofBlobs(row, home, key, value)
    if (isMadeAnew(row)) return
    this.#tally.add(kind, key, value)
    this.#batches[home]!.put(key, value)
    if (kind === 'reports') this.#reports[home]!++
    else if (kind.startsWith('user ')) this.#ofUser(owner, home, kind, key, value)
  }

  async #ofBlobs(row: RowHome, home: number, key: Uint8Array, value: Uint8Array): Promise<void> {
    const { kind, owner } = row
    this.blobProof.ofOne(row, key, value)
    if (kind === BLOB) this.#blobs.stores(decodeBlob(value).blob)
    else if (kind === HOLDING && owner !== null) await this.#blobs.hold(owner, heldBlobAt(owner, key), decodeHolding(value))
    else if (kind === 'uploads') this.#blobs.uploads(decodeUpload(value, uploadAt(key)))
    const { user, blobs } = carriedBy(row, value)
    for (const blob of blobs) await this.#blobs.refer(home, user, blob)
  }

  /** Whoever has a conversation in the list, as a member or in whatever way, is known where the conversation is at home. */
  #ofUser(name: string, home: number, kind: string, key: Uint8Array, value: Uint8Array): void {
    if (this.#user.name !== name) this.#user = { name, exists: false, readReceipts: true, visits: new Set([home]) }
    const user = this.#user
    if (kind === 'user account') user.exists = !decodeAccount(value).removed
    else if (kind === 'user settings') user.readReceipts = decodeSettings(value).readReceipts
    else if (kind === 'user conversation') {
      const visited = homeOf({ shardOf: this.#shardOf }, userKeys(name).nameAt(key))
      if (user.visits.has(visited)) return
      user.visits.add(visited)
      const facts: VisitorFacts = { exists: user.exists, readReceipts: user.readReceipts }
      this.#batches[visited]!.put(visitorKey(name), encodeVisitor(facts))
    }
  }
}

/** Each of several shards has other rows in its place. */
function isMadeAnew({ kind }: RowHome): boolean {
  return kind === BLOB || kind === HOLDING
}

/** All that was read is there, once, at its home; and besides only what was made. Rejects with an Error. */
async function prove(source: Tally, blobProof: BlobProof, to: readonly Engine[], shardOf: ShardOf): Promise<void> {
  const copied = new Tally()
  for (const [shard, engine] of to.entries()) {
    for await (const page of pages(engine)) {
      for (const [key, value] of page) {
        if (isVisitorKey(key) || blobProof.ofSeveral(shard, key, value)) continue
        const row = await rowHome(engine, key, value)
        const { kind, owner } = row
        if (owner === null) continue
        if (homeOf({ shardOf }, owner) !== shard) throw new Error(`splitting went wrong: shard ${String(shard)} holds a row of ${owner}`)
        blobProof.ofShard(shard, row, key, value)
        if (!isMadeAnew(row)) copied.add(kind, key, value)
      }
    }
  }
  const differences = [...source.differences(copied), ...blobProof.differences()]
  if (differences.length > 0) throw new Error(`splitting went wrong: rows are missing, doubled or changed: ${differences.join(', ')}`)
}

async function* pages(engine: Engine): AsyncGenerator<readonly Entry[]> {
  const { gte, lt } = everything()
  for (let next = gte; ;) {
    const page = await engine.range({ gte: next, lt, limit: PAGE_ROWS, bytesMax: PAGE_BYTES })
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    next = Buffer.concat([last[0], Buffer.from([0])])
  }
}

async function commit(engine: Engine, fill: (batch: Batch) => void): Promise<void> {
  const batch = engine.batch()
  fill(batch)
  await engine.commit(batch)
}
