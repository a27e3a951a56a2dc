/** Blob commands of one server in memory, without quota or rights: for tests of the HTTP side alone. */
import { randomBytes } from 'node:crypto'
import { ERROR } from '../../../protocol/generated/registry.js'
import { RouterError } from '../../router/router.js'
import type { Blob, BlobCommands, BlobPlace, BlobUsage, ObjectEraser, Upload, UploadRequest } from '../blob-router.js'

export class FakeCommands implements BlobCommands {
  readonly uploads = new Map<string, Upload>()
  readonly blobs = new Map<string, Blob>()
  readonly done = new Map<string, { user: string, id: string }>()
  /** In order: what was told. */
  readonly calls: string[] = []
  /** The next call of this name fails with it. */
  readonly failures = new Map<string, Error>()
  uploadAgeMs = 86_400_000
  readonly #eraser: ObjectEraser

  constructor(eraser: ObjectEraser) {
    this.#eraser = eraser
  }

  async openUpload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    this.#called('openUpload')
    for (const upload of this.uploads.values()) if (upload.user === user && upload.hash === request.hash && upload.size === request.size) return { upload }
    const upload = { ...request, id: randomBytes(16).toString('hex'), user, key: randomBytes(32), expiresMs: Date.now() + this.uploadAgeMs }
    this.uploads.set(upload.id, upload)
    return { upload }
  }

  async upload(id: string): Promise<Upload | null> {
    this.#called('upload')
    return this.uploads.get(id) ?? null
  }

  async storing(id: string, objects: readonly string[]): Promise<boolean> {
    this.#called('storing', String(objects.length))
    return this.uploads.has(id)
  }

  async finishUpload(id: string, blob: Blob): Promise<Blob | null> {
    this.#called('finishUpload')
    const upload = this.uploads.get(id)
    if (upload === undefined) return null
    this.uploads.delete(id)
    this.blobs.set(blob.content.hash, blob)
    this.done.set(id, { user: upload.user, id: blob.content.hash })
    await this.#eraser.eraseStaged(id)
    return blob
  }

  async abandonUpload(id: string): Promise<void> {
    this.#called('abandonUpload')
    if (this.uploads.delete(id)) await this.#eraser.eraseStaged(id)
  }

  async uploaded(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload }> {
    const upload = this.uploads.get(uploadId)
    if (upload?.user === user) return { upload }
    const done = this.done.get(uploadId)
    const blob = done?.user === user ? this.blobs.get(done.id) : undefined
    if (blob === undefined) throw new RouterError(ERROR.noSuchBlob, 'there is no such blob')
    return { blob }
  }

  async find(_user: string, place: BlobPlace): Promise<Blob> {
    const blob = place.kind === 'own' ? this.blobs.get(place.id) : undefined
    if (blob === undefined) throw new RouterError(ERROR.noSuchBlob, 'there is no such blob')
    return blob
  }

  async keep(user: string, _conversation: string, _seq: number, id: string): Promise<Blob> {
    return this.find(user, { kind: 'own', id })
  }

  async blob(id: string): Promise<Blob | null> {
    this.#called('blob')
    return this.blobs.get(id) ?? null
  }

  async usage(): Promise<BlobUsage> {
    return { used: 0, quota: 0 }
  }

  #called(name: string, detail = ''): void {
    this.calls.push(`${name} ${detail}`.trim())
    const failure = this.failures.get(name)
    if (failure === undefined) return
    this.failures.delete(name)
    throw failure
  }
}
