/** What all answers to requests for blobs have in common, whoever gives them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpError } from './http-error.js'
import { answerShortly } from './request-body.js'

/** A server for these requests, as far as connections know it. */
export interface Answers {
  /** Whose connection it is: an IP address, which the socket does not know where it stands for another. */
  connected(socket: IncomingMessage['socket'], address: string): void
  /** Whether the last byte of some answer is still to be written. */
  isAnswering(socket: IncomingMessage['socket']): boolean
  /**
   * Answers, now or later; never throws. Bodies are read here, or left, and ended when nothing comes; who expects 100-continue hears so
   * when its body is going to be read. `isOriginAllowed`: pages of the request's origin may read the answer; false where there is none.
   */
  handle(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): void
  /** Uploads are cut, and what came is kept; downloads may end for `graceMs`. From the call on nothing new begins. A second call waits for the first. */
  close(graceMs: number): Promise<void>
}

const CORS = {
  'access-control-allow-methods': 'GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'Authorization, Content-Type, If-None-Match, If-Range, Range, Tus-Resumable, Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, X-Request-ID, X-Requested-With',
  'access-control-max-age': '86400',
}
const EXPOSED = 'Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Retry-After, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Expires, Upload-Length, Upload-Offset'

/** Headers of every answer. `isLast`: the connection ends with it. */
export function prepareAnswer({ headers: { origin } }: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean, isLast: boolean): void {
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('vary', 'Origin')
  if (isLast) response.setHeader('connection', 'close')
  if (isOriginAllowed && origin !== undefined) {
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-expose-headers', EXPOSED)
  }
}

/** Answers what a browser asks before a page's request; false: this is another request. */
export function answerPreflight(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): boolean {
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false
  answerShortly(request, response, 204, isOriginAllowed ? CORS : {}, '')
  return true
}

export function refuse(request: IncomingMessage, response: ServerResponse, failure: HttpError): void {
  answerShortly(request, response, failure.status, { ...failure.headers, 'content-type': 'application/json', 'cache-control': 'no-store' }, failure.body)
}
