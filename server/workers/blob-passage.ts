/**
 * Bodies of blobs between the process that takes clients and the one that has the files: HTTP over a Unix socket. The worker passes
 * requests on as they are, with two fields that say who asks; the supervisor's side takes them from nobody else, for the socket belongs to
 * the server's user alone.
 */
import { chmodSync, rmSync } from 'node:fs'
import {
  Agent, createServer, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest, type ServerResponse,
} from 'node:http'
import { pipeline } from 'node:stream'
import { type HttpHandler, kClientAddress } from '../listeners/http-handler.js'

const ADDRESS = 'x-chatd-address'
const ORIGIN_ALLOWED = 'x-chatd-origin-allowed'
/** Of one connection alone (RFC 9110, section 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade'])

/** The supervisor's end. Resolves to what closes it. Rejects with the error of `listen`. */
export async function openBlobPassage(path: string, handler: HttpHandler): Promise<() => void> {
  const take = (request: IncomingMessage & { [kClientAddress]?: string }, response: ServerResponse): void => {
    request[kClientAddress] = String(request.headers[ADDRESS] ?? '')
    handler.handle(request, response, request.headers[ORIGIN_ALLOWED] === '1')
  }
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: handler.keepAliveMs }, take)
  server.on('checkContinue', take)
  rmSync(path, { force: true })
  const umask = process.umask(0o177)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    chmodSync(path, 0o600)
  } finally {
    process.umask(umask)
  }
  return () => {
    server.close()
    server.closeIdleConnections()
  }
}

/** The worker's end. */
export class BlobPassage implements HttpHandler {
  readonly keepAliveMs: number
  readonly #path: string
  readonly #agent: Agent

  constructor(path: string, keepAliveMs: number) {
    this.#path = path
    this.keepAliveMs = keepAliveMs
    // The other end lets an idle connection go in the same time; one that is taken up just then would fail.
    this.#agent = new Agent({ keepAlive: true, timeout: Math.max(1, keepAliveMs / 2) })
  }

  takes(target: string): boolean {
    return target.startsWith('/blobs/')
  }

  handle(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): void {
    const headers = { ...withoutHops(request.headers), [ADDRESS]: request.socket.remoteAddress ?? '', [ORIGIN_ALLOWED]: isOriginAllowed ? '1' : '0' }
    const passed = httpRequest({ socketPath: this.#path, method: request.method, path: request.url, headers, agent: this.#agent })
    passed.on('continue', () => response.writeContinue())
    passed.on('response', (answer) => {
      const isLast = answer.headers.connection === 'close'
      response.writeHead(answer.statusCode ?? 502, { ...withoutHops(answer.headers), ...isLast ? { connection: 'close' } : {} })
      pipeline(answer, response, () => { /* either end is told by the other's end */ })
    })
    passed.on('error', () => fail(response))
    // A connection that has given its answer is used again.
    response.on('close', () => { if (!response.writableFinished) passed.destroy() })
    if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) passed.end()
    else request.pipe(passed)
  }
}

function withoutHops(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)))
}

function fail(response: ServerResponse): void {
  // The other end has answered, and let the rest of the body go.
  if (response.writableEnded) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1', 'connection': 'close' })
  response.end('the process that keeps the files can\'t be reached\n')
}
