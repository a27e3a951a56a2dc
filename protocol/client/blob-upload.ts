/**
 * One upload: asks for a place, sends what is not there yet, and goes on after whatever fails.
 *
 *     upload ─▶ held already ─────────────────────────────▶ done
 *        │
 *        ▼            ┌─ whole, or pieces that grow ─┐
 *     slot, offset ─▶ PUT or PATCH … ─▶ complete ─▶ blob? ─▶ done
 *        ▲                │ fails: wait, HEAD says where to go on
 *        └────────────────┘ token expired, upload over: ask again
 */
import { ERROR } from '../generated/registry.js'
import { readUpload, readUploaded, uploadedQuery, uploadQuery } from './blob-elements.js'
import type { BlobInfo, UploadRequest, UploadSlot } from './blob-elements.js'
import type { UploadSource } from './blob-platform.js'
import type { Exchange, Transfer } from './blob-transfer.js'
import { ClientError, localError, serverError } from './client-error.js'

/** Up to here one request carries the whole. */
const WHOLE_BYTES_MAX = 256 * 1024
/** Of one PATCH: the first is small, so that there is progress to see; they grow while the network is quick. */
export const PIECE_BYTES_MIN = 256 * 1024
export const PIECE_BYTES_MAX = 4 * 1024 * 1024
/** A piece that took less than this is followed by one of twice its size; one that took four times as much by one of half. */
const PIECE_MS = 1000

/** Times that the whole is sent again because it arrived with another hash. */
const CORRUPTED_MAX = 2
/** Times in a row that a fresh token is refused. */
const UNAUTHORIZED_MAX = 3

const TUS = { 'Tus-Resumable': '1.0.0' } as const

/** What became of one request. */
type Step =
  /** The server has so much. */
  | { readonly kind: 'at'; readonly offset: number }
  | { readonly kind: 'done'; readonly blob: BlobInfo }
  /** Another try after a while; HEAD says where to go on. */
  | { readonly kind: 'failed'; readonly error: ClientError; readonly retryAfterMs: number }
  /** With another token, or as another upload. */
  | { readonly kind: 'again'; readonly error: ClientError }

export class Upload {
  readonly #transfer: Transfer
  readonly #source: UploadSource
  readonly #request: UploadRequest
  #pieceBytes = PIECE_BYTES_MIN
  /** Most that the server has said it has. */
  #furthest = 0
  #corrupted = 0
  #unauthorized = 0
  /** One request for the whole is tried first, once. */
  #triesWhole: boolean

  constructor(transfer: Transfer, source: UploadSource, request: UploadRequest) {
    this.#transfer = transfer
    this.#source = source
    this.#request = request
    this.#triesWhole = request.size <= WHOLE_BYTES_MAX
  }

  /** Resolves with what the server made of it. Rejects with the ClientError of a refusal, or when the transfer is over. */
  async run(): Promise<BlobInfo> {
    for (;;) {
      const answer = await this.#transfer.ask(uploadQuery(this.#request), readUpload)
      const blob = 'blob' in answer ? answer.blob : await this.#fill(answer.slot)
      if (blob === null) continue
      this.#transfer.progressed(this.#request.size, this.#request.size)
      return blob
    }
  }

  /** null: the place has to be asked for again. */
  async #fill(slot: UploadSlot): Promise<BlobInfo | null> {
    let offset: number | null = slot.offset <= this.#request.size ? slot.offset : null
    if (offset !== null) this.#arrived(offset)
    for (;;) {
      const step = await this.#attempt(slot, offset)
      switch (step.kind) {
        case 'at': offset = step.offset; break
        case 'done': return step.blob
        case 'failed':
          offset = null
          this.#pieceBytes = PIECE_BYTES_MIN
          await this.#transfer.failed(step.error, step.retryAfterMs)
          break
        case 'again':
          await this.#transfer.stumbled(step.error)
          return null
      }
    }
  }

  async #attempt(slot: UploadSlot, offset: number | null): Promise<Step> {
    try {
      if (offset === null) return await this.#ask(slot)
      if (offset === this.#request.size) return await this.#complete(slot, offset)
      return this.#triesWhole && offset === 0 ? await this.#put(slot) : await this.#patch(slot, offset)
    } catch (error) {
      if (error instanceof ClientError && (error.symbol === 'connect-failed' || error.symbol === 'timeout')) return { kind: 'failed', error, retryAfterMs: 0 }
      throw error
    }
  }

  /** How much the server has. */
  async #ask(slot: UploadSlot): Promise<Step> {
    const exchange = await this.#transfer.request({ method: 'HEAD', url: slot.url, headers: headersOf(slot), body: null })
    try {
      if (exchange.status !== 200 && exchange.status !== 204) return await this.#refused(slot, exchange)
      await exchange.drain()
      return this.#offsetIn(exchange, this.#request.size)
    } finally {
      exchange.end()
    }
  }

  async #put(slot: UploadSlot): Promise<Step> {
    const { size, type } = this.#request
    // If it fails, what has arrived of it is not to be lost.
    this.#triesWhole = false
    const headers = { Authorization: `Bearer ${slot.token}`, 'Content-Type': type }
    const exchange = await this.#transfer.request({ method: 'PUT', url: slot.url, headers, body: await this.#source.read(0, size) })
    try {
      if (exchange.status !== 201) return await this.#refused(slot, exchange)
      await exchange.drain()
      return this.#at(size)
    } finally {
      exchange.end()
    }
  }

  async #patch(slot: UploadSlot, offset: number): Promise<Step> {
    const { size } = this.#request
    const end = Math.min(size, offset + this.#pieceBytes)
    const body = await this.#source.read(offset, end)
    const headers = { ...headersOf(slot), 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(offset) }
    const startedMs = this.#transfer.nowMs
    const exchange = await this.#transfer.request({ method: 'PATCH', url: slot.url, headers, body })
    try {
      if (exchange.status !== 204) return await this.#refused(slot, exchange)
      this.#adapt(this.#transfer.nowMs - startedMs)
      await exchange.drain()
      // Where this one completes it there may be no upload any more to tell the offset of.
      return exchange.header('upload-offset') === null && end === size ? this.#at(size) : this.#offsetIn(exchange, end)
    } finally {
      exchange.end()
    }
  }

  /** The server has all of it. One that died just then makes a blob of it at the next request, which need not carry anything. */
  async #complete(slot: UploadSlot, offset: number): Promise<Step> {
    const blob = await this.#become(slot)
    if (blob === 'none') return { kind: 'again', error: localError('bad-answer', 'the upload is over') }
    if (blob !== 'under way') return { kind: 'done', blob }
    const step = await this.#patch(slot, offset)
    const unfinished = localError('timeout', 'the server has the whole, and has not made a blob of it yet')
    return step.kind === 'at' ? { kind: 'failed', error: unfinished, retryAfterMs: 0 } : step
  }

  async #become(slot: UploadSlot): Promise<BlobInfo | 'under way' | 'none'> {
    try {
      return await this.#transfer.ask(uploadedQuery(slot.id), readUploaded)
    } catch (error) {
      if (error instanceof ClientError && error.code === ERROR.noSuchBlob) return 'none'
      throw error
    }
  }

  #adapt(tookMs: number): void {
    if (tookMs < PIECE_MS) this.#pieceBytes = Math.min(PIECE_BYTES_MAX, this.#pieceBytes * 2)
    else if (tookMs > 4 * PIECE_MS) this.#pieceBytes = Math.max(PIECE_BYTES_MIN, this.#pieceBytes / 2)
  }

  #offsetIn(exchange: Exchange, max: number): Step {
    const text = exchange.header('upload-offset') ?? ''
    const offset = /^\d{1,15}$/.test(text) ? Number(text) : Infinity
    return offset <= max ? this.#at(offset) : { kind: 'failed', error: localError('bad-answer', 'the server does not say how much it has'), retryAfterMs: 0 }
  }

  #at(offset: number): Step {
    this.#arrived(offset)
    return { kind: 'at', offset }
  }

  #arrived(offset: number): void {
    this.#transfer.progressed(offset, this.#request.size)
    // One that says the same again and again is not asked at full speed.
    if (offset <= this.#furthest) return
    this.#furthest = offset
    this.#unauthorized = 0
    this.#transfer.succeeded()
  }

  /** What follows from an answer that is none of the good ones. */
  async #refused(slot: UploadSlot, exchange: Exchange): Promise<Step> {
    const { status, retryAfterMs } = exchange
    const error = await exchange.error()
    switch (status) {
      case 401:
        if (++this.#unauthorized >= UNAUTHORIZED_MAX) throw error
        return { kind: 'again', error }
      case 404: case 410: {
        // It may be complete, the answer having been lost: with `strip` only the upload leads to what was made of it.
        const blob = await this.#become(slot)
        return typeof blob === 'object' ? { kind: 'done', blob } : { kind: 'again', error }
      }
      case 460: return this.#corruptedOnTheWay()
      case 408: case 409: case 423: case 429: return { kind: 'failed', error, retryAfterMs }
      default:
        if (status < 500) throw error
        return { kind: 'failed', error, retryAfterMs }
    }
  }

  /** Another hash arrived than was announced, and the upload is empty again. [BLB-8] */
  async #corruptedOnTheWay(): Promise<Step> {
    const error = serverError(ERROR.hashMismatch, '', 0)
    if (await this.#source.hash(this.#transfer.over) !== this.#request.hash) throw localError('file-changed', 'the file was changed while it was uploaded')
    if (++this.#corrupted > CORRUPTED_MAX) throw error
    this.#furthest = 0
    return { kind: 'failed', error, retryAfterMs: 0 }
  }
}

function headersOf(slot: UploadSlot): Record<string, string> {
  return { Authorization: `Bearer ${slot.token}`, ...TUS }
}
