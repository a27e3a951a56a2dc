/** Downloads: by a URL that says what it is good for, in whole or in part, piece by piece to the socket. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERROR } from '../../protocol/generated/registry.js'
import { BlobError } from '../../storage/blobs/blob-store.js'
import type { Clock } from '../clock.js'
import type { Counters } from '../metrics/metrics.js'
import type { Blob, StoredObject } from './blob-router.js'
import { type ByteRange, matchesNone, rangeApplies, rangeOf } from './byte-range.js'
import type { Capabilities, DownloadClaims } from './capability.js'
import { contentDisposition } from './content-disposition.js'
import { HttpError } from './http-error.js'
import type { KnownBlobs } from './known-blobs.js'
import { isShownInline } from './media/content-type.js'
import { PIECE_BYTES, type PieceReader, type PlainPieces } from './plain-pieces.js'

/** Of a download, handed to its socket and not sent: while one piece is copied by the system the next is there already. */
const SENT_AHEAD_BYTES = 2 * PIECE_BYTES

export interface DownloadsEnvironment {
  readonly capabilities: Capabilities
  readonly known: KnownBlobs
  readonly pieces: PlainPieces
  readonly clock: Clock
  readonly counters: Counters
  readonly idleMs: number
  /** Which pages may show a picture of ours without asking: a value of Cross-Origin-Resource-Policy. */
  readonly resourcePolicy: 'same-site' | 'cross-origin'
}

export class Downloads {
  readonly #environment: DownloadsEnvironment

  constructor(environment: DownloadsEnvironment) {
    this.#environment = environment
  }

  /**
   * Answers GET and HEAD of `/blobs/<id>?<query>`; resolves with the status when it has. Rejects with HttpError and BlobError while
   * nothing has been said; what fails later ends the connection, so that no part passes for the whole.
   */
  async answer(id: string, query: string, request: IncomingMessage, response: ServerResponse): Promise<number> {
    const { capabilities, known, clock } = this.#environment
    const claims = capabilities.openDownload(id, query, clock.nowMs())
    const blob = claims === null ? null : await known.blob(claims.id)
    const wanted = claims === null || blob === null ? null : partOf(blob, claims)
    if (claims === null || wanted === null) throw new HttpError(404, ERROR.noSuchBlob, 'there is no such blob, or none any more')
    const { headers: asked, method } = request
    const etag = `"${wanted.hash}"`
    const headers = this.#headers(wanted, claims, etag)
    if (matchesNone(asked['if-none-match'], etag)) return finished(response, 304, headers)
    const range = method === 'GET' && rangeApplies(asString(asked['if-range']), etag) ? rangeOf(asked.range, wanted.size) : 'whole'
    if (range === 'unsatisfiable') {
      throw new HttpError(416, ERROR.badRequest, `there are ${String(wanted.size)} bytes`, { headers: { 'content-range': `bytes */${String(wanted.size)}` } })
    }
    const { start, end } = range === 'whole' ? { start: 0, end: wanted.size } : range
    const described = { ...headers, 'content-type': wanted.type, 'content-length': String(end - start) }
    if (method === 'HEAD') return finished(response, 200, described)
    const reader = this.#environment.pieces.open(wanted, start, end)
    const closed = (): void => { reader.destroy() }
    response.once('close', closed)
    try {
      // Before anything is said: a store that hasn't got it, or is away, is an error of its own.
      const first = await reader.next().catch((error: unknown) => {
        // Reading ends with the connection; that says nothing about the store.
        if (!response.destroyed) throw error
        return null
      })
      if (response.destroyed) return 499
      const status = range === 'whole' ? 200 : 206
      response.writeHead(status, range === 'whole' ? described : { ...described, 'content-range': contentRange(range, wanted.size) })
      await this.#send(first, reader, response)
      return status
    } finally {
      response.off('close', closed)
      reader.destroy()
    }
  }

  /** [BLB-19] [BLB-20] */
  #headers({ type }: StoredObject, { name, expiresMs }: DownloadClaims, etag: string): Record<string, string> {
    const seconds = Math.max(0, Math.floor((expiresMs - this.#environment.clock.nowMs()) / 1000))
    return {
      etag,
      'accept-ranges': 'bytes',
      'cache-control': `private, max-age=${String(seconds)}, immutable`,
      'content-disposition': contentDisposition(isShownInline(type) ? 'inline' : 'attachment', name),
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': this.#environment.resourcePolicy,
      'referrer-policy': 'no-referrer',
    }
  }

  async #send(first: Buffer | null, reader: PieceReader, response: ServerResponse): Promise<void> {
    const { counters, idleMs } = this.#environment
    try {
      for (let piece = first; piece !== null; piece = await reader.next()) {
        counters.blobBytesOut += piece.length
        const hasRoom = response.write(piece) || response.writableLength < SENT_AHEAD_BYTES
        if (!hasRoom) await drained(response, idleMs)
        else if (response.destroyed) return
      }
      response.end()
    } catch (error) {
      const isClientGone = response.destroyed
      response.destroy()
      if (!isClientGone) throw error
    }
  }
}

/** The original, or a rendition that there is. */
function partOf(blob: Blob, { rendition }: DownloadClaims): StoredObject | null {
  return rendition === 'original' ? blob.content : blob.renditions.find(({ kind }) => kind === rendition) ?? null
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${String(start)}-${String(end - 1)}/${String(size)}`
}

function finished(response: ServerResponse, status: number, headers: Readonly<Record<string, string>>): number {
  response.writeHead(status, headers)
  response.end()
  return status
}

function asString(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

/** Resolves once there is room again; ends a response of which nothing is read for `idleMs`, and rejects if it has ended. */
function drained(response: ServerResponse, idleMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      response.off('drain', settle).off('close', settle)
      if (response.destroyed) reject(new BlobError('unavailable', 'the client is gone'))
      else resolve()
    }
    const timer = setTimeout(() => response.destroy(), idleMs)
    response.on('drain', settle).on('close', settle)
    // It may have ended before anybody listened.
    if (response.destroyed) settle()
  })
}
