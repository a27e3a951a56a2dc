/**
 * One download: asks for a URL, reads what is missing, goes on after a break where it broke, and hands over nothing that does not have
 * the size and the hash that the server told on the connection. [BLB-21]
 */
import { ERROR } from '../generated/registry.js'
import { blobUrlQuery, readBlobUrl } from './blob-elements.js'
import type { BlobPlace, DownloadGrant, Rendition } from './blob-elements.js'
import type { BlobPlatform, DownloadTarget } from './blob-platform.js'
import type { Exchange, Transfer } from './blob-transfer.js'
import { ClientError, localError, serverError } from './client-error.js'

/** URLs in a row that lead to nothing, just given out: the blob is gone. */
const GONE_MAX = 3
/** Times that the whole is read again because it had another hash. */
const CORRUPTED_MAX = 2

export type OpenTarget = (grant: DownloadGrant) => Promise<DownloadTarget>

/** `expired`: another URL has to be asked for. */
type Step =
  | { readonly kind: 'read' }
  | { readonly kind: 'expired'; readonly error: ClientError }
  | { readonly kind: 'failed'; readonly error: ClientError; readonly retryAfterMs: number }

export class Download {
  readonly #transfer: Transfer
  readonly #place: BlobPlace
  readonly #rendition: Rendition
  readonly #newHash: BlobPlatform['newHash']
  #gone = 0
  #corrupted = 0
  /** Most that was held. */
  #furthest = 0
  /** Of what is held; null: not known. */
  #etag: string | null = null

  constructor(transfer: Transfer, place: BlobPlace, rendition: Rendition, newHash: BlobPlatform['newHash']) {
    this.#transfer = transfer
    this.#place = place
    this.#rendition = rendition
    this.#newHash = newHash
  }

  /** Resolves when the target is finished. Rejects with the ClientError of a refusal, damaged-blob, or when the transfer is over. */
  async run(open: OpenTarget): Promise<DownloadGrant> {
    let grant = await this.#ask()
    const target = await open(grant)
    try {
      for (;;) {
        if (await this.#fill(grant, target) && await this.#isSound(grant, target)) break
        const next = await this.#ask()
        // What a picture's owner changed meanwhile is another one.
        if (next.hash !== grant.hash) throw serverError(ERROR.noSuchBlob, 'it was replaced while it was downloaded', 0)
        grant = next
      }
      await target.finish()
      return grant
    } finally {
      await target.close()
    }
  }

  async #ask(): Promise<DownloadGrant> {
    const grant = await this.#transfer.ask(blobUrlQuery(this.#place, this.#rendition), readBlobUrl)
    // The id of an original is its hash: one that the server says is another is another blob. [BLB-1] [BLB-21]
    if (this.#rendition === 'original' && 'id' in this.#place && grant.hash !== this.#place.id) {
      throw localError('damaged-blob', 'the server gives another blob than the one that was asked for')
    }
    return grant
  }

  /** False: another URL has to be asked for. */
  async #fill(grant: DownloadGrant, target: DownloadTarget): Promise<boolean> {
    while (target.held !== grant.size) {
      if (target.held > grant.size) await target.restart()
      this.#transfer.progressed(target.held, grant.size)
      const step = await this.#attempt(grant, target)
      if (step.kind === 'failed') await this.#transfer.failed(step.error, step.retryAfterMs)
      if (step.kind !== 'expired') continue
      if (++this.#gone >= GONE_MAX) throw step.error
      await this.#transfer.stumbled(step.error)
      return false
    }
    return true
  }

  async #attempt(grant: DownloadGrant, target: DownloadTarget): Promise<Step> {
    try {
      return await this.#read(grant, target)
    } catch (error) {
      if (error instanceof ClientError && (error.symbol === 'connect-failed' || error.symbol === 'timeout')) return { kind: 'failed', error, retryAfterMs: 0 }
      throw error
    }
  }

  async #read(grant: DownloadGrant, target: DownloadTarget): Promise<Step> {
    const { held } = target
    const condition = this.#etag === null ? {} : { 'If-Range': this.#etag }
    const headers = held === 0 ? {} : { Range: `bytes=${held}-`, ...condition }
    const exchange = await this.#transfer.request({ method: 'GET', url: grant.url, headers, body: null })
    try {
      if (exchange.status === 206 && !isRangeFrom(exchange, held, grant.size)) return failed('the server answers with another range than asked for')
      if (exchange.status !== 200 && exchange.status !== 206) return await this.#refused(exchange, target)
      if (exchange.status === 200 && held > 0) await target.restart()
      this.#etag = exchange.header('etag')
      await this.#take(exchange, grant, target)
      return target.held === grant.size ? { kind: 'read' } : failed('the answer of the server has another length than it said')
    } finally {
      exchange.end()
    }
  }

  async #take(exchange: Exchange, grant: DownloadGrant, target: DownloadTarget): Promise<void> {
    for await (const chunk of exchange.chunks()) {
      // More than there can be is not worth reading to its end.
      if (target.held + chunk.length > grant.size) {
        await target.restart()
        return
      }
      await target.write(chunk)
      this.#arrived(target.held)
      this.#transfer.progressed(target.held, grant.size)
    }
  }

  #arrived(held: number): void {
    this.#gone = 0
    // Something on the way that answers with a page of its own, again and again, is not asked at full speed.
    if (held <= this.#furthest) return
    this.#furthest = held
    this.#transfer.succeeded()
  }

  async #refused(exchange: Exchange, target: DownloadTarget): Promise<Step> {
    const { status, retryAfterMs } = exchange
    const error = await exchange.error()
    if (status === 401 || status === 403 || status === 404 || status === 410) return { kind: 'expired', error }
    if (status === 416) await target.restart()
    else if (status < 500 && status !== 408 && status !== 429) throw error
    return { kind: 'failed', error, retryAfterMs }
  }

  /** Whether what is there has the hash that it should have; else it is read again, a few times. */
  async #isSound(grant: DownloadGrant, target: DownloadTarget): Promise<boolean> {
    const hash = this.#newHash()
    await target.rehash(hash)
    if (await hash.digest() === grant.hash) return true
    const error = localError('damaged-blob', 'what was downloaded does not have the hash that it should have')
    await target.restart()
    this.#etag = null
    this.#furthest = 0
    if (++this.#corrupted > CORRUPTED_MAX) throw error
    await this.#transfer.failed(error)
    return false
  }
}

function failed(message: string): Step {
  return { kind: 'failed', error: localError('bad-answer', message), retryAfterMs: 0 }
}

/** `Content-Range: bytes 100-199/200`, from `start` to the end of `size` bytes; a page that may not see the header believes the status. */
function isRangeFrom(exchange: Exchange, start: number, size: number): boolean {
  const range = exchange.header('content-range')
  return range === null || range === `bytes ${start}-${size - 1}/${size}`
}
