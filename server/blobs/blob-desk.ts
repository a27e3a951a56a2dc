/** What sessions ask about blobs: uploads are made, described, and turned into URLs here; who may is decided by the shard. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Counters } from '../metrics/metrics.js'
import { RouterError } from '../router/router.js'
import type { Blob, BlobCommands, BlobPlace, BlobUsage, StoredObject, Upload, UploadRequest } from './blob-router.js'
import { UPLOADS_PATH } from './blob-targets.js'
import { type Capabilities, type DownloadClaims, urlExpiryMs } from './capability.js'
import { isAllowed } from './media/content-type.js'

/** Who knows how far uploads are, and completes one that has all its bytes. */
export interface UploadEnds {
  /** Rejects with no-such-blob, and with RouterError, HttpError and BlobError where it can't be completed now. */
  whatBecame(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload, readonly offset: number }>
}

export interface BlobDeskEnvironment {
  readonly capabilities: Capabilities
  readonly commands: BlobCommands
  readonly uploads: UploadEnds
  readonly config: Config['blobs']
  readonly clock: Clock
  readonly counters: Counters
}

/** Where an upload is, and what goes with each request there. */
export interface UploadSlot {
  readonly id: string
  readonly url: string
  readonly token: string
  /** Bytes that are there. */
  readonly offset: number
  /** When the token ends: Unix time, ms. */
  readonly expiresMs: number
}

export interface DownloadUrl {
  readonly url: string
  /** Unix time, ms. */
  readonly expiresMs: number
  /** What it gives. */
  readonly part: StoredObject
}

/** What sessions ask of it: of this node's, or of the node's that keeps the files. */
export type Desk = Pick<BlobDesk, 'sizeMax' | 'upload' | 'whatBecame' | 'url' | 'find' | 'keep' | 'usage'>

export class BlobDesk {
  readonly #environment: BlobDeskEnvironment
  /** `https://chat.example`, once it is known. */
  #origin = ''

  constructor(environment: BlobDeskEnvironment) {
    this.#environment = environment
  }

  /** From now on URLs begin with this: scheme, host and port, no slash at the end. */
  serveAt(origin: string): void {
    this.#origin = origin
  }

  get sizeMax(): number {
    return this.#environment.config.sizeMax
  }

  /** The form of the request is the caller's to check. Rejects with RouterError, by code as BLB-6 says. */
  async upload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly slot: UploadSlot }> {
    try {
      return await this.#upload(user, request)
    } catch (error) {
      if (error instanceof RouterError) this.#environment.counters.uploadRefused(error.code)
      throw error
    }
  }

  async #upload(user: string, request: UploadRequest): Promise<{ readonly blob: Blob } | { readonly slot: UploadSlot }> {
    const { commands, uploads, config } = this.#environment
    if (request.size > config.sizeMax) throw new RouterError(ERROR.blobTooLarge, `a blob has at most ${String(config.sizeMax)} bytes here`)
    if (!isAllowed(request.type, config.types)) throw new RouterError(ERROR.typeNotAllowed, `${request.type} is not taken here`)
    const opened = await commands.openUpload(user, request)
    if ('blob' in opened) return opened
    // One that a crash has kept from becoming a blob becomes one now.
    const became = await uploads.whatBecame(user, opened.upload.id)
    return 'blob' in became ? became : { slot: this.#slot(became.upload, became.offset) }
  }

  /** Rejects with no-such-blob, and as `Uploads.whatBecame`. */
  async whatBecame(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload, readonly offset: number }> {
    return this.#environment.uploads.whatBecame(user, uploadId)
  }

  /** Rejects with RouterError as `BlobCommands.find`, and with no-such-blob where there is no such rendition. [BLB-16] [BLB-17] */
  async url(user: string, place: BlobPlace, rendition: DownloadClaims['rendition'], name: string): Promise<DownloadUrl> {
    const { commands, capabilities, config, clock } = this.#environment
    const blob = await commands.find(user, place)
    const part = rendition === 'original' ? blob.content : blob.renditions.find(({ kind }) => kind === rendition)
    if (part === undefined) throw new RouterError(ERROR.noSuchBlob, `there is no ${rendition} of it`)
    const expiresMs = urlExpiryMs(clock.nowMs(), config.urlAgeMs)
    return { url: `${this.#servedAt()}${capabilities.downloadPath({ id: blob.content.hash, rendition, name, expiresMs })}`, expiresMs, part }
  }

  async find(user: string, id: string): Promise<Blob> {
    return this.#environment.commands.find(user, { kind: 'own', id })
  }

  async keep(user: string, conversation: string, seq: number, id: string): Promise<Blob> {
    return this.#environment.commands.keep(user, conversation, seq, id)
  }

  async usage(user: string): Promise<BlobUsage> {
    return this.#environment.commands.usage(user)
  }

  #slot({ id, user, size, expiresMs }: Upload, offset: number): UploadSlot {
    const { capabilities, config, clock } = this.#environment
    const tokenEndsMs = Math.min(expiresMs, clock.nowMs() + config.urlAgeMs)
    const token = capabilities.uploadToken({ id, user, size, expiresMs: tokenEndsMs })
    return { id, url: `${this.#servedAt()}${UPLOADS_PATH}/${id}`, token, offset, expiresMs: tokenEndsMs }
  }

  #servedAt(): string {
    if (this.#origin === '') throw new RouterError(ERROR.unavailable, 'the server is starting', { retryAfterMs: 1000 })
    return this.#origin
  }
}
