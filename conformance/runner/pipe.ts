/** Byte pipes of the suite: TCP and WebSocket, with TLS and without, as the side that listens. */
import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { createServer as createHttpServer } from 'node:http'
import type { Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket, createServer as createTlsServer } from 'node:tls'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { registry } from '../spec/registry.js'
import type { Transport } from './case.js'
import type { Certificate } from './certificate.js'
import { limitOf } from './decode.js'
import { listenAnywhere } from './listener.js'
import type { Listener } from './listener.js'

export interface TlsFacts {
  /** '': none. */
  readonly alpn: string
  readonly version: string
  /** The exporter of RFC 9266. */
  readonly exporter: Buffer
}

/** With TLS: what the server shows, and up to which version. */
export interface Secured {
  readonly certificate: Certificate
  readonly newest: 'TLSv1.2' | 'TLSv1.3'
  /** A client has begun. */
  readonly onAttempt: () => void
}

/** One transport, of either kind. */
export interface Pipe {
  /** What TLS negotiated; null without it. */
  readonly tls: TlsFacts | null
  write(bytes: Uint8Array): void
  /** The same in parts: over WebSocket those up to the last one are fragments of one message. */
  writePart(bytes: Uint8Array, isLast: boolean): void
  /** A message of text; over TCP nothing. */
  writeText(text: string): void
  /** In good order. `code`: of the error, for the WebSocket close code. [CLS-6] */
  end(code: number): void
  reset(): void
  /** Reads no more, and takes no notice of the peer's end. */
  freeze(): void
}

export interface PipeHandlers {
  /** `isMessage`: the bytes are one WebSocket message. */
  onData(bytes: Uint8Array, isMessage: boolean): void
  /** Something that no chatd transport carries: a text message, an empty one. [FRM-12] */
  onOdd(what: string): void
  /** The peer has ended its side, or the transport is gone; once. `code`: the WebSocket close code, 0 where there is none. */
  onEnd(code: number): void
  /** Nothing is left of the transport. */
  onGone(): void
}

/** What is known of a WebSocket before its first byte. */
export interface Upgrade {
  readonly subprotocol: string
  readonly extensions: string
}

/** Called for each connection; returns who hears of it. `upgrade` is null over TCP. */
export type OnPipe = (pipe: Pipe, upgrade: Upgrade | null) => PipeHandlers

function once(onEnd: (code: number) => void): (code: number) => void {
  let isOver = false
  return (code) => {
    if (isOver) return
    isOver = true
    onEnd(code)
  }
}

/** null: there is no TLS. */
function tlsFacts(socket: Duplex): TlsFacts | null {
  if (!(socket instanceof TLSSocket)) return null
  const { alpnProtocol } = socket
  return {
    alpn: typeof alpnProtocol === 'string' ? alpnProtocol : '',
    version: socket.getProtocol() ?? '',
    exporter: socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)),
  }
}

export function socketPipe(socket: Socket): Pipe {
  return {
    tls: tlsFacts(socket),
    write: (bytes) => { if (!socket.destroyed && socket.writable) socket.write(bytes) },
    writePart: (bytes) => { if (!socket.destroyed && socket.writable) socket.write(bytes) },
    writeText: () => {},
    end: () => { if (!socket.destroyed) socket.end() },
    reset: () => {
      // Neither a transport that is just ending nor one of TLS can be reset: the handle would stay.
      if (socket.writableEnded || socket instanceof TLSSocket) socket.destroy()
      else socket.resetAndDestroy()
    },
    freeze: () => {
      socket.removeAllListeners('data')
      socket.removeAllListeners('end')
      socket.pause()
    },
  }
}

export function hearSocket(socket: Socket, handlers: PipeHandlers): void {
  const end = once(handlers.onEnd.bind(handlers))
  socket.on('data', (bytes: Buffer) => { handlers.onData(bytes, false) })
  socket.on('end', () => { end(0) })
  socket.on('error', () => {})
  socket.on('close', () => {
    end(0)
    handlers.onGone()
  })
}

export function webSocketPipe(socket: WebSocket, tls: TlsFacts | null = null): Pipe {
  return {
    tls,
    write: (bytes) => { if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true }) },
    writePart: (bytes, isLast) => { if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true, fin: isLast }) },
    writeText: (text) => { socket.send(text, { binary: false }) },
    end: (code) => { socket.close(4000 + code) },
    reset: () => { socket.terminate() },
    freeze: () => { socket.pause() },
  }
}

export function hearWebSocket(socket: WebSocket, handlers: PipeHandlers): void {
  const end = once(handlers.onEnd.bind(handlers))
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (!isBinary) handlers.onOdd('a text message')
    else if (data.length === 0) handlers.onOdd('an empty message')
    else handlers.onData(data, true)
  })
  socket.on('error', () => {})
  socket.on('close', (code: number) => {
    end(code)
    handlers.onGone()
  })
}

function listenTcp(host: string, onPipe: OnPipe): Promise<Listener> {
  const sockets = new Set<Socket>()
  // Our side of a connection that the client has ended is for the case to end.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => { sockets.delete(socket) })
    hearSocket(socket, onPipe(socketPipe(socket), null))
  })
  return listenAnywhere(server, host, () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

/** A connection begins with its first byte: a client that does not trust what it is shown sends none. */
function listenTls(host: string, { certificate, newest, onAttempt }: Secured, onPipe: OnPipe): Promise<Listener> {
  const sockets = new Set<Socket>()
  const server = createTlsServer({
    cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2', maxVersion: newest, ALPNProtocols: [registry.alpn], allowHalfOpen: true, noDelay: true,
  }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', (first: Buffer) => {
      const handlers = onPipe(socketPipe(socket), null)
      hearSocket(socket, handlers)
      handlers.onData(first, false)
    })
  })
  server.on('tlsClientError', () => {})
  server.on('connection', (socket: Socket) => {
    onAttempt()
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => { sockets.delete(socket) })
  })
  return listenAnywhere(server, host, () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

/** The web server below WebSockets. */
function httpServer(tls: Secured | null): HttpServer {
  if (tls === null) return createHttpServer()
  const { certificate, newest, onAttempt } = tls
  const server = createHttpsServer({ cert: certificate.certificate, key: certificate.key, minVersion: 'TLSv1.2', maxVersion: newest })
  server.on('tlsClientError', () => {})
  server.on('connection', onAttempt)
  return server
}

function listenWebSocket(host: string, tls: Secured | null, onPipe: OnPipe): Promise<Listener> {
  const http = httpServer(tls)
  const sockets = new WebSocketServer({
    server: http,
    perMessageDeflate: false,
    maxPayload: limitOf('frameBytesMax') + limitOf('uintBytesMax'),
    handleProtocols: (offered) => offered.has(registry.subprotocol) ? registry.subprotocol : false,
  })
  sockets.on('connection', (socket, request) => {
    const upgrade = { subprotocol: socket.protocol, extensions: request.headers['sec-websocket-extensions'] ?? '' }
    hearWebSocket(socket, onPipe(webSocketPipe(socket, tlsFacts(request.socket)), upgrade))
  })
  return listenAnywhere(http, host, () => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
    http.close()
  })
}

/** Listens on a free port of this machine. `tls`: of the transports that have it. */
export function listen(transport: Transport, host: string, tls: Secured, onPipe: OnPipe): Promise<Listener> {
  switch (transport) {
    case 'tcp': return listenTcp(host, onPipe)
    case 'tls': return listenTls(host, tls, onPipe)
    case 'ws': return listenWebSocket(host, null, onPipe)
    case 'wss': return listenWebSocket(host, tls, onPipe)
  }
}
