/** The server's side of blobs over real HTTP, in memory, with faults on demand: what a network and a dying server do to a client. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { element } from '../../element.js'
import type { Element } from '../../element.js'
import { ERROR } from '../../generated/registry.js'
import { serverError } from '../client-error.js'

/** What happens to one request, in the order in which they come. */
export type Fault =
  /** Nothing: the request is dealt with as it should be. */
  | { readonly kind: 'none' }
  /** The connection dies after so many bytes of the body; those are kept, or sent. */
  | { readonly kind: 'cut'; readonly after: number }
  /** All is done, and the answer is lost. */
  | { readonly kind: 'lose-answer' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Says that it has so much. */
  | { readonly kind: 'lie'; readonly offset: string }
  /** Changes a byte of what comes in or goes out. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'hang' }

interface StagedUpload {
  readonly id: string
  readonly size: number
  readonly hash: string
  readonly strip: boolean
  token: string
  bytes: Buffer
}

export interface SeenRequest {
  readonly method: string
  /** Of an upload where it begins; of a download the range. */
  readonly from: string
  /** Of the body that has arrived. */
  bytes: number
}

export class BlobServer {
  readonly faults: Fault[] = []
  readonly seen: SeenRequest[] = []
  /** Types that were said of uploads. */
  readonly types: string[] = []
  readonly uploads = new Map<string, StagedUpload>()
  /** What became of an upload. */
  readonly made = new Map<string, string>()
  readonly blobs = new Map<string, Buffer>()
  /** Downloads by the last part of their URL. */
  readonly grants = new Map<string, string>()
  /** Ids in whose place another blob is given out, with the hash of that one. */
  readonly swapped = new Map<string, string>()
  /** Queries asked, by name. */
  readonly asked: string[] = []
  /** Query by name: an error for each of the next times. */
  readonly refusals = new Map<string, Error[]>()
  /** The host that URLs name. */
  host = '127.0.0.1'
  /** Whether a complete upload waits for one more request before it is a blob. */
  isLazy = false
  port = 0
  /** Connections that there were. */
  connections = 0

  hold(bytes: Uint8Array): string {
    const id = sha256(bytes)
    this.blobs.set(id, Buffer.from(bytes))
    return id
  }

  /** Answers a query; rejects with a ClientError. */
  async ask(query: Element): Promise<Element> {
    this.asked.push(query.name)
    const refusal = this.refusals.get(query.name)?.shift()
    if (refusal !== undefined) throw refusal
    const { id = '', hash = '', size = '0', strip, upload = '' } = Object.fromEntries(query.attributes)
    switch (query.name) {
      case 'upload':
        this.types.push(query.attributes.get('type') ?? '')
        return this.#open(Number(size), hash, strip === 'true')
      case 'blob': {
        const staged = this.uploads.get(upload)
        if (staged !== undefined) return element('blob', { offset: staged.bytes.length })
        return this.#describe(this.made.get(upload) ?? id)
      }
      case 'blob-url': {
        const given = this.swapped.get(id) ?? id
        const bytes = this.#find(given)
        const name = randomBytes(8).toString('hex')
        this.grants.set(name, given)
        return element('blob-url', { url: `http://${this.host}:${this.port}/blobs/${name}`, expires: 1, type: 'image/png', size: bytes.length, hash: given })
      }
      case 'blobs': return element('blobs', { used: 5, quota: 100, blobBytesMax: 50 })
      case 'blob-keep': return element('blob-keep', {}, this.#describe(id))
      default: throw serverError(ERROR.unsupportedQuery, '', 0)
    }
  }

  #open(size: number, hash: string, strip: boolean): Element {
    if (!strip && this.blobs.has(hash)) return element('upload', {}, this.#describe(hash))
    let staged = [...this.uploads.values()].find((other) => other.hash === hash && other.strip === strip)
    if (staged === undefined) {
      staged = { id: randomBytes(16).toString('hex'), size, hash, strip, token: '', bytes: Buffer.alloc(0) }
      this.uploads.set(staged.id, staged)
    }
    staged.token = randomBytes(8).toString('hex')
    const url = `http://${this.host}:${this.port}/blobs/uploads/${staged.id}`
    return element('upload', { id: staged.id, url, token: staged.token, offset: staged.bytes.length, expires: 1 })
  }

  #find(id: string): Buffer {
    const bytes = this.blobs.get(id)
    if (bytes === undefined) throw serverError(ERROR.noSuchBlob, '', 0)
    return bytes
  }

  #describe(id: string): Element {
    return element('blob', { id, type: 'image/png', size: this.#find(id).length, width: 2, height: 1, placeholder: 'AQID', thumbnail: 'true', picture: 'true' })
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = this.faults.shift() ?? { kind: 'none' }
    if (fault.kind === 'hang') return
    if (fault.kind === 'status') {
      request.resume()
      response.writeHead(fault.status, fault.headers).end(fault.body)
      return
    }
    const path = request.url ?? ''
    if (path.startsWith('/blobs/uploads/')) await this.#take(this.uploads.get(path.slice('/blobs/uploads/'.length)), request, response, fault)
    else this.#give(this.grants.get(path.slice('/blobs/'.length)), request, response, fault)
  }

  async #take(staged: StagedUpload | undefined, request: IncomingMessage, response: ServerResponse, fault: Fault): Promise<void> {
    const refuse = (status: number, error: string): void => {
      request.resume()
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error, reason: 'scripted' }))
    }
    if (staged === undefined) { refuse(404, 'no-such-blob'); return }
    if (request.headers.authorization !== `Bearer ${staged.token}`) { refuse(401, 'not-authorized'); return }
    if (request.method === 'HEAD') {
      this.seen.push({ method: 'HEAD', from: '', bytes: 0 })
      response.writeHead(200, { 'upload-offset': fault.kind === 'lie' ? fault.offset : String(staged.bytes.length) }).end()
      return
    }
    const from = String(request.headers['upload-offset'] ?? '0')
    const seen: SeenRequest = { method: request.method ?? '', from, bytes: 0 }
    this.seen.push(seen)
    if (request.method === 'PUT') staged.bytes = Buffer.alloc(0)
    else if (from !== String(staged.bytes.length)) { refuse(409, 'bad-request'); return }
    const after = fault.kind === 'cut' ? fault.after : Infinity
    const { socket } = request
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        const taken = chunk.subarray(0, Math.max(0, after - seen.bytes))
        seen.bytes += taken.length
        if (fault.kind === 'corrupt') taken[0]! ^= 1
        staged.bytes = Buffer.concat([staged.bytes, taken])
        if (seen.bytes >= after) break
      }
    } catch {
      return
    }
    if (fault.kind === 'cut') {
      socket.destroy()
      return
    }
    if (staged.bytes.length === staged.size && !(this.isLazy && seen.bytes > 0) && !this.#finish(staged)) { refuse(460, 'hash-mismatch'); return }
    if (fault.kind === 'lose-answer') {
      socket.destroy()
      return
    }
    response.writeHead(request.method === 'PUT' ? 201 : 204, { 'upload-offset': fault.kind === 'lie' ? fault.offset : String(staged.bytes.length) }).end()
  }

  /** False: the hash is another one, and the upload is empty again. */
  #finish(staged: StagedUpload): boolean {
    if (sha256(staged.bytes) !== staged.hash) {
      staged.bytes = Buffer.alloc(0)
      return false
    }
    this.uploads.delete(staged.id)
    this.made.set(staged.id, this.hold(staged.strip ? Buffer.concat([staged.bytes, Buffer.from('stripped')]) : staged.bytes))
    return true
  }

  #give(id: string | undefined, request: IncomingMessage, response: ServerResponse, fault: Fault): void {
    const bytes = id === undefined ? undefined : this.blobs.get(id)
    const range = request.headers.range ?? ''
    this.seen.push({ method: request.method ?? '', from: range, bytes: 0 })
    if (bytes === undefined) {
      response.writeHead(404).end()
      return
    }
    const etag = `"${id ?? ''}"`
    const condition = request.headers['if-range']
    const start = condition === undefined || condition === etag ? Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0) : 0
    const rest = Buffer.from(bytes.subarray(start))
    if (fault.kind === 'corrupt') rest[0]! ^= 1
    const isPart = start > 0
    const headers = { etag, 'content-length': rest.length, ...isPart ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {} }
    response.writeHead(isPart ? 206 : 200, headers)
    if (fault.kind !== 'cut') {
      response.end(rest)
      return
    }
    response.write(rest.subarray(0, fault.after), () => { request.socket.end(() => request.socket.destroy()) })
  }
}

export async function startBlobServer(t: TestContext): Promise<BlobServer> {
  const server = new BlobServer()
  const http = createServer((request, response) => {
    // A client that goes in the middle is what this is about.
    request.on('error', () => {})
    response.on('error', () => {})
    void server.handle(request, response)
  })
  http.on('connection', () => { server.connections++ })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  server.port = (http.address() as AddressInfo).port
  t.after(() => {
    http.closeAllConnections()
    http.close()
  })
  return server
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
