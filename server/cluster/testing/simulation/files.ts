/** The store of files that all nodes of a simulated cluster have in common, as one process reaches it: what is on its way arrives also where who sent it has died. */
import type { ObjectEraser } from '../../../blobs/blob-router.js'
import type { BlobEnvironment } from '../../../shard/environment.js'
import type { TestBlobStore } from '../../../testing/blob-store.js'
import type { SimProcess } from './sim-process.js'

export class Files implements BlobEnvironment, ObjectEraser {
  readonly eraser = this
  readonly #process: SimProcess
  readonly #store: TestBlobStore

  constructor(process: SimProcess, store: TestBlobStore) {
    this.#process = process
    this.#store = store
  }

  /** Resolves with false where it may not be there. */
  put(object: string): Promise<boolean> {
    const put = (): Promise<boolean> => {
      const isThere = this.#store.failure === null
      if (isThere) this.#store.put(object)
      return Promise.resolve(isThere)
    }
    return this.#process.travel(() => false, put, true).catch(() => false)
  }

  erase(object: string): Promise<void> {
    return this.#process.travel(() => false, () => this.#store.erase(object), true)
  }

  eraseStaged(uploadId: string): Promise<void> {
    return this.#process.travel(() => false, () => this.#store.eraseStaged(uploadId), true)
  }

  hasRoomFor(bytes: number): Promise<boolean> {
    return this.#store.hasRoomFor(bytes)
  }

  randomBytes(count: number): Uint8Array {
    return this.#store.randomBytes(count)
  }
}
