/** The blobs of the shards that are split: one description of each, whichever of them hold it. */
import { blobKeys, sharedNameAt } from '../../storage/blob-keys.js'
import { StorageError } from '../../storage/engine.js'
import type { Blob } from '../blobs/blob-router.js'
import { objectsOf } from '../holdings/merge.js'
import { decodeBlob, decodeContents, type SharedContent } from '../holdings/rows.js'
import { keptBlob } from './kept-blob.js'
import { BLOB, BLOB_HOME } from './row-home.js'
import type { ShardStores } from './shard-stores.js'

export class SourceBlobs {
  readonly #from: ShardStores

  constructor(from: ShardStores) {
    this.#from = from
  }

  /** Rejects with StorageError('corrupt') where there is none. */
  async blob(id: string): Promise<Blob> {
    const { blob } = keptBlob(await this.#contents(id))
    if (blob === null) throw new StorageError('corrupt', `the blob ${id} is held, and there is no such blob`)
    return blob
  }

  /** Its home says of every object what becomes of it, so it has to know of all that a shard has. */
  async mustKnow(shard: number, key: Uint8Array, row: Uint8Array): Promise<void> {
    const id = sharedNameAt(key)
    const known = new Set((await this.#contents(id)).flatMap(({ blob }) => objectsOf(blob)))
    if (objectsOf(decodeBlob(row).blob).every((object) => known.has(object))) return
    throw new StorageError('corrupt', `shard ${String(shard)} has the blob ${id} otherwise than its home knows`)
  }

  async #contents(id: string): Promise<readonly SharedContent[]> {
    const keys = blobKeys(id)
    const row = await this.#from.at(id).get(this.#from.isOne ? keys.meta() : keys.home())
    return row === undefined ? [] : contentsOf(this.#from.isOne ? BLOB : BLOB_HOME, row)
  }
}

/** What a row says of bytes in the store, as the home of the blob would. */
export function contentsOf(kind: typeof BLOB | typeof BLOB_HOME, row: Uint8Array): readonly SharedContent[] {
  return kind === BLOB_HOME ? decodeContents(row) : [{ blob: decodeBlob(row).blob, holders: [0], loans: [] }]
}
