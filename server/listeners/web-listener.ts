/**
 * Listeners for ws:// and wss://: the upgrade, a page that says what this is, and connections that somebody else takes for what they ask
 * first. The HTTP server has no port of its own: it is handed the connections that are left.
 */
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import { SUBPROTOCOL } from '../../protocol/generated/registry.js'
import { formatUrl } from '../config/listen-url.js'
import { readFirstRequest } from './first-request.js'
import { acceptedMs, countAsBefore, enter, keepCounted, listen, type Listener, type ListenerOptions } from './listener.js'
import { isOriginAllowed } from './origins.js'
import { serverTlsOptions } from './tls-options.js'
import { WebSocketTransport } from './websocket-transport.js'

const kState = Symbol('state')
interface State {
  readonly options: ListenerOptions
  readonly upgrader: WebSocketServer
  readonly web: HttpServer
}
type Own<S> = S & { [kState]?: State }

const PAGE = `This is a chatd messenger server. Clients connect here by WebSocket, subprotocol ${SUBPROTOCOL}.\n`

/** Opens a ws:// listener. Rejects with the error of `listen`. */
export async function openWsListener(options: ListenerOptions): Promise<Listener> {
  const server = createTcpServer({ allowHalfOpen: true, noDelay: true })
  server.on('connection', onConnection)
  server.on('connection', onSocket)
  const { port, stop } = await open(server, options)
  return { url: formatUrl('ws', options.url.host, port), renewTls: () => {}, stop }
}

/** Opens a wss:// listener over TLS 1.3. Rejects with the error of `listen`. */
export async function openWssListener(options: ListenerOptions): Promise<Listener> {
  const server = createTlsServer({ ...serverTlsOptions(options), noDelay: true, ALPNProtocols: ['http/1.1'] })
  server.on('connection', onConnection)
  server.on('secureConnection', onSocket)
  server.on('tlsClientError', onTlsClientError)
  const { port, stop } = await open(server, options)
  return {
    url: formatUrl('wss', options.url.host, port),
    renewTls: (files) => server.setSecureContext({ cert: files.cert, key: files.key }),
    stop,
  }
}

async function open(server: Own<Server>, options: ListenerOptions): Promise<{ readonly port: number, readonly stop: () => void }> {
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // [FRM-15]
    autoPong: false,
    maxPayload: options.messageBytesMax, // [FRM-20]
    handleProtocols: () => SUBPROTOCOL,
  })
  const web: Own<HttpServer> = createHttpServer({
    maxHeaderSize: 8192,
    headersTimeout: options.openTimeoutMs,
    requestTimeout: options.openTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, options.openTimeoutMs),
    keepAliveTimeout: 1000,
  })
  const state: State = { options, upgrader, web }
  server[kState] = state
  web[kState] = state
  web.on('request', onRequest)
  web.on('upgrade', onUpgrade)
  const port = await listen(server, options)
  // What it does where it listens itself: from now on it looks after the time that requests take.
  web.emit('listening')
  const stop = (): void => {
    server.close()
    web.close()
    web.closeIdleConnections()
  }
  return { port, stop }
}

function onConnection(this: Own<Server>, socket: Socket): void {
  const state = this[kState]
  if (state !== undefined) enter(socket, state.options)
}

function onTlsClientError(this: Own<Server>, error: Error & { code?: string }, socket: Socket): void {
  this[kState]?.options.log.debug({ code: error.code }, 'tls-refused')
  socket.destroy()
}

/** A connection of which nothing was read yet. */
function onSocket(this: Own<Server>, socket: Socket): void {
  const state = this[kState]
  if (state === undefined || socket.destroyed) return
  const { options: { taker, openTimeoutMs }, web } = state
  if (taker === null) {
    web.emit('connection', socket)
    return
  }
  const address = socket.remoteAddress ?? ''
  readFirstRequest(socket, openTimeoutMs, (target, head) => {
    if (!taker.takes(target)) {
      serve(web, socket, head)
      return
    }
    const left = keepCounted(socket)
    // It may have to wait for its taker, and a reset meanwhile must not end the process.
    socket.on('error', onTakenError)
    taker.take({
      socket, head, address, left,
      giveBack: (other, bytes) => {
        countAsBefore(other, left)
        serve(web, other, bytes)
      },
    })
  })
}

function onTakenError(this: Socket): void {
  this.destroy()
}

/** Goes on with a connection of which these bytes were read. */
function serve(web: HttpServer, socket: Socket, head: Uint8Array): void {
  if (socket.destroyed) return
  socket.unshift(head)
  web.emit('connection', socket)
  socket.resume()
}

function onRequest(this: Own<HttpServer>, request: IncomingMessage, response: ServerResponse): void {
  answerPage(request, response)
}

/** For people with a browser, and those who are at the wrong place. */
export function answerPage(request: IncomingMessage, response: ServerResponse): void {
  const isPage = request.method === 'GET' && request.url === '/'
  response.writeHead(isPage ? 200 : 404, {
    'content-type': 'text/plain; charset=utf-8', 'connection': 'close', 'x-content-type-options': 'nosniff',
  })
  response.end(isPage ? PAGE : 'not found\n')
}

function onUpgrade(this: Own<HttpServer>, request: IncomingMessage, socket: Socket, head: Buffer): void {
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

function refuse(socket: Socket, status: string, reason: string): void {
  const body = `${reason}\n`
  // From the upgrade on nobody else listens, and a reset must not end the process.
  socket.on('error', () => socket.destroy())
  socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  // Not end(): HTTP sockets may stay half open, as long as the peer likes.
  socket.destroySoon()
}
