/**
 * An S3 server in memory that is strict where s3rver is not: it checks signatures and hashes of what it is sent, refuses bodies of unknown
 * length, and answers in Amazon's words. And it can be told to fail, request by request.
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { closeAfter } from '../../testing/temporary-directory.js'
import { signatureOf } from './signature.js'

/** Answers one request in its own way, or lets `honest` do it. */
export type Fault = (request: IncomingMessage, response: ServerResponse, honest: () => void) => void

export interface SeenRequest {
  readonly method: string
  readonly target: string
  readonly headers: IncomingHttpHeaders
  /** The same for all requests of a connection. */
  readonly port: number
}

export class ScriptedS3 {
  readonly bucket = 'chatd-test'
  readonly region = 'eu-test-1'
  readonly accessKeyId = 'AKIDTESTTESTTEST'
  readonly secretAccessKey = `secret/${randomBytes(12).toString('hex')}`
  readonly objects = new Map<string, { bytes: Buffer, modified: Date }>()
  readonly requests: SeenRequest[] = []
  /** Each request takes the first away; where there is none it gets `always`, and without that an honest answer. */
  readonly faults: Fault[] = []
  always: Fault | null = null
  /** The hosts of buckets stand before this; otherwise the bucket is looked for in the path. */
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (request, response) => {
      this.requests.push({
        method: request.method ?? '', target: request.url ?? '', headers: request.headers, port: request.socket.remotePort ?? 0,
      })
      const honest = (): void => { void this.#answer(request, response) }
      const fault = this.faults.shift() ?? this.always
      if (fault === null) honest()
      else fault(request, response, honest)
    })
  }

  /** On a free port, for as long as the test and its directory last. */
  static async start(t: TestContext): Promise<ScriptedS3> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const scripted = new ScriptedS3(server)
    return closeAfter(t, scripted)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Has these bytes as if they had been put; gives their name. */
  hold(bytes: Buffer): string {
    const name = createHash('sha256').update(bytes).digest('hex')
    this.objects.set(name, { bytes, modified: new Date() })
    return name
  }

  /** As if the machine had gone: refuses connections from now on. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  closeIdleConnections(): void {
    this.#server.closeIdleConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const body = Buffer.concat(chunks)
    if (!this.#isAllowed(request, response, body)) return
    const url = new URL(request.url ?? '', 'http://host')
    const inHost = request.headers.host?.startsWith(`${this.bucket}.`) === true
    const [, bucket, ...rest] = inHost ? ['', this.bucket, ...url.pathname.split('/').slice(1)] : url.pathname.split('/')
    if (bucket !== this.bucket) {
      refuse(response, 404, 'NoSuchBucket', 'The specified bucket does not exist')
      return
    }
    const key = decodeURIComponent(rest.join('/'))
    if (key === '') this.#list(url.searchParams, response)
    else this.#object(request, response, key, body)
  }

  #isAllowed(request: IncomingMessage, response: ServerResponse, body: Buffer): boolean {
    const signature = signatureOf({ method: request.method ?? '', target: request.url ?? '', headers: request.headers }, this.secretAccessKey)
    const refused = (status: number, code: string): boolean => {
      refuse(response, status, code, `refused with ${code}`)
      return false
    }
    if (signature === null) return refused(403, 'AccessDenied')
    if (signature.accessKeyId !== this.accessKeyId) return refused(403, 'InvalidAccessKeyId')
    if (signature.given !== signature.right) return refused(403, 'SignatureDoesNotMatch')
    if (signature.region !== this.region) return refused(400, 'AuthorizationHeaderMalformed')
    if (createHash('sha256').update(body).digest('hex') !== request.headers['x-amz-content-sha256']) return refused(400, 'XAmzContentSHA256Mismatch')
    if (request.headers['transfer-encoding'] !== undefined) return refused(501, 'NotImplemented')
    if (request.method === 'PUT' && request.headers['content-length'] === undefined) return refused(411, 'MissingContentLength')
    return true
  }

  #object(request: IncomingMessage, response: ServerResponse, key: string, body: Buffer): void {
    const object = this.objects.get(key)
    switch (request.method) {
      case 'PUT':
        this.objects.set(key, { bytes: body, modified: new Date() })
        response.end()
        return
      case 'DELETE':
        this.objects.delete(key)
        response.writeHead(204).end()
        return
      case 'HEAD':
        // As Amazon does; and an answer without either length would cost the connection.
        if (object === undefined) response.writeHead(404, { 'transfer-encoding': 'chunked' }).end()
        else response.writeHead(200, { 'content-length': object.bytes.length }).end()
        return
      default:
        if (object === undefined) refuse(response, 404, 'NoSuchKey', 'The specified key does not exist.')
        else giveRange(request, response, object.bytes)
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const prefix = query.get('prefix') ?? ''
    const token = query.get('continuation-token')
    const after = token === null ? query.get('start-after') ?? '' : Buffer.from(token, 'base64').toString()
    const max = Number(query.get('max-keys') ?? 1000)
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const page = keys.slice(0, max)
    const entries = page.map((key) => {
      const { bytes, modified } = this.objects.get(key)!
      return `<Contents><Key>${encodeURIComponent(key)}</Key><LastModified>${modified.toISOString()}</LastModified>` +
        `<ETag>&quot;x&quot;</ETag><Size>${bytes.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
    })
    const more = page.length < keys.length
    const next = more ? `<NextContinuationToken>${Buffer.from(page.at(-1)!).toString('base64')}</NextContinuationToken>` : ''
    response.setHeader('content-type', 'application/xml')
    response.end('<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<Name>${this.bucket}</Name><IsTruncated>${more}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`)
  }
}

/** Answers as S3 does when it refuses. */
export function refuse(response: ServerResponse, status: number, code: string, message = '', headers: Record<string, string> = {}, more = ''): void {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'x-amz-request-id': 'REQ123', ...headers }).end(xml)
}

function giveRange(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  if (range === null) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    return
  }
  const [start, last] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)]
  if (start >= bytes.length) {
    refuse(response, 416, 'InvalidRange')
    return
  }
  const part = bytes.subarray(start, last + 1)
  response.writeHead(206, { 'content-length': part.length, 'content-range': `bytes ${start}-${last}/${bytes.length}` }).end(part)
}
