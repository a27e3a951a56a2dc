/** Listeners for ws:// and wss://: one HTTP server each, for the upgrade, a page that says what this is, and what a handler takes. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { SUBPROTOCOL } from '../../protocol/generated/registry.js'
import { formatUrl } from '../config/listen-url.js'
import { acceptedMs, enter, listen, type Listener, type ListenerOptions } from './listener.js'
import { serverTlsOptions } from './tls-options.js'
import { WebSocketTransport } from './websocket-transport.js'

const kState = Symbol('state')
type OwnServer = Server & { [kState]?: { readonly options: ListenerOptions, readonly upgrader: WebSocketServer } }

const PAGE = `This is a chatd messenger server. Clients connect here by WebSocket, subprotocol ${SUBPROTOCOL}.\n`

/** Opens a ws:// listener. Rejects with the error of `listen`. */
export async function openWsListener(options: ListenerOptions): Promise<Listener> {
  const server = createServer(httpOptions(options))
  const port = await open(server, options)
  return { url: formatUrl('ws', options.url.host, port), renewTls: () => {}, stop: () => stop(server) }
}

/** Opens a wss:// listener over TLS 1.3. Rejects with the error of `listen`. */
export async function openWssListener(options: ListenerOptions): Promise<Listener> {
  const server: TlsServer = createTlsServer({ ...httpOptions(options), ...serverTlsOptions(options), ALPNProtocols: ['http/1.1'] })
  const port = await open(server, options)
  return {
    url: formatUrl('wss', options.url.host, port),
    renewTls: (files) => server.setSecureContext({ cert: files.cert, key: files.key }),
    stop: () => stop(server),
  }
}

async function open(server: OwnServer, options: ListenerOptions): Promise<number> {
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // [FRM-15]
    autoPong: false,
    maxPayload: options.messageBytesMax, // [FRM-20]
    handleProtocols: () => SUBPROTOCOL,
  })
  server[kState] = { options, upgrader }
  server.on('connection', onConnection)
  server.on('request', onRequest)
  // Who asks before it sends a body is told by who would read it.
  server.on('checkContinue', onRequest)
  server.on('upgrade', onUpgrade)
  server.on('tlsClientError', onTlsClientError)
  return listen(server, options)
}

function stop(server: Server): void {
  server.close()
  server.closeIdleConnections()
}

/** Short patience for headers. Bodies are the handler's: one that is slow and moves may take as long as it likes. */
function httpOptions(options: ListenerOptions): ServerOptions {
  return {
    noDelay: true,
    maxHeaderSize: 8192,
    headersTimeout: options.openTimeoutMs,
    requestTimeout: options.http === null ? options.openTimeoutMs : 0,
    connectionsCheckingInterval: Math.min(5000, options.openTimeoutMs),
    keepAliveTimeout: options.http?.keepAliveMs ?? 1000,
  }
}

function onConnection(this: OwnServer, socket: Socket): void {
  const state = this[kState]
  if (state !== undefined) enter(socket, state.options)
}

function onTlsClientError(this: OwnServer, error: Error & { code?: string }): void {
  this[kState]?.options.log.debug({ code: error.code }, 'tls-refused')
}

function onRequest(this: OwnServer, request: IncomingMessage, response: ServerResponse): void {
  const options = this[kState]?.options
  if (options?.http?.takes(request.url ?? '') === true) {
    const { origin } = request.headers
    options.http.handle(request, response, origin !== undefined && isOriginAllowed(request, options.origins))
    return
  }
  const isPage = request.method === 'GET' && request.url === '/'
  response.writeHead(isPage ? 200 : 404, {
    'content-type': 'text/plain; charset=utf-8', 'connection': 'close', 'x-content-type-options': 'nosniff',
  })
  response.end(isPage ? PAGE : 'not found\n')
}

function onUpgrade(this: OwnServer, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const state = this[kState]
  if (state === undefined) return
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  if (!offered.includes(SUBPROTOCOL)) {
    refuse(socket, '400 Bad Request', `offer the WebSocket subprotocol ${SUBPROTOCOL}`)
    return
  }
  if (!isOriginAllowed(request, state.options.origins)) {
    refuse(socket, '403 Forbidden', 'pages of this web origin may not connect; see listen.origins')
    return
  }
  const { options, upgrader } = state
  upgrader.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
    const scheme = options.url.encrypted ? 'wss' : 'ws'
    options.accept(new WebSocketTransport(webSocket, socket, scheme, acceptedMs(socket, options.clock)))
  })
}

/** Programs send no Origin. A page may connect to its own host, on any port, and from where the operator says so. */
function isOriginAllowed(request: IncomingMessage, origins: readonly string[]): boolean {
  const origin = request.headers.origin
  if (origin === undefined || origins.includes('*') || origins.includes(origin)) return true
  try {
    return new URL(origin).hostname === new URL(`http://${request.headers.host ?? ''}`).hostname
  } catch {
    return false
  }
}

function refuse(socket: Socket, status: string, reason: string): void {
  const body = `${reason}\n`
  // From the upgrade on nobody else listens, and a reset must not end the process.
  socket.on('error', () => socket.destroy())
  socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  // Not end(): HTTP sockets may stay half open, as long as the peer likes.
  socket.destroySoon()
}
