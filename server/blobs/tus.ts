/**
 * tus 1.0 (https://tus.io/protocols/resumable-upload) by @tus/server, but for PATCH: the bytes go from the socket to the disk without it
 * (why: spec/decisions.md). It sees requests without bodies, and its answers are taken apart again: what is said about origins, and how
 * errors look, is the same for all requests here.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import { DataStore, type Lock, type Locker, Server, Upload as TusUpload } from '@tus/server'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { UPLOADS_PATH } from './blob-targets.js'
import type { UploadClaims } from './capability.js'
import { HttpError } from './http-error.js'
import type { UploadHold, UploadLocks } from './upload-locks.js'
import { isBusy, type Uploads } from './uploads.js'

export const TUS_VERSION = '1.0.0'

export interface TusOptions {
  readonly uploads: Uploads
  readonly locks: UploadLocks
  readonly sizeMax: number
  readonly uploadAgeMs: number
}

export interface TusAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** A request on its way through the library: whose it is, and what our part of it failed with. */
interface Passage {
  readonly claims: UploadClaims
  /** The upload is its own to change. */
  isHolding: boolean
  error: unknown
}

const passages = new AsyncLocalStorage<Passage>()

export class Tus {
  readonly #server: Server

  constructor(options: TusOptions) {
    this.#server = new Server({
      path: UPLOADS_PATH,
      datastore: new StagedUploads(options),
      locker: lockerOf(options.locks),
      maxSize: options.sizeMax,
      relativeLocation: true,
      namingFunction: () => claims().id,
    })
  }

  /** Answers HEAD, POST and DELETE; and OPTIONS, for which nobody needs a token. Rejects with HttpError, and with what uploads do. */
  async answer(method: string, given: IncomingHttpHeaders, path: string, held: UploadClaims | null): Promise<TusAnswer> {
    const passage: Passage | null = held === null ? null : { claims: held, isHolding: false, error: null }
    const headers = new Headers()
    for (const [name, value] of Object.entries(given)) {
      if ((name.startsWith('upload-') || name === 'tus-resumable') && typeof value === 'string') headers.set(name, value)
    }
    const bare = new Request(`http://host${path}`, { method, headers })
    const ask = (): Promise<Response> => this.#server.handleWeb(bare)
    const response = await (passage === null ? ask() : passages.run(passage, ask))
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- it was thrown before
    if (passage !== null && passage.error !== null) throw passage.error
    const answered: Record<string, string> = {}
    response.headers.forEach((value, name) => {
      if (!name.startsWith('access-control-') && name !== 'content-length' && name !== 'content-type' && name !== 'connection') answered[name] = value
    })
    if (response.status < 400) return { status: response.status, headers: answered }
    const reason = method === 'HEAD' ? '' : (await response.text()).trim()
    throw new HttpError(response.status, codeOf(response.status), reason === '' ? 'not possible' : reason)
  }
}

/** The one upload of the token, as the library's store. */
class StagedUploads extends DataStore {
  readonly #uploads: Uploads
  readonly #ageMs: number

  constructor({ uploads, uploadAgeMs }: TusOptions) {
    super()
    this.extensions = ['creation', 'termination', 'expiration']
    this.#uploads = uploads
    this.#ageMs = uploadAgeMs
  }

  /** The upload is there already. Who creates it expects it to be empty. */
  override async create(upload: TusUpload): Promise<TusUpload> {
    if (upload.size !== claims().size) {
      return failed(new HttpError(400, ERROR.badRequest, `Upload-Length is not the size that was announced: ${String(claims().size)}`))
    }
    const found = await this.#uploads.restart(claims()).catch(failed)
    if (!found.isDone) upload.creation_date = this.#creation(found.upload.expiresMs)
    return upload
  }

  override async getUpload(id: string): Promise<TusUpload> {
    const { isHolding } = passage()
    // Behind POST the library looks once more, when the upload may be another request's already.
    const found = await (isHolding ? this.#uploads.completed(claims()) : this.#uploads.find(claims())).catch(failed)
    const creation = found.isDone ? {} : { creation_date: this.#creation(found.upload.expiresMs) }
    return new TusUpload({ id, size: claims().size, offset: found.offset, ...creation })
  }

  override async remove(): Promise<void> {
    await this.#uploads.abandon(claims()).catch(failed)
  }

  /** From `creation_date`, in milliseconds. */
  override getExpiration(): number {
    return this.#ageMs
  }

  #creation(expiresMs: number): string {
    return new Date(expiresMs - this.#ageMs).toISOString()
  }
}

function lockerOf(locks: UploadLocks): Locker {
  return {
    newLock: (id: string): Lock => {
      let hold: UploadHold | null = null
      return {
        lock: async () => {
          hold = await locks.take(id)
          if (hold === null) await failed(isBusy())
          passage().isHolding = true
        },
        unlock: async () => {
          passage().isHolding = false
          hold?.release()
        },
      }
    },
  }
}

function claims(): UploadClaims {
  return passage().claims
}

/** Keeps the error for who asked; the library gets what it understands. */
async function failed(error: unknown): Promise<never> {
  passage().error = error
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- the library's form
  throw { status_code: 500, body: '' }
}

function passage(): Passage {
  const store = passages.getStore()
  if (store === undefined) throw new Error('outside of a request')
  return store
}

function codeOf(status: number): ErrorCode {
  switch (status) {
    case 404: case 410: return ERROR.noSuchBlob
    case 413: return ERROR.blobTooLarge
    case 500: return ERROR.internalError
    default: return ERROR.badRequest
  }
}
