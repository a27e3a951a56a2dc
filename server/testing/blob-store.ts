/** A blob store for tests: which objects it has, and what became of them. No bytes: the shard never sees any. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Blob, BlobCommands, ObjectEraser, RenditionKind, StoredObject } from '../blobs/blob-router.js'
import { objectsOf } from '../holdings/merge.js'
import type { BlobEnvironment } from '../shard/environment.js'

export class TestBlobStore implements ObjectEraser {
  readonly objects = new Set<string>()
  /** Uploads whose staged bytes were erased. */
  readonly unstaged = new Set<string>()
  /** Bytes that there is room for. */
  roomBytes = Infinity
  /** Every call of the eraser is rejected with it. */
  failure: Error | null = null
  /** Calls of the eraser. */
  calls = 0
  #random = 0

  put(...objects: readonly string[]): void {
    for (const object of objects) this.objects.add(object)
  }

  async erase(object: string): Promise<void> {
    this.#called()
    this.objects.delete(object)
  }

  async eraseStaged(uploadId: string): Promise<void> {
    this.#called()
    this.unstaged.add(uploadId)
  }

  async hasRoomFor(bytes: number): Promise<boolean> {
    return bytes <= this.roomBytes
  }

  /** Different each time, and the same in each run. */
  randomBytes(count: number): Uint8Array {
    return createHash('sha256').update(`random ${String(++this.#random)}`).digest().subarray(0, count)
  }

  #called(): void {
    this.calls++
    if (this.failure !== null) throw this.failure
  }
}

/** The same as one life of a process sees it: a dead one does nothing more, and hears nothing. */
export class BlobStoreProcess implements ObjectEraser, BlobEnvironment {
  readonly eraser = this
  readonly #store: TestBlobStore
  #isAlive = true

  constructor(store: TestBlobStore) {
    this.#store = store
  }

  die(): void {
    this.#isAlive = false
  }

  erase(object: string): Promise<void> {
    return this.#isAlive ? this.#store.erase(object) : FOR_EVER
  }

  eraseStaged(uploadId: string): Promise<void> {
    return this.#isAlive ? this.#store.eraseStaged(uploadId) : FOR_EVER
  }

  hasRoomFor(bytes: number): Promise<boolean> {
    return this.#isAlive ? this.#store.hasRoomFor(bytes) : FOR_EVER
  }

  randomBytes(count: number): Uint8Array {
    return this.#store.randomBytes(count)
  }
}

const FOR_EVER = new Promise<never>(() => undefined)

/** The hash of a content that is called by a name. */
export function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

export interface BlobShape {
  readonly size?: number
  readonly type?: string
  readonly renditions?: readonly RenditionKind[]
}

/** The blob of a content called `name`, as an upload encrypted with `key` puts it into the store. */
export function blobOf(name: string, key: Uint8Array, { size = 1000, type = 'image/png', renditions = ['thumbnail'] }: BlobShape = {}): Blob {
  const stored = (what: string, bytes: number): StoredObject => ({
    object: createHash('sha256').update(key).update(what).digest('hex'), key, hash: hashOf(what), size: bytes, type,
  })
  return {
    content: stored(name, size), width: renditions.length > 0 ? 640 : 0, height: renditions.length > 0 ? 480 : 0,
    placeholder: renditions.length > 0 ? Buffer.of(1, 2, 3) : Buffer.alloc(0),
    renditions: renditions.map((kind) => ({ kind, ...stored(`${name} ${kind}`, 100), width: 96, height: 96 })),
  }
}

export const SQUARES: readonly RenditionKind[] = ['thumbnail', 'square-640', 'square-96']

/** The user uploads what is called by this name, as the HTTP side does it; it holds it then. */
export async function uploadTo(blobs: BlobCommands | null, store: TestBlobStore, user: string, name: string, shape: BlobShape = {}): Promise<Blob> {
  if (blobs === null) assert.fail('no blobs are kept')
  const { size = 1000, type = 'image/png' } = shape
  const opened = await blobs.openUpload(user, { size, hash: hashOf(name), type, strip: false, picture: shape.renditions?.includes('square-96') === true })
  if ('blob' in opened) return opened.blob
  const blob = blobOf(name, opened.upload.key, shape)
  assert.ok(await blobs.storing(opened.upload.id, objectsOf(blob)))
  store.put(...objectsOf(blob))
  const finished = await blobs.finishUpload(opened.upload.id, blob)
  assert.ok(finished !== null)
  return finished
}
