/**
 * From the last byte of an upload to a blob: one pass over what was staged, a look at pictures, and then, in this order:
 *
 *     storing(names) committed → every object put → finishUpload committed
 *
 * The staged bytes stay until the last of these, so that after a crash between any two the upload is finished anew, or what it put is
 * erased with it: names that were told belong to an upload or a blob, always.
 */
import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link } from 'node:fs/promises'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { toBlobError } from '../../storage/blobs/blob-error.js'
import { BlobError, type BlobStore } from '../../storage/blobs/blob-store.js'
import type { Staging } from '../../storage/blobs/staging.js'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import type { Churn } from '../process/young-objects.js'
import type { Blob, BlobCommands, StoredObject, StoredRendition, Upload } from './blob-router.js'
import { BlobCipher, crypt, derivedKey } from './cipher.js'
import { HttpError } from './http-error.js'
import type { KnownBlobs } from './known-blobs.js'
import { agrees, isAllowed, type MediaKind, sniff } from './media/content-type.js'
import { NotLookedAt, type Preview, type Previews, type Rendition } from './media/previews.js'
import { type Looked, UploadDigest } from './upload-digest.js'

export interface FinisherEnvironment {
  readonly commands: BlobCommands
  readonly staging: Staging
  readonly store: BlobStore
  readonly previews: Previews
  /** Media types that are taken. */
  readonly types: readonly string[]
  readonly log: Log
  readonly counters: Counters
  readonly churn: Churn
  readonly known: KnownBlobs
}

/** An object, and the staged file that holds it. */
interface Ready<T extends StoredObject = StoredObject> {
  readonly stored: T
  readonly stagedId: string
}

const DEATHS_MAX = 3
const DEATHS_KEPT_MAX = 1000

export class Finisher {
  readonly #environment: FinisherEnvironment
  readonly #running = new Map<string, Promise<Blob>>()
  /** By upload: how many processes ended while they looked at its picture. */
  readonly #deaths = new Map<string, number>()
  #isClosing = false

  constructor(environment: FinisherEnvironment) {
    this.#environment = environment
  }

  /**
   * Makes a blob of an upload that has all its bytes; nothing may write to it meanwhile. Who comes while it is being done gets the same
   * outcome. `looked`: what its bytes have shown on their way; null: they are read again. Rejects with HttpError: 460 (another hash; the upload is empty again), 415 (the type; the upload is over), 410 (it is over),
   * and with what store and router say; then it can be tried again.
   */
  finish(upload: Upload, looked: Looked | null = null): Promise<Blob> {
    const running = this.#running.get(upload.id)
    if (running !== undefined) return running
    const finishing = this.#finish(upload, looked).finally(() => this.#running.delete(upload.id))
    this.#running.set(upload.id, finishing)
    return finishing
  }

  /** What is being done for an upload; null: nothing. */
  running(id: string): Promise<Blob> | null {
    return this.#running.get(id) ?? null
  }

  /** Waits for what is under way; from the call on a picture that has no preview says nothing about the picture. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.allSettled(this.#running.values())
  }

  async #finish(upload: Upload, looked: Looked | null): Promise<Blob> {
    const { staging, log, counters } = this.#environment
    const made: string[] = []
    try {
      const { hash, object, head } = looked ?? await this.#look(upload)
      // [BLB-8]
      if (hash !== upload.hash) {
        await staging.remove(upload.id)
        throw new HttpError(460, ERROR.hashMismatch, 'these bytes do not have the hash that was announced; the upload is empty again')
      }
      const { type, kind } = await sniff(head)
      await this.#checkType(upload, type)
      const preview = kind === 'image' ? await this.#preview(upload, type) : null
      if (upload.strip && isPicture(upload, kind) && strippedOf(preview) === undefined) await this.#refuseStrip(upload)
      const content = await this.#content(upload, { object, key: upload.key, hash, size: upload.size, type }, preview, made)
      const renditions = await this.#renditions(upload, preview, made)
      const blob = await this.#store(upload, content, renditions, preview)
      counters.uploadsFinished++
      log.debug({ upload: upload.id, user: upload.user, blob: blob.content.hash, size: blob.content.size, type, pictures: renditions.length }, 'blob-stored')
      return blob
    } catch (error) {
      // Its staged bytes went with it: it has expired, or its user was removed.
      if (error instanceof BlobError && error.code === 'not-found') throw isOver()
      if (error instanceof BlobError) counters.blobStoreFailed(error.code)
      throw error
    } finally {
      for (const id of made) await staging.remove(id).catch(() => undefined)
    }
  }

  async #look({ id, key, size }: Upload): Promise<Looked> {
    const digest = new UploadDigest(size)
    const cipher = new BlobCipher(key, 0)
    for await (const chunk of await this.#environment.staging.read(id, 0, size) as AsyncIterable<Uint8Array>) {
      digest.update(cipher.update(chunk), chunk)
      this.#environment.churn.allocated(2 * chunk.length)
    }
    return digest.result()
  }

  /** [BLB-3] */
  async #checkType(upload: Upload, type: string): Promise<void> {
    const { commands, types, log } = this.#environment
    if (!agrees(upload.type, type)) log.debug({ upload: upload.id, said: upload.type, found: type }, 'blob-type-differs')
    if (isAllowed(type, types)) return
    await commands.abandonUpload(upload.id)
    throw new HttpError(415, ERROR.typeNotAllowed, `this is ${type}, and that is not taken here`)
  }

  async #preview({ id, key, size, picture, strip }: Upload, type: string): Promise<Preview | null> {
    const { previews, staging, counters } = this.#environment
    const staged = await staging.read(id, 0, size)
    try {
      const preview = await previews.make({
        type, size, wants: { thumbnail: true, squares: picture, stripped: strip }, source: crypt(staged, key, 0), isNeeded: strip,
      })
      if (preview === null) counters.previewsFailed++
      else counters.previewsMade++
      return preview
    } catch (error) {
      counters.previewsFailed++
      if (!(error instanceof NotLookedAt)) throw error
      if (error.hasDied && this.#hasDiedOften(id)) return null
      throw new HttpError(503, ERROR.unavailable, 'nobody can look at the picture at present; what came is kept', { retryAfter: 10, cause: error })
    } finally {
      // Also when nobody has asked for its first byte.
      staged.destroy()
    }
  }

  /** A process may be killed by whatever else needs memory: a picture is taken for its murderer when that has happened often. */
  #hasDiedOften(id: string): boolean {
    const deaths = (this.#deaths.get(id) ?? 0) + 1
    this.#deaths.delete(id)
    if (deaths >= DEATHS_MAX) return true
    this.#deaths.set(id, deaths)
    for (const [oldest] of this.#deaths) {
      if (this.#deaths.size <= DEATHS_KEPT_MAX) break
      this.#deaths.delete(oldest)
    }
    return false
  }

  /** To keep it as it is would tell the place that the user did not want to tell. */
  async #refuseStrip(upload: Upload): Promise<never> {
    if (this.#isClosing) throw new HttpError(503, ERROR.unavailable, 'the server is stopping; what came is kept', { retryAfter: 1 })
    await this.#environment.commands.abandonUpload(upload.id)
    throw new HttpError(415, ERROR.typeNotAllowed, 'this picture can not be read here, so nothing can be taken out of it; upload it without strip')
  }

  /** What was uploaded, or what is left of it. */
  async #content(upload: Upload, whole: StoredObject, preview: Preview | null, made: string[]): Promise<Ready> {
    const stripped = strippedOf(preview)
    if (stripped !== undefined) return this.#encrypted(upload, stripped, made)
    const stagedId = newStagedId()
    made.push(stagedId)
    const { staging } = this.#environment
    await sameFile(staging.path(upload.id), staging.path(stagedId))
    return { stored: whole, stagedId }
  }

  async #renditions(upload: Upload, preview: Preview | null, made: string[]): Promise<Ready<StoredRendition>[]> {
    const ready: Ready<StoredRendition>[] = []
    for (const rendition of preview?.renditions ?? []) {
      const { kind, width, height } = rendition
      if (kind === 'stripped') continue
      const { stored, stagedId } = await this.#encrypted(upload, rendition, made)
      ready.push({ stored: { ...stored, kind, width, height }, stagedId })
    }
    return ready
  }

  /** Each with a key of its own, and the same object again if this is tried again. [BLB-22] */
  async #encrypted(upload: Upload, { bytes, type }: Rendition, made: string[]): Promise<Ready> {
    const hash = sha256(bytes)
    const key = derivedKey(upload.key, hash)
    const encrypted = new BlobCipher(key, 0).update(bytes)
    const stagedId = newStagedId()
    made.push(stagedId)
    await this.#environment.staging.append(stagedId, 0, oneChunk(encrypted), encrypted.length)
    return { stored: { object: sha256(encrypted), key, hash, size: bytes.length, type }, stagedId }
  }

  async #store(upload: Upload, content: Ready, renditions: readonly Ready<StoredRendition>[], preview: Preview | null): Promise<Blob> {
    const { commands, store, staging, counters, known } = this.#environment
    const all: readonly Ready[] = [...renditions, content]
    if (!await commands.storing(upload.id, all.map(({ stored }) => stored.object))) return this.#over(upload)
    for (const { stored: { object, size }, stagedId } of all) {
      await store.put(object, staging.path(stagedId), size)
      counters.blobBytesStored += size
    }
    const blob = await commands.finishUpload(upload.id, {
      content: content.stored,
      ...shownSize(preview),
      placeholder: preview?.placeholder ?? new Uint8Array(0),
      renditions: renditions.map(({ stored }) => stored),
    })
    known.changed(content.stored.hash)
    return blob ?? this.#over(upload)
  }

  /** What came behind its end nobody else would erase. */
  async #over({ id }: Upload): Promise<never> {
    await this.#environment.staging.remove(id)
    throw isOver()
  }
}

/** A client puts it into the attachment that refers to the blob, which can't tell of more. */
function shownSize(preview: Preview | null): Pick<Blob, 'width' | 'height'> {
  const { width, height } = preview ?? { width: 0, height: 0 }
  return Math.max(width, height) > LIMIT.attachmentPixelsMax ? { width: 0, height: 0 } : { width, height }
}

function strippedOf(preview: Preview | null): Rendition | undefined {
  return preview?.renditions.find(({ kind }) => kind === 'stripped')
}

/** Whether there may be something to take out: what its user calls a picture can be one that is not known here. */
function isPicture(upload: Upload, kind: MediaKind): boolean {
  return kind === 'image' || upload.type.startsWith('image/')
}

function isOver(): HttpError {
  return new HttpError(410, ERROR.noSuchBlob, 'this upload is over')
}

/** As the ids of uploads are; no upload has it. */
function newStagedId(): string {
  return randomBytes(16).toString('hex')
}

/**
 * Another name for the same file, so that one can be given away and the other stays; where that can't be, a copy. After a crash they may be
 * the object and the upload, so a whole upload is never written to: what empties it takes its file away.
 */
async function sameFile(path: string, other: string): Promise<void> {
  try {
    await link(path, other)
  } catch {
    await copyFile(path, other, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE).catch((error: unknown) => {
      throw toBlobError(error, `the upload ${path} could not be copied`)
    })
  }
}

async function* oneChunk(chunk: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield chunk
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
