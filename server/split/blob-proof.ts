/**
 * That the rows of blobs and holdings say what those of one shard said, and agree with each other: each fact is counted and summed up from both ends, in one
 * tally as it has to be and in the other as it is. Nothing here is taken from how they were made.
 */
import { isBlobCopyKey, isVisitorHoldingKey, sharedNameAt } from '../../storage/blob-keys.js'
import { blobKeys, ownerAt } from '../../storage/keyspace.js'
import { homeOf } from '../channels/federation.js'
import { decodeBlob, decodeContents, decodeHolding, encodeDescription, encodeHolding, type HoldingRow, keepsBlob } from '../holdings/rows.js'
import { holdingName } from '../holdings/states.js'
import { carriedBy, heldBlobAt } from './carried-blobs.js'
import { BLOB, HOLDING, type RowHome } from './row-home.js'
import { Tally } from './tally.js'

const NOTHING = new Uint8Array(0)

export class BlobProof {
  readonly #shouldBe = new Tally()
  readonly #is = new Tally()
  readonly #shardOf: (slot: number) => number

  constructor(shardOf: (slot: number) => number) {
    this.#shardOf = shardOf
  }

  /** A row of the one shard. */
  ofOne({ kind, owner }: RowHome, key: Uint8Array, row: Uint8Array): void {
    if (kind === BLOB) this.#shouldBe.add(BLOB, key, encodeDescription(decodeBlob(row).blob))
    else if (kind === HOLDING) {
      const holding = decodeHolding(row)
      const name = Buffer.from(holdingName(owner ?? '', heldBlobAt(owner ?? '', key)))
      this.#shouldBe.add(HOLDING, name, factsOf(holding))
      this.#shouldBe.add('references', name, NOTHING, holding.references)
    }
  }

  /** A row of a shard of several that one alone has not: it is in none of the kinds that were copied. false: it is another. */
  ofSeveral(shard: number, key: Uint8Array, row: Uint8Array): boolean {
    if (isBlobCopyKey(key)) this.#copy(shard, sharedNameAt(key), row)
    else if (isVisitorHoldingKey(key)) this.#visitorHolding(shard, sharedNameAt(key), row)
    else {
      const owner = ownerAt(key)
      if (owner?.table !== 'blob' || blobKeys(owner.name).kindOf(key) !== 'home') return false
      this.#home(shard, owner.name, row)
    }
    return true
  }

  /** A row of a shard of several, of a kind that one has, too. */
  ofShard(shard: number, home: RowHome, key: Uint8Array, row: Uint8Array): void {
    const { user, blobs } = carriedBy(home, row)
    for (const blob of blobs) this.#shouldBe.add(`references in shard ${String(shard)}`, Buffer.from(holdingName(user, blob)), NOTHING)
    // No shard of several has such a row.
    if (home.kind === BLOB) this.#is.add(BLOB, key, row)
    if (home.kind === HOLDING) this.#holding(shard, holdingName(home.owner ?? '', heldBlobAt(home.owner ?? '', key)), row)
  }

  /** Rows of the one shard, by their kinds. */
  get rows(): [string, number][] {
    return [...this.#shouldBe.rows].filter(([kind]) => kind === BLOB || kind === HOLDING)
  }

  /** What is not as it has to be. */
  differences(): string[] {
    return this.#shouldBe.differences(this.#is)
  }

  #copy(shard: number, id: string, row: Uint8Array): void {
    const { blob, holders } = decodeBlob(row)
    this.#is.add(`holders in shard ${String(shard)}`, Buffer.from(id), NOTHING, holders)
    this.#shouldBe.add(`blobs in shard ${String(shard)}`, Buffer.from(id), encodeDescription(blob))
  }

  #home(shard: number, id: string, row: Uint8Array): void {
    const isAtHome = homeOf({ shardOf: this.#shardOf }, id) === shard
    for (const { blob, holders } of decodeContents(row)) {
      this.#is.add(isAtHome ? BLOB : 'blobs that are not at home', blobKeys(id).meta(), encodeDescription(blob))
      for (const holder of holders) this.#is.add(`blobs in shard ${String(holder)}`, Buffer.from(id), encodeDescription(blob))
    }
  }

  #holding(shard: number, name: string, row: Uint8Array): void {
    const holding = decodeHolding(row)
    this.#is.add(HOLDING, Buffer.from(name), factsOf(holding))
    for (const other of holding.elsewhere) this.#is.add(`visitors' holdings in shard ${String(other)}`, Buffer.from(name), NOTHING)
    this.#share(shard, name, holding)
  }

  #visitorHolding(shard: number, name: string, row: Uint8Array): void {
    this.#shouldBe.add(`visitors' holdings in shard ${String(shard)}`, Buffer.from(name), NOTHING)
    this.#share(shard, name, decodeHolding(row))
  }

  #share(shard: number, name: string, holding: HoldingRow): void {
    this.#is.add('references', Buffer.from(name), NOTHING, holding.references)
    this.#is.add(`references in shard ${String(shard)}`, Buffer.from(name), NOTHING, holding.references)
    if (keepsBlob(holding)) this.#shouldBe.add(`holders in shard ${String(shard)}`, Buffer.from(name.slice(name.indexOf('/') + 1)), NOTHING)
  }
}

/** What of it is the same wherever it is carried. */
function factsOf(holding: HoldingRow): Uint8Array {
  return encodeHolding({ ...holding, references: 0, elsewhere: [] })
}
