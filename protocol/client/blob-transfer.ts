/**
 * What uploads and downloads have in common: requests that end, and the patience to go on after the connection, the network or the
 * server has died, until the caller or the client wants no more.
 */
import { backOffMs } from '../back-off.js'
import type { Element } from '../element.js'
import { ERROR, ERRORS } from '../generated/registry.js'
import { decodeText } from '../utf8.js'
import type { BlobPlatform, HttpRequest, HttpResponse, SendHttp } from './blob-platform.js'
import { ClientError, localError, serverError } from './client-error.js'
import type { Ask } from './group-client.js'
import { isExposed } from './server-url.js'
import type { ServerAddress } from './server-url.js'

/** The client around the transfers. */
export interface BlobEnvironment {
  readonly ask: Ask
  readonly blobs: BlobPlatform
  readonly http: SendHttp
  /** Where the client is connected to, or will be. */
  readonly address: () => ServerAddress
  /** Whether tokens may go over http to a host that is not loopback. [TOK-8] */
  readonly allowsPlaintext: boolean
  /** Milliseconds of a clock that never runs backwards. */
  readonly nowMs: () => number
  readonly setTimer: (callback: () => void, delayMs: number) => unknown
  readonly clearTimer: (timer: unknown) => void
  /** From 0 up to, not including, 1. */
  readonly random: () => number
}

export interface TransferOptions {
  /** Gives up; the promise rejects with its reason. What has arrived is not lost: the same again goes on there. */
  readonly signal?: AbortSignal
  /** Bytes of the whole that have arrived; it falls when the other side has lost some. */
  readonly onProgress?: (progress: { readonly sent: number; readonly total: number }) => unknown
  /** It can't go on for now, and tries again after so long. */
  readonly onWait?: (error: ClientError, waitMs: number) => unknown
}

/** Without an answer, or without a further byte, for so long an attempt has failed. */
export const REQUEST_IDLE_MS = 30_000
/** What a server may make a client wait at once. */
const RETRY_AFTER_MS_MAX = 600_000
const ERROR_OF_STATUS: ReadonlyMap<number, number> = new Map([
  [404, ERROR.noSuchBlob], [410, ERROR.noSuchBlob], [413, ERROR.blobTooLarge], [415, ERROR.typeNotAllowed], [429, ERROR.rateLimited],
  [460, ERROR.hashMismatch], [503, ERROR.unavailable], [507, ERROR.storageFull],
])
const ERROR_BODY_BYTES_MAX = 4096
/** Refusals that are worth another try a little later, without asking the person. */
const PASSING: ReadonlySet<number> = new Set([ERROR.rateLimited, ERROR.unavailable])

/** An answer that is being read. */
export interface Exchange {
  readonly status: number
  header(name: string): string | null
  /** The bytes of the body. Rejects as `Transfer.request` when they stop coming. */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>
  /** Reads what is left, so that the connection serves the next request. What goes wrong with it does not matter. */
  drain(): Promise<void>
  /** What went wrong, as the server says it, else by the status. */
  error(): Promise<ClientError>
  /** How long the server wants to be left alone. */
  readonly retryAfterMs: number
  /** Ends the request if it is not over; always call it. */
  end(): void
}

export class Transfer {
  readonly #environment: BlobEnvironment
  readonly #options: TransferOptions
  readonly #over = new AbortController()
  #attempt = 0
  #wake: (() => void) | null = null

  constructor(environment: BlobEnvironment, options: TransferOptions) {
    this.#environment = environment
    this.#options = options
    const { signal } = options
    if (signal?.aborted === true) this.end(signal.reason)
    else signal?.addEventListener('abort', this.#aborted)
  }

  readonly #aborted = (): void => { this.end(this.#options.signal?.reason) }

  get nowMs(): number {
    return this.#environment.nowMs()
  }

  /** Aborted when nobody wants it any more. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  end(reason: unknown): void {
    this.#over.abort(reason)
    this.#wake?.()
  }

  /** Lets go of the caller's signal. */
  release(): void {
    this.#options.signal?.removeEventListener('abort', this.#aborted)
  }

  /** The client is connected again: what failed for want of a network may work now. */
  hurry(): void {
    this.#wake?.()
  }

  progressed(sent: number, total: number): void {
    this.#options.onProgress?.({ sent, total })
  }

  /** Something arrived: the back-off starts over. */
  succeeded(): void {
    this.#attempt = 0
  }

  /** Asks the server until it answers. Rejects with its refusal, or when it is over. */
  async ask<T>(query: Element, read: (answer: Element) => T | null): Promise<T> {
    for (;;) {
      this.over.throwIfAborted()
      try {
        return await this.#orOver(this.#environment.ask(query, read))
      } catch (error) {
        if (!(error instanceof ClientError) || (error.symbol !== 'timeout' && error.symbol !== 'queries-full' && !PASSING.has(error.code))) throw error
        await this.failed(error, error.retryAfterMs)
      }
    }
  }

  /**
   * Sends a request, and resolves with the head of the answer. Rejects with connect-failed when there is none, plaintext-refused, or
   * when it is over.
   */
  async request(request: Omit<HttpRequest, 'signal' | 'url'> & { readonly url: string }): Promise<Exchange> {
    const url = this.#urlOf(request.url)
    const abort = new AbortController()
    const stop = (): void => { abort.abort(this.over.reason) }
    this.over.throwIfAborted()
    this.over.addEventListener('abort', stop)
    const { setTimer, clearTimer } = this.#environment
    let timer: unknown = null
    const touch = (): void => {
      clearTimer(timer)
      timer = setTimer(() => { abort.abort(localError('timeout', 'the server did not go on in time')) }, REQUEST_IDLE_MS)
    }
    const end = (): void => {
      clearTimer(timer)
      this.over.removeEventListener('abort', stop)
      abort.abort()
    }
    touch()
    try {
      const response = await orAborted(this.#environment.http({ ...request, url, signal: abort.signal }), abort.signal)
      touch()
      return exchangeOf(response, abort.signal, touch, end, (error) => this.#failureOf(error))
    } catch (error) {
      end()
      throw this.#failureOf(abort.signal.reason instanceof ClientError ? abort.signal.reason : error)
    }
  }

  /** An attempt came to nothing: waits for the time of the next one. Rejects when it is over. */
  async failed(error: ClientError, retryAfterMs = 0): Promise<void> {
    const waitMs = backOffMs(this.#attempt++, Math.min(retryAfterMs, RETRY_AFTER_MS_MAX), this.#environment.random())
    this.#options.onWait?.(error, waitMs)
    this.over.throwIfAborted()
    await new Promise<void>((resolve) => {
      const timer = this.#environment.setTimer(resolve, waitMs)
      this.#wake = () => {
        // What the server asked for holds whatever the network does.
        if (retryAfterMs > 0 && !this.over.aborted) return
        this.#environment.clearTimer(timer)
        resolve()
      }
    })
    this.#wake = null
    this.over.throwIfAborted()
  }

  /** As `failed`, for what is no fault at first, such as a token that has expired: the first time it goes on at once. */
  async stumbled(error: ClientError): Promise<void> {
    if (this.#attempt > 0) await this.failed(error)
    else this.#attempt = 1
  }

  #orOver<T>(promise: Promise<T>): Promise<T> {
    return orAborted(promise, this.over)
  }

  #failureOf(error: unknown): unknown {
    if (this.over.aborted) return this.over.reason
    if (error instanceof ClientError) return error
    return localError('connect-failed', error instanceof Error ? error.message : String(error), error)
  }

  /** The URL to use: an unspecified host means the one that the client is connected to. Throws a ClientError: plaintext-refused, bad-answer. */
  #urlOf(text: string): string {
    if (!URL.canParse(text)) throw localError('bad-answer', 'the server gave a URL that makes no sense')
    const url = new URL(text)
    const { host } = this.#environment.address()
    if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = host.includes(':') ? `[${host}]` : host
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw localError('bad-answer', `the server gave a URL of ${url.protocol}`)
    const isPlain = url.protocol === 'http:' && isExposed({ scheme: 'ws', host: url.hostname.replace(/^\[|\]$/g, ''), port: 0, path: '/' })
    if (isPlain && !this.#environment.allowsPlaintext) {
      throw localError('plaintext-refused', `the server wants files sent to ${url.host} without encryption: allow plaintext, or let it have https`)
    }
    return url.href
  }
}

function exchangeOf(response: HttpResponse, signal: AbortSignal, touch: () => void, end: () => void, failure: (error: unknown) => unknown): Exchange {
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    const iterator = response.body[Symbol.asyncIterator]()
    for (;;) {
      let next: IteratorResult<Uint8Array>
      try {
        next = await orAborted(iterator.next(), signal)
      } catch (error) {
        throw failure(signal.reason instanceof ClientError ? signal.reason : error)
      }
      if (next.done === true) return
      touch()
      yield next.value
    }
  }
  return {
    status: response.status, header: (name) => response.header(name), chunks, end, retryAfterMs: secondsOf(response.header('retry-after')) * 1000,
    drain: async () => {
      try {
        let size = 0
        for await (const chunk of chunks()) if ((size += chunk.length) > ERROR_BODY_BYTES_MAX) return
      } catch {
        // All that counts has been read.
      }
    },
    error: async () => {
      let text = ''
      for await (const chunk of chunks()) {
        text += decodeText(chunk)
        if (text.length > ERROR_BODY_BYTES_MAX) break
      }
      return errorIn(text) ?? errorOf(response.status)
    },
  }
}

/** `{"error":"hash-mismatch","reason":"…"}`; null: anything else. */
function errorIn(body: string): ClientError | null {
  try {
    const { error, reason } = JSON.parse(body) as { readonly error?: unknown; readonly reason?: unknown }
    for (const { code, name } of ERRORS.values()) if (name === error) return serverError(code, typeof reason === 'string' ? reason : '', 0)
  } catch {
    // Something on the way answers in words of its own.
  }
  return null
}

/** Of an answer without words, as that to HEAD is. */
function errorOf(status: number): ClientError {
  const code = ERROR_OF_STATUS.get(status)
  return code === undefined ? localError('bad-answer', `the server answered with status ${status}`) : serverError(code, '', 0)
}

function secondsOf(header: string | null): number {
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) : 0
}

/** The promise, or the reason of the signal if that comes first. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => {}
  try {
    return await Promise.race([promise, new Promise<never>((_resolve, reject) => {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the reason is the caller's, whatever it is
      stop = () => { reject(signal.reason) }
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop)
    })])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
