/**
 * The operator's HTTP listener: `/healthz` (does the process turn?), `/readyz` (does it serve?), `/metrics` (Prometheus). A listener
 * of its own, on loopback unless configured otherwise, and read-only: nothing here changes state.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { formatUrl } from '../config/listen-url.js'
import { listenOn } from '../listeners/listening.js'

export interface AdminSources {
  readonly metrics: Registry
  /** Empty: ready. Otherwise why not, in a few words. */
  readonly notReady: () => string
  /** What an operator should know though it is ready; empty, or not given: nothing. */
  readonly notice?: () => string
}

export interface AdminListener {
  /** With the real port. */
  readonly url: string
  close(): Promise<void>
}

/** Opens the listener. Rejects with the error of `listen` (EADDRINUSE, EACCES…). */
export async function openAdminListener(host: string, port: number, sources: AdminSources): Promise<AdminListener> {
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    handle(request, response, sources).catch((error: unknown) => {
      reply(response, 500, error instanceof Error ? error.message : 'failed')
    })
  })
  server.maxConnections = 64
  await listenOn(server, { port, host })
  return { url: formatUrl('http', host, (server.address() as AddressInfo).port), close: () => close(server) }
}

async function handle(request: IncomingMessage, response: ServerResponse, sources: AdminSources): Promise<void> {
  const path = (request.url ?? '').split('?', 1)[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    reply(response, 405, 'only GET')
  } else if (path === '/healthz') {
    reply(response, 200, 'ok')
  } else if (path === '/readyz') {
    const reason = sources.notReady()
    const notice = sources.notice?.() ?? ''
    reply(response, reason === '' ? 200 : 503, reason !== '' ? reason : notice === '' ? 'ready' : `ready\n${notice}`)
  } else if (path === '/metrics') {
    reply(response, 200, await sources.metrics.metrics(), sources.metrics.contentType)
  } else {
    reply(response, 404, 'chatd admin: /healthz /readyz /metrics')
  }
}

function reply(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  response.end(text.endsWith('\n') ? text : `${text}\n`)
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
