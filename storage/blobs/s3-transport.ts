/** Requests to S3: signed, with a time limit for each wait, over connections that are kept. One request is one attempt. */
import { AwsV4Signer } from 'aws4fetch'
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { BlobError } from './blob-store.js'

export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** With keys that are valid for some time only. */
  readonly sessionToken?: string | undefined
}

export interface S3TransportOptions extends S3Keys {
  readonly region: string
  /** Until a connection is there, with TLS and the wait for a free one, in milliseconds. */
  readonly connectTimeoutMs: number
  /** Without a byte in the direction that is waited for, in milliseconds. A reader that is slow itself has any time. */
  readonly idleTimeoutMs: number
  /** At once; further requests wait. Each stream that is being read has one. */
  readonly connectionsMax: number
  /** In place of the system's, for tests. */
  readonly lookup?: LookupFunction | undefined
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: S3Body | undefined
}

export interface S3Body {
  /** SHA-256 of the bytes in hex: it is signed, so that the server refuses any others. */
  readonly sha256: string
  readonly size: number
  /** From the beginning, for each attempt. */
  open(): Promise<Readable>
}

export interface S3Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** To be read to its end, or destroyed. Ends in a BlobError ('unavailable') where the connection breaks or idles. */
  readonly body: Readable
}

const EMPTY_SHA256 = createHash('sha256').digest('hex')

export class S3Transport {
  readonly #options: S3TransportOptions
  readonly #agents: { http: http.Agent, https: https.Agent }
  readonly #underWay = new Set<Exchange>()
  // Keys derived for a day; they are secrets too.
  #derived = new Map<string, ArrayBuffer>()
  #closed = false

  constructor(options: S3TransportOptions) {
    this.#options = options
    const agent = { keepAlive: true, maxSockets: options.connectionsMax, ...options.lookup !== undefined && { lookup: options.lookup } }
    this.#agents = { http: new http.Agent(agent), https: new https.Agent(agent) }
  }

  /** Resolves with whatever the server answers. Rejects with a BlobError: 'unavailable' if it does not, or with that of the body. */
  async send(request: S3Request): Promise<S3Answer> {
    const headers = await this.#sign(request)
    const source = await request.body?.open()
    if (this.#closed) {
      source?.destroy()
      throw closedError()
    }
    const secure = request.url.protocol === 'https:'
    const sent = (secure ? https : http).request(request.url, { method: request.method, headers, agent: this.#agents[secure ? 'https' : 'http'] })
    const exchange = new Exchange(sent, this.#options)
    this.#underWay.add(exchange)
    sent.once('close', () => this.#underWay.delete(exchange))
    try {
      if (source === undefined) sent.end()
      else exchange.sendBody(source)
      return await exchange.answer
    } finally {
      // An answer that comes before all was sent is a refusal; nobody wants the rest.
      source?.destroy()
    }
  }

  /** Ends what is under way, with errors, and closes the connections. */
  close(): void {
    this.#closed = true
    for (const exchange of this.#underWay) exchange.fail(closedError())
    this.#underWay.clear()
    this.#agents.http.destroy()
    this.#agents.https.destroy()
    this.#derived.clear()
  }

  async #sign({ method, url, headers = {}, body }: S3Request): Promise<Record<string, string>> {
    const { accessKeyId, secretAccessKey, sessionToken, region } = this.#options
    if (this.#derived.size > 8) this.#derived = new Map()
    const signer = new AwsV4Signer({
      method, url: url.href, accessKeyId, secretAccessKey, service: 's3', region, cache: this.#derived,
      headers: { ...headers, 'x-amz-content-sha256': body?.sha256 ?? EMPTY_SHA256 }, ...sessionToken !== undefined && { sessionToken },
    })
    const signed = Object.fromEntries((await signer.sign()).headers)
    // Known, so that nothing is sent in chunks, which S3 refuses.
    if (body !== undefined) signed['content-length'] = String(body.size)
    return signed
  }
}

/** A failure of the network as a BlobError. */
export function networkError(error: unknown): BlobError {
  if (error instanceof BlobError) return error
  return new BlobError('unavailable', `the connection failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}

function idleError(idleTimeoutMs: number): BlobError {
  return new BlobError('unavailable', `nothing came for ${idleTimeoutMs} ms`)
}

function closedError(): BlobError {
  return new BlobError('unavailable', 'the blob store is closed')
}

/** One request and its answer, or the error in its place. */
class Exchange {
  /** Rejects with a BlobError. */
  readonly answer: Promise<S3Answer>
  readonly #request: ClientRequest
  readonly #limits: Pick<S3TransportOptions, 'connectTimeoutMs' | 'idleTimeoutMs'>
  #reject: (error: BlobError) => void = () => undefined

  constructor(request: ClientRequest, limits: Pick<S3TransportOptions, 'connectTimeoutMs' | 'idleTimeoutMs'>) {
    this.#request = request
    this.#limits = limits
    this.answer = new Promise((resolve, reject) => {
      this.#reject = reject
      request.once('response', (message) => {
        // From here on only waits of ours count, see AnswerBody.
        request.setTimeout(0)
        resolve({ status: message.statusCode ?? 0, headers: message.headers, body: new AnswerBody(message, request, limits.idleTimeoutMs) })
      })
    })
    // Stays: errors may come later, too, and are the body's then.
    request.on('error', (error) => { this.fail(error) })
    request.once('close', () => { this.fail(new BlobError('unavailable', 'the connection ended without an answer')) })
    request.setTimeout(limits.idleTimeoutMs, () => { this.fail(idleError(limits.idleTimeoutMs)) })
    this.#limitConnecting()
  }

  sendBody(source: Readable): void {
    source.once('error', (error) => { this.fail(error) })
    source.pipe(this.#request)
  }

  /** Ends it. Rejects by itself: what waits for a free connection hears of its end only when there is one. */
  fail(error: unknown): void {
    const reason = networkError(error)
    this.#reject(reason)
    this.#request.destroy(reason)
  }

  /** Node limits the time of a connection's silence only once there is one. */
  #limitConnecting(): void {
    const { connectTimeoutMs } = this.#limits
    const timer = setTimeout(() => {
      this.fail(new BlobError('unavailable', `no connection within ${connectTimeoutMs} ms`))
    }, connectTimeoutMs)
    const stop = (): void => { clearTimeout(timer) }
    this.#request.once('close', stop)
    this.#request.once('socket', (socket) => {
      // One that was just made is connecting still.
      if (!socket.connecting) stop()
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', stop)
    })
  }
}

/** The body of an answer, which has to go on as long as somebody waits for it, and never ends early without an error. */
class AnswerBody extends Readable {
  readonly #message: IncomingMessage
  readonly #idleTimeoutMs: number
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(message: IncomingMessage, request: ClientRequest, idleTimeoutMs: number) {
    super()
    // A connection may break before anybody has had the chance to listen; who reads later is told.
    this.on('error', () => undefined)
    this.#message = message
    this.#idleTimeoutMs = idleTimeoutMs
    message.pause()
    message.on('data', (chunk: Buffer) => {
      if (this.push(chunk)) this.#timer?.refresh()
      else this.#pause()
    })
    message.once('end', () => {
      clearTimeout(this.#timer)
      this.#isOver = true
      // A connection on which the request was not sent to its end can't carry another.
      if (!request.writableFinished) request.destroy()
      // A turn later the connection is free for whoever asks next.
      if (message.complete) setImmediate(() => { this.push(null) })
      else this.destroy(new BlobError('unavailable', 'the connection broke in the middle of an answer'))
    })
    message.on('error', (error) => this.destroy(networkError(error)))
    message.once('close', () => {
      if (!message.complete) this.destroy(new BlobError('unavailable', 'the connection broke in the middle of an answer'))
    })
  }

  override _read(): void {
    this.#timer ??= setTimeout(() => this.destroy(idleError(this.#idleTimeoutMs)), this.#idleTimeoutMs)
    this.#message.resume()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer)
    // Also where all of it has come: unread, it would hold its connection.
    if (!this.#isOver) this.#message.destroy()
    callback(error)
  }

  #pause(): void {
    this.#message.pause()
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
