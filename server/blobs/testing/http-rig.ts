/** A web listener with the HTTP side of blobs and a shard behind it, on a directory of its own, and requests written by hand. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import type { BlobStore } from '../../../storage/blobs/blob-store.js'
import type { Engine } from '../../../storage/engine.js'
import { MemoryEngine } from '../../../storage/memory-engine.js'
import { SYSTEM_CLOCK, type Clock } from '../../clock.js'
import { configOf } from '../../config/config.js'
import { parseListenUrl } from '../../config/listen-url.js'
import { Admission } from '../../connection/admission.js'
import { openListener } from '../../listeners/open-listener.js'
import { SILENT_LOG, type Log, type LogFields } from '../../log.js'
import { LocalRouter } from '../../router/local-router.js'
import { Shard } from '../../shard/shard.js'
import { shardEnvironment } from '../../run/shard-environment.js'
import { Counters } from '../../metrics/metrics.js'
import type { Blob } from '../blob-router.js'
import { LocalBlobs } from '../local-blobs.js'
import { blobEnvironment, type BlobStorage, openBlobStorage } from '../blob-storage.js'
import type { UploadSlot } from '../blob-desk.js'
import type { Preview, PreviewRequest, Previews } from '../media/previews.js'
import { originOf } from '../origin.js'
import { WatchedCommands } from './watched-commands.js'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface RigOptions {
  readonly changes?: Parameters<typeof configOf>[0]
  readonly clock?: Clock
  /** What is told of a picture; without it nothing is. */
  readonly preview?: (request: PreviewRequest) => Promise<Preview | null>
  readonly wrapStore?: (store: BlobStore) => BlobStore
  /** An earlier one, whose server has ended or died: what it had on disk is there. */
  readonly after?: HttpRig
}

/** Nobody logs in here. */
const VERIFIER = { salt: new Uint8Array(16), iterations: 4096, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) }

export class HttpRig {
  readonly blobs: LocalBlobs
  readonly router: LocalRouter
  readonly commands: WatchedCommands
  readonly storage: BlobStorage
  readonly counters: Counters
  readonly origin: string
  readonly directory: string
  readonly engine: Engine
  /** Every line logged, as JSON. */
  readonly lines: string[]
  readonly stop: () => Promise<void>

  constructor(parts: Pick<HttpRig, 'blobs' | 'router' | 'commands' | 'storage' | 'counters' | 'origin' | 'directory' | 'engine' | 'lines' | 'stop'>) {
    this.blobs = parts.blobs
    this.router = parts.router
    this.commands = parts.commands
    this.storage = parts.storage
    this.counters = parts.counters
    this.origin = parts.origin
    this.directory = parts.directory
    this.engine = parts.engine
    this.lines = parts.lines
    this.stop = parts.stop
  }

  get port(): number {
    return Number(new URL(this.origin).port)
  }

  /** A slot for these bytes. */
  async slot(content: Uint8Array, more: { type?: string, hash?: string, user?: string, strip?: boolean, picture?: boolean } = {}): Promise<UploadSlot> {
    const opened = await this.blobs.desk.upload(more.user ?? 'alice', {
      size: content.length, hash: more.hash ?? sha256(content), type: more.type ?? 'application/octet-stream', strip: more.strip ?? false, picture: more.picture ?? false,
    })
    assert.ok('slot' in opened)
    return opened.slot
  }

  /** A blob of these bytes, uploaded. */
  async uploaded(content: Uint8Array): Promise<void> {
    const slot = await this.slot(content)
    assert.equal((await this.request('PUT', slot.url, bearer(slot), content)).status, 201)
  }

  /** The blob of these bytes; null: alice has none. */
  async blob(content: Uint8Array): Promise<Blob | null> {
    return this.commands.blob(sha256(content))
  }

  /** What lies in the store and in staging, once it is so many files: erasing comes behind the commit. */
  async files(count: number): Promise<string[]> {
    for (let wait = 0; ; wait++) {
      const entries = readdirSync(join(this.directory, 'blobs'), { recursive: true, withFileTypes: true })
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      if (files.length === count) return files
      if (wait === 500) assert.fail(`not ${String(count)} files: ${files.join(', ')}`)
      await sleep(10)
    }
  }

  async url(content: Uint8Array, name = ''): Promise<string> {
    return (await this.blobs.desk.url('alice', { kind: 'own', id: sha256(content) }, 'original', name)).url
  }

  request(method: string, url: string, headers: Record<string, string> = {}, body?: Uint8Array | string): Promise<Answer> {
    return request(method, url, headers, body)
  }

  /** A connection on which anything can be said. */
  async raw(t: TestContext): Promise<RawHttp> {
    return RawHttp.open(t, this.port)
  }
}

export async function httpRig(t: TestContext, options: RigOptions = {}): Promise<HttpRig> {
  const directory = options.after?.directory ?? mkdtempSync(join(tmpdir(), 'chatd-http-'))
  if (options.after === undefined) t.after(() => rmSync(directory, { recursive: true, force: true }))
  const config = configOf({ ...options.changes, data: { directory } })
  const clock = options.clock ?? SYSTEM_CLOCK
  const counters = new Counters()
  const lines: string[] = []
  const record = (fields: LogFields, event: string): void => { lines.push(JSON.stringify({ event, ...fields, error: String(fields['error']) })) }
  const log: Log = { debug: record, info: record, warn: record, error: record }
  const opened = await openBlobStorage(config, {}, log)
  const storage = { ...opened, store: options.wrapStore?.(opened.store) ?? opened.store }
  const engine = options.after?.engine ?? new MemoryEngine()
  const shard = new Shard(engine, shardEnvironment(config, clock, SILENT_LOG, blobEnvironment(storage)))
  t.after(() => shard.close())
  const router = new LocalRouter(shard)
  if (options.after === undefined) for (const user of ['alice', 'mallory']) await router.addUser(user, VERIFIER)
  const commands = new WatchedCommands(router.blobs!)
  const previews: Previews = { make: options.preview ?? (() => Promise.resolve(null)), close: () => Promise.resolve() }
  const blobs = new LocalBlobs({ config, clock, log, counters, secret: { key: new Uint8Array(32).fill(5), iterations: 4096 }, storage, commands, previews })
  const listener = await openListener({
    url: parseListenUrl('ws://127.0.0.1:0')!, accept: () => assert.fail('no WebSocket was expected'), admission: new Admission(config, clock), clock,
    log: SILENT_LOG, backlog: 16, openTimeoutMs: config.limits.openTimeoutMs, messageBytesMax: 65_536, origins: config.listen.origins, taker: blobs, tls: null,
  })
  const origin = originOf([listener.url])!
  blobs.desk.serveAt(origin)
  let stopped: Promise<void> | null = null
  const stop = (): Promise<void> => {
    listener.stop()
    return stopped ??= blobs.close(100)
  }
  t.after(stop)
  return new HttpRig({ blobs, router, commands, storage, counters, origin, directory, engine, lines, stop })
}

export function bearer(slot: UploadSlot): Record<string, string> {
  return { authorization: `Bearer ${slot.token}` }
}

export function tus(slot: UploadSlot, offset?: number): Record<string, string> {
  return {
    ...bearer(slot), 'tus-resumable': '1.0.0',
    ...offset === undefined ? {} : { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
  }
}

export function request(method: string, url: string, headers: Record<string, string> = {}, body?: Uint8Array | string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, headers: { ...body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': String(Buffer.byteLength(body)) }, ...headers }, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** The name of the error that a refusal tells. */
export function errorOf(answer: Answer): string {
  assert.equal(answer.headers['content-type'], 'application/json')
  const { error, reason } = JSON.parse(answer.body.toString()) as { error: string, reason: string }
  assert.ok(reason.length > 0)
  return error
}

export class RawHttp {
  readonly socket: Socket
  #received = ''
  #wake: () => void = () => {}
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        resolve()
        this.#wake()
      })
    })
  }

  static async open(t: TestContext, port: number): Promise<RawHttp> {
    const socket = connect(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new RawHttp(socket)
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text)
  }

  /** All that has come so far, once this has come; takes it. Fails when the connection ends before. */
  async until(pattern: RegExp): Promise<string> {
    for (;;) {
      if (pattern.test(this.#received)) {
        const text = this.#received
        this.#received = ''
        return text
      }
      if (this.socket.closed) throw new Error(`closed; received ${JSON.stringify(this.#received.slice(0, 500))}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  /** The status of the next answer, whose headers end then. */
  async status(): Promise<number> {
    const text = await this.until(/^HTTP\/1\.1 \d{3} [\s\S]*?\r\n\r\n/)
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)![1])
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function content(size: number): Buffer {
  return randomBytes(size)
}
