/**
 * Uploads under way: where they are, what comes to them by PATCH and PUT, and how they end. Whoever changes the staged bytes of one holds
 * its lock; what is staged is encrypted already. [BLB-5, BLB-7, BLB-22]
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Appended, Staging } from '../../storage/blobs/staging.js'
import type { Config } from '../config/settings.js'
import type { Counters } from '../metrics/metrics.js'
import { RouterError } from '../router/router.js'
import type { Churn } from '../process/young-objects.js'
import type { Blob, BlobCommands, Upload } from './blob-router.js'
import type { UploadClaims } from './capability.js'
import { BlobCipher } from './cipher.js'
import type { DiskRoom } from './disk-room.js'
import type { Finisher } from './finish.js'
import { HttpError } from './http-error.js'
import { bodyOf, contentLength } from './request-body.js'
import { type UploadDigest, UploadDigests } from './upload-digest.js'
import type { UploadHold, UploadLocks } from './upload-locks.js'
import { UploadPace } from './upload-pace.js'

export interface UploadsEnvironment {
  readonly commands: BlobCommands
  readonly staging: Staging
  readonly finisher: Finisher
  readonly locks: UploadLocks
  readonly room: DiskRoom
  readonly config: Config['blobs']
  readonly counters: Counters
  readonly churn: Churn
}

/** What there is of an upload: `offset` bytes of it, or a blob already. */
export type Found =
  | { readonly isDone: false, readonly upload: Upload, readonly offset: number }
  | { readonly isDone: true, readonly offset: number }

/** Who is told to come back at once. */
const SOON_SECONDS = 1

export class Uploads {
  readonly #environment: UploadsEnvironment
  readonly #digests = new UploadDigests()
  readonly #pace: UploadPace

  constructor(environment: UploadsEnvironment) {
    this.#environment = environment
    this.#pace = new UploadPace(environment.config.uploadBytesPerSecond, () => performance.now())
  }

  /** Rejects with 404 where there is none, or none any more. [BLB-9] */
  async find({ id, user, size }: UploadClaims): Promise<Found> {
    const { commands } = this.#environment
    const upload = await commands.upload(id)
    if (upload !== null && upload.user === user) return { isDone: false, upload, offset: await this.offset(id) }
    // Who has not heard that it is done asks again.
    const what = await commands.uploaded(user, id).catch((error: unknown) => {
      if (error instanceof RouterError && error.code === ERROR.noSuchBlob) return null
      throw error
    })
    if (what === null || !('blob' in what)) throw new HttpError(404, ERROR.noSuchBlob, 'there is no such upload, or none any more')
    return { isDone: true, offset: size }
  }

  /** Bytes of an upload that are on stable storage. */
  async offset(id: string): Promise<number> {
    return await this.#environment.staging.size(id) ?? 0
  }

  /** The right to write, for `work`. Rejects with 423 if another request does not give it up in time. */
  async holding<T>(id: string, work: (hold: UploadHold) => Promise<T>): Promise<T> {
    const hold = await this.#environment.locks.take(id)
    if (hold === null) throw isBusy()
    try {
      return await work(hold)
    } finally {
      hold.release()
    }
  }

  /** The body of a PATCH at `offset`. Resolves with what there is then; at the end it is a blob. */
  async patch(claims: UploadClaims, offset: number, request: IncomingMessage, response: ServerResponse): Promise<Found> {
    return this.holding(claims.id, async (hold) => {
      const found = await this.find(claims)
      if (offset !== found.offset) throw wrongOffset(found.offset)
      const length = contentLength(request)
      if (length !== null && length > claims.size - offset) throw tooLong(claims.size)
      if (found.isDone) return found
      return this.#receive(found.upload, offset, request, response, hold)
    })
  }

  /** The body of a PUT: the whole, in place of what was there. */
  async put(claims: UploadClaims, request: IncomingMessage, response: ServerResponse): Promise<Found> {
    const length = contentLength(request)
    if (length === null) throw new HttpError(411, ERROR.badRequest, 'say the length: PUT takes the whole in one request')
    if (length > claims.size) throw tooLong(claims.size)
    if (length < claims.size) throw new HttpError(400, ERROR.badRequest, `PUT takes the whole: ${String(claims.size)} bytes`)
    return this.holding(claims.id, async (hold) => {
      const found = await this.find(claims)
      if (found.isDone) return found
      if (found.offset > 0) await this.#environment.staging.remove(claims.id)
      return this.#receive(found.upload, 0, request, response, hold)
    })
  }

  /** What was there is forgotten: somebody begins anew. The caller holds it. */
  async restart(claims: UploadClaims): Promise<Found> {
    const found = await this.find(claims)
    if (!found.isDone && found.offset > 0) await this.#environment.staging.remove(claims.id)
    return found.isDone ? found : { ...found, offset: 0 }
  }

  /** The upload is over, and its bytes go. The caller holds it. */
  async abandon(claims: UploadClaims): Promise<void> {
    const found = await this.find(claims)
    // A blob has its own end.
    if (found.isDone) throw new HttpError(404, ERROR.noSuchBlob, 'there is no such upload, or none any more')
    await this.#environment.commands.abandonUpload(claims.id)
  }

  /** If all bytes are there and it is no blob yet, as after a crash, it becomes one now. The caller holds it. Rejects as `finish`. */
  async completed(claims: UploadClaims): Promise<Found> {
    const found = await this.find(claims)
    return found.isDone ? found : this.#completed(found.upload, found.offset)
  }

  /** What became of a user's upload; completes it as above. Rejects with no-such-blob, and with HttpError as `finish` but for 460. */
  async whatBecame(user: string, id: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload, readonly offset: number }> {
    const { commands, finisher, locks } = this.#environment
    // One that is being finished is worth waiting for.
    await finisher.running(id)?.catch(() => undefined)
    const what = await commands.uploaded(user, id)
    if ('blob' in what) return what
    const offset = await this.offset(id)
    const hold = offset === what.upload.size ? locks.takeIfFree(id) : null
    if (hold === null) return { upload: what.upload, offset }
    try {
      return { blob: await finisher.finish(what.upload) }
    } catch (error) {
      if (error instanceof HttpError && error.code === ERROR.hashMismatch) return { upload: what.upload, offset: 0 }
      throw error
    } finally {
      hold.release()
    }
  }

  async #receive(upload: Upload, offset: number, request: IncomingMessage, response: ServerResponse, hold: UploadHold): Promise<Found> {
    const { staging, room, config, counters, churn } = this.#environment
    const left = upload.size - offset
    const promise = await room.promise(Math.min(left, contentLength(request) ?? left))
    if (promise === null) throw new HttpError(507, ERROR.storageFull, 'the server has no room at present', { retryAfter: 60 })
    try {
      const onBytes = (count: number): void => {
        counters.blobBytesIn += count
        // The chunk, and what it is encrypted to.
        churn.allocated(2 * count)
        promise.written(count)
      }
      const plain = bodyOf(request, response, hold, config, this.#pace, onBytes)
      const digest = this.#digests.take(upload.id, offset, upload.size)
      const appended = await staging.append(upload.id, offset, sealed(plain, new BlobCipher(upload.key, offset), digest), upload.size, hold.signal)
      // It has seen no more and no less than what is there.
      const seen = digest?.at === appended.size ? digest : null
      if (seen !== null && seen.at < upload.size) this.#digests.keep(upload.id, seen)
      await this.#checkAppended(upload, offset, appended, hold)
      return await this.#completed(upload, appended.size, seen)
    } finally {
      promise.release()
    }
  }

  async #checkAppended(upload: Upload, offset: number, { outcome, size }: Appended, hold: UploadHold): Promise<void> {
    switch (outcome) {
      case 'complete': return
      case 'too-long':
        // What follows from a body that is not what was said is nothing.
        await this.#environment.staging.truncate(upload.id, offset)
        throw tooLong(upload.size)
      case 'broken': throw new ClientGone()
      case 'aborted': throw stopped(hold)
      case 'wrong-offset': throw wrongOffset(size)
      case 'busy': throw isBusy()
    }
  }

  async #completed(upload: Upload, offset: number, digest: UploadDigest | null = null): Promise<Found> {
    if (offset < upload.size) return { isDone: false, upload, offset }
    await this.#environment.finisher.finish(upload, digest?.result() ?? null)
    return { isDone: true, offset }
  }
}

/** The chunks of a body as they are stored. Each is asked for when it is wanted. */
async function* sealed(source: AsyncIterable<Uint8Array>, cipher: BlobCipher, digest: UploadDigest | null): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of source) {
    const stored = cipher.update(chunk)
    digest?.update(chunk, stored)
    yield stored
  }
}

/** There is nobody to answer. What came is kept. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
  constructor() {
    super('the client is gone')
  }
}

function wrongOffset(offset: number): HttpError {
  return new HttpError(409, ERROR.conflict, `the upload is at ${String(offset)}`, { headers: { 'upload-offset': String(offset) } })
}

function tooLong(size: number): HttpError {
  return new HttpError(413, ERROR.blobTooLarge, `more than the ${String(size)} bytes that were announced`)
}

function stopped(hold: UploadHold): HttpError {
  switch (hold.stopReason) {
    case 'idle': return new HttpError(408, ERROR.unavailable, 'nothing came for too long; what came is kept')
    case 'slow': return new HttpError(408, ERROR.unavailable, 'too little came for too long; what came is kept')
    case 'shutdown': return new HttpError(503, ERROR.unavailable, 'the server is stopping; what came is kept', { retryAfter: SOON_SECONDS })
    case 'contended': case null: return isBusy()
  }
}

/** For the request that has to wait, and for the one that was ended for it. */
export function isBusy(): HttpError {
  return new HttpError(423, ERROR.unavailable, 'another request writes to this upload', { retryAfter: SOON_SECONDS })
}
