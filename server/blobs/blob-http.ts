/** The HTTP side of blobs: which request is whose, who may make it, how many at once, and how it is answered when it fails. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ERROR } from '../../protocol/generated/registry.js'
import { BlobError } from '../../storage/blobs/blob-store.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import { RouterError } from '../router/router.js'
import { answerPreflight, type Answers, prepareAnswer, refuse } from './answering.js'
import { pathOf, UPLOADS_PATH } from './blob-targets.js'
import type { Capabilities, UploadClaims } from './capability.js'
import type { Downloads } from './downloads.js'
import { HttpError, toHttpError } from './http-error.js'
import { answerShortly, contentLength, handedOver } from './request-body.js'
import type { RequestSlots } from './request-slots.js'
import { type Tus, TUS_VERSION } from './tus.js'
import type { UploadLocks } from './upload-locks.js'
import { ClientGone, type Found, type Uploads } from './uploads.js'

export interface BlobHttpEnvironment {
  readonly capabilities: Capabilities
  readonly uploads: Uploads
  readonly downloads: Downloads
  readonly tus: Tus
  readonly locks: UploadLocks
  readonly slots: RequestSlots
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
}

/** What a request is for, by the path alone. Anything but these spellings is nothing of ours. */
type Target =
  | { readonly kind: 'uploads' }
  | { readonly kind: 'upload', readonly id: string }
  | { readonly kind: 'download', readonly id: string, readonly query: string }

interface Connection {
  /** Requests that it had, and those of them that are not answered yet. */
  count: number
  unanswered: number
  /** What a pipelined request waits for. */
  last: Promise<void> | null
  readonly address: string
}

const UPLOAD_METHODS = ['HEAD', 'PATCH', 'PUT', 'DELETE', 'OPTIONS']
export class BlobHttp implements Answers {
  readonly #environment: BlobHttpEnvironment
  readonly #answering = new Map<ServerResponse, Promise<void>>()
  readonly #connections = new WeakMap<Socket, Connection>()
  #isClosing = false
  #closed: Promise<void> | null = null

  constructor(environment: BlobHttpEnvironment) {
    this.#environment = environment
  }

  connected(socket: Socket, address: string): void {
    this.#connections.set(socket, { count: 0, unanswered: 0, last: null, address })
  }

  isAnswering(socket: Socket): boolean {
    return this.#connection(socket).unanswered > 0
  }

  handle(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): void {
    const connection = this.#connection(request.socket)
    connection.count++
    connection.unanswered++
    // node's own maximum says so too, and then waits for another.
    if (connection.count >= this.#environment.config.blobs.requestsByConnectionMax) response.setHeader('connection', 'close')
    const answer = async (): Promise<void> => {
      await this.#answer(request, response, isOriginAllowed)
      await handedOver(request, response, this.#environment.config.blobs.downloadIdleMs)
    }
    const answering = connection.last === null ? answer() : connection.last.then(answer)
    connection.last = answering
    this.#answering.set(response, answering)
    void answering.finally(() => {
      this.#answering.delete(response)
      connection.unanswered--
    })
  }

  close(graceMs: number): Promise<void> {
    return this.#closed ??= this.#close(graceMs)
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosing = true
    this.#environment.locks.stopAll()
    const timer = setTimeout(() => {
      for (const response of this.#answering.keys()) response.destroy()
    }, graceMs)
    await Promise.allSettled(this.#answering.values())
    clearTimeout(timer)
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): Promise<void> {
    const target = targetOf(request.url ?? '')
    try {
      // One that waited for its turn has no connection of its own yet, and never hears of the end of it.
      if (response.destroyed || request.socket.destroyed) return
      prepareAnswer(request, response, isOriginAllowed, this.#isClosing)
      if (answerPreflight(request, response, isOriginAllowed)) return
      if (this.#isClosing) throw new HttpError(503, ERROR.unavailable, 'the server is stopping', { retryAfter: 1 })
      switch (target?.kind) {
        case 'download':
          await this.#download(target, request, response)
          break
        case 'upload':
          await this.#upload(target.id, request, response)
          break
        case 'uploads':
          await this.#create(request, response)
          break
        case undefined: throw new HttpError(404, ERROR.noSuchBlob, 'there is nothing here')
      }
    } catch (error) {
      this.#fail(request, response, error, target)
    }
  }

  async #download({ id, query }: { readonly id: string, readonly query: string }, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw notAllowed('GET, HEAD, OPTIONS')
    // A body that nobody reads could go on for ever, and be taken for the next request by whoever stands between.
    if (contentLength(request) !== 0) response.setHeader('connection', 'close')
    const release = this.#slot('download', request)
    try {
      this.#environment.counters.downloadAnswered(await this.#environment.downloads.answer(id, query, request, response))
    } finally {
      release()
    }
  }

  async #upload(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = methodOf(request)
    if (!UPLOAD_METHODS.includes(method)) throw notAllowed(UPLOAD_METHODS.join(', '))
    const claims = method === 'OPTIONS' ? null : this.#claims(request)
    if (claims !== null && claims.id !== id) throw unauthorized()
    if (claims !== null && method !== 'PUT') checkTusVersion(request)
    if (claims !== null && method === 'PUT') await this.#put(claims, request, response)
    else if (claims !== null && method === 'PATCH') await this.#patch(claims, request, response)
    else await this.#tus(claims, request, response)
  }

  async #put(claims: UploadClaims, request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#reading(request, () => this.#environment.uploads.put(claims, request, response))
    answerShortly(request, response, 201, { 'cache-control': 'no-store' }, '')
  }

  async #patch(claims: UploadClaims, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const offset = patchOffset(request)
    const found = await this.#reading(request, () => this.#environment.uploads.patch(claims, offset, request, response))
    answerShortly(request, response, 204, patched(found), '')
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = methodOf(request)
    if (method !== 'POST' && method !== 'OPTIONS') throw notAllowed('POST, OPTIONS')
    const claims = method === 'OPTIONS' ? null : this.#claims(request)
    if (claims !== null) checkTusVersion(request)
    await this.#tus(claims, request, response)
  }

  async #tus(claims: UploadClaims | null, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = methodOf(request)
    const path = claims === null || method === 'POST' ? UPLOADS_PATH : `${UPLOADS_PATH}/${claims.id}`
    const { status, headers } = await this.#environment.tus.answer(method, request.headers, path, claims)
    answerShortly(request, response, status, headers, '')
  }

  /** Who a request of an upload acts for. [BLB-9] */
  #claims(request: IncomingMessage): UploadClaims {
    const { capabilities, clock } = this.#environment
    const [, token = ''] = /^Bearer +([A-Za-z0-9_-]+) *$/i.exec(request.headers.authorization ?? '') ?? []
    const claims = capabilities.openUpload(token, clock.nowMs())
    if (claims === null) throw unauthorized()
    return claims
  }

  async #reading<T>(request: IncomingMessage, read: () => Promise<T>): Promise<T> {
    const release = this.#slot('upload', request)
    try {
      return await read()
    } finally {
      release()
    }
  }

  #connection(socket: Socket): Connection {
    const connection = this.#connections.get(socket)
    if (connection === undefined) throw new Error('a request of a connection that nobody has told of')
    return connection
  }

  #slot(kind: 'upload' | 'download', request: IncomingMessage): () => void {
    const release = this.#environment.slots.take(kind, this.#connection(request.socket).address)
    if (release === null) throw new HttpError(503, ERROR.resourceLimit, `too many ${kind}s at once`, { retryAfter: 1 })
    return release
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown, target: Target | null): void {
    if (error instanceof ClientGone) {
      response.destroy()
      return
    }
    const { log, counters } = this.#environment
    const failure = toHttpError(error)
    const { cause } = failure
    if (cause instanceof BlobError) counters.blobStoreFailed(cause.code)
    if (target?.kind === 'download') counters.downloadAnswered(failure.status)
    else counters.uploadRefused(failure.code)
    const fields = { target: target?.kind ?? 'none', id: target !== null && 'id' in target ? target.id : null, method: request.method, status: failure.status, reason: failure.message }
    if (cause instanceof Error && !(cause instanceof RouterError)) log.warn({ ...fields, error: cause }, 'blob-request-failed')
    else log.debug(fields, 'blob-request-refused')
    refuse(request, response, failure)
  }
}

function targetOf(target: string): Target | null {
  const path = pathOf(target)
  if (path === UPLOADS_PATH || path === `${UPLOADS_PATH}/`) return { kind: 'uploads' }
  const upload = /^\/blobs\/uploads\/([0-9a-f]{32})$/.exec(path)
  if (upload !== null) return { kind: 'upload', id: upload[1]! }
  const download = /^\/blobs\/([0-9a-f]{64})\?(.*)$/.exec(path)
  return download === null ? null : { kind: 'download', id: download[1]!, query: download[2]! }
}

/** tus lets clients that know GET and POST alone name the method in a header. */
function methodOf(request: IncomingMessage): string {
  const override = request.headers['x-http-method-override']
  return request.method === 'POST' && typeof override === 'string' ? override.toUpperCase() : request.method ?? ''
}

function checkTusVersion(request: IncomingMessage): void {
  if (request.headers['tus-resumable'] === TUS_VERSION) return
  throw new HttpError(412, ERROR.badRequest, `say Tus-Resumable: ${TUS_VERSION}`, { headers: { 'tus-version': TUS_VERSION } })
}

function patchOffset(request: IncomingMessage): number {
  if (request.headers['content-type'] !== 'application/offset+octet-stream') {
    throw new HttpError(415, ERROR.badRequest, 'PATCH has the content type application/offset+octet-stream')
  }
  const offset = request.headers['upload-offset']
  if (typeof offset !== 'string' || !/^(0|[1-9]\d{0,14})$/.test(offset)) throw new HttpError(400, ERROR.badRequest, 'Upload-Offset is missing, or no number')
  return Number(offset)
}

function patched(found: Found): Record<string, string> {
  return {
    'tus-resumable': TUS_VERSION, 'upload-offset': String(found.offset), 'cache-control': 'no-store',
    ...found.isDone ? {} : { 'upload-expires': new Date(found.upload.expiresMs).toUTCString() },
  }
}

function unauthorized(): HttpError {
  return new HttpError(401, ERROR.notAuthorized, 'no token that is good for this', { headers: { 'www-authenticate': 'Bearer' } })
}

function notAllowed(allow: string): HttpError {
  return new HttpError(405, ERROR.badRequest, `only ${allow}`, { headers: { allow } })
}
