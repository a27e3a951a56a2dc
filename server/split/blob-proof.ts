/**
 * That the rows of blobs and holdings say what those before said, and agree with each other: each fact is counted and summed up from both ends, in one
 * tally as it has to be and in the other as it is. Nothing here is taken from how they were made.
 */
import { blobKeys, eraseAt, sharedNameAt } from '../../storage/blob-keys.js'
import { objectsOf } from '../holdings/merge.js'
import { decodeBlob, decodeContents, decodeHolding, encodeDescription, encodeHolding, type HoldingRow, keepsBlob } from '../holdings/rows.js'
import { holdingName } from '../holdings/states.js'
import { carriedBy, heldBlobAt } from './carried-blobs.js'
import { keptBlob } from './kept-blob.js'
import { BLOB, BLOB_COPY, BLOB_HOME, HOLDING, type RowHome, VISITOR_HOLDING } from './row-home.js'
import { contentsOf } from './source-blobs.js'
import { Tally } from './tally.js'

const NOTHING = new Uint8Array(0)
/** In the store: named by a blob, or to be erased. */
const OBJECTS = 'objects'

export class BlobProof {
  readonly #shouldBe = new Tally()
  readonly #is = new Tally()

  /** A row of the shards before; one that two of them have counts once. */
  before({ kind, owner }: RowHome, key: Uint8Array, row: Uint8Array): void {
    switch (kind) {
      case BLOB: case BLOB_HOME: {
        const contents = contentsOf(kind, row)
        const { blob } = keptBlob(contents)
        if (blob !== null) this.#shouldBe.add(BLOB, blobKeys(owner ?? '').meta(), encodeDescription(blob))
        // Smaller versions that two shards have stored are in either's contents.
        for (const object of new Set(contents.flatMap((content) => objectsOf(content.blob)))) addName(this.#shouldBe, OBJECTS, object)
        break
      }
      case HOLDING: {
        const holding = decodeHolding(row)
        const name = holdingName(owner ?? '', heldBlobAt(owner ?? '', key))
        this.#shouldBe.add(HOLDING, Buffer.from(name), factsOf(holding))
        addName(this.#shouldBe, 'references', name, holding.references)
        break
      }
      case VISITOR_HOLDING:
        addName(this.#shouldBe, 'references', sharedNameAt(key), decodeHolding(row).references)
        break
      case 'erases':
        addErased(this.#shouldBe, key)
        break
    }
  }

  /** A row of one of the shards that were made. */
  after(shard: number, home: RowHome, key: Uint8Array, row: Uint8Array): void {
    const { user, blobs } = carriedBy(home, row)
    for (const blob of blobs) addName(this.#shouldBe, `references in shard ${String(shard)}`, holdingName(user, blob))
    switch (home.kind) {
      case BLOB: this.#only(home.owner ?? '', row); break
      case BLOB_HOME: this.#home(home.owner ?? '', row); break
      case BLOB_COPY: this.#copy(shard, sharedNameAt(key), row); break
      case HOLDING: this.#holding(shard, holdingName(home.owner ?? '', heldBlobAt(home.owner ?? '', key)), row); break
      case VISITOR_HOLDING: this.#visitorHolding(shard, sharedNameAt(key), row); break
      case 'erases': addErased(this.#is, key); break
    }
  }

  /** Rows before, by their kinds. */
  get rows(): [string, number][] {
    return [...this.#shouldBe.rows].filter(([kind]) => kind === BLOB || kind === HOLDING)
  }

  /** What is not as it has to be. */
  differences(): string[] {
    return this.#shouldBe.differences(this.#is)
  }

  /** Where there is one shard. */
  #only(id: string, row: Uint8Array): void {
    const { blob, holders } = decodeBlob(row)
    this.#is.add(BLOB, blobKeys(id).meta(), encodeDescription(blob))
    for (const object of objectsOf(blob)) addName(this.#is, OBJECTS, object)
    addName(this.#is, 'holders in shard 0', id, holders)
  }

  #copy(shard: number, id: string, row: Uint8Array): void {
    const { blob, holders } = decodeBlob(row)
    addName(this.#is, `holders in shard ${String(shard)}`, id, holders)
    this.#shouldBe.add(`blobs in shard ${String(shard)}`, Buffer.from(id), encodeDescription(blob))
  }

  #home(id: string, row: Uint8Array): void {
    for (const { blob, holders } of decodeContents(row)) {
      this.#is.add(BLOB, blobKeys(id).meta(), encodeDescription(blob))
      for (const object of objectsOf(blob)) addName(this.#is, OBJECTS, object)
      for (const holder of holders) this.#is.add(`blobs in shard ${String(holder)}`, Buffer.from(id), encodeDescription(blob))
    }
  }

  #holding(shard: number, name: string, row: Uint8Array): void {
    const holding = decodeHolding(row)
    this.#is.add(HOLDING, Buffer.from(name), factsOf(holding))
    for (const other of holding.elsewhere) addName(this.#is, `visitors' holdings in shard ${String(other)}`, name)
    this.#share(shard, name, holding)
  }

  #visitorHolding(shard: number, name: string, row: Uint8Array): void {
    addName(this.#shouldBe, `visitors' holdings in shard ${String(shard)}`, name)
    this.#share(shard, name, decodeHolding(row))
  }

  #share(shard: number, name: string, holding: HoldingRow): void {
    addName(this.#is, 'references', name, holding.references)
    addName(this.#is, `references in shard ${String(shard)}`, name, holding.references)
    if (keepsBlob(holding)) addName(this.#shouldBe, `holders in shard ${String(shard)}`, name.slice(name.indexOf('/') + 1))
  }
}

function addName(to: Tally, kind: string, name: string, times = 1): void {
  to.add(kind, Buffer.from(name), NOTHING, times)
}

function addErased(to: Tally, key: Uint8Array): void {
  const { kind, name } = eraseAt(key)
  if (kind === 'object') addName(to, OBJECTS, name)
}

/** What of it is the same wherever it is carried. */
function factsOf(holding: HoldingRow): Uint8Array {
  return encodeHolding({ ...holding, references: 0, elsewhere: [] })
}
