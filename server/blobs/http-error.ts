/** What a request of the HTTP side is refused with. */
import { ERROR, ERRORS, type ErrorCode } from '../../protocol/generated/registry.js'
import { BlobError, type BlobErrorCode } from '../../storage/blobs/blob-store.js'
import { RouterError } from '../router/router.js'

export interface HttpErrorOptions {
  /** Seconds; 0: not said. */
  readonly retryAfter?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** `status` by HTTP, `code` of the registry, and a reason for people that holds no secret. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly code: ErrorCode
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: ErrorCode, reason: string, options: HttpErrorOptions = {}) {
    super(reason, options.cause === undefined ? {} : { cause: options.cause })
    this.status = status
    this.code = code
    this.headers = { ...options.headers, ...(options.retryAfter ?? 0) > 0 ? { 'retry-after': String(options.retryAfter) } : {} }
  }

  /** The body: JSON, and a newline for who reads it with curl. */
  get body(): string {
    return `${JSON.stringify({ error: ERRORS.get(this.code)?.name ?? 'internal-error', reason: this.message })}\n`
  }
}

/** Later is soon enough: the store is away, or full. */
const RETRY_SECONDS = 10

/** Whatever was thrown, as an answer. What is no fault of the client's says no more than that; its cause is for the log. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (error instanceof RouterError) return ofRouter(error)
  if (error instanceof BlobError) return ofStore(error.code, error)
  return new HttpError(500, ERROR.internalError, 'a fault of the server', { cause: error })
}

function ofStore(code: BlobErrorCode, cause: unknown): HttpError {
  switch (code) {
    case 'not-found': return new HttpError(404, ERROR.noSuchBlob, 'there is no such blob', { cause })
    case 'no-space': return new HttpError(507, ERROR.storageFull, 'the server has no room at present; what came is kept', { cause, retryAfter: RETRY_SECONDS * 6 })
    case 'unavailable': case 'denied': case 'damaged': case 'internal':
      return new HttpError(503, ERROR.unavailable, 'the store of blobs is not available at present', { cause, retryAfter: RETRY_SECONDS })
  }
}

function ofRouter(error: RouterError): HttpError {
  const retryAfter = Math.max(1, Math.ceil(error.retryAfterMs / 1000))
  switch (error.code) {
    case ERROR.storageFull: return new HttpError(507, error.code, error.message, { cause: error, retryAfter })
    case ERROR.noSuchBlob: return new HttpError(404, error.code, error.message, { cause: error })
    default: return new HttpError(503, error.code < 300 ? ERROR.unavailable : error.code, 'not possible at present', { cause: error, retryAfter })
  }
}
