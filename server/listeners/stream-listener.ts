/** Listeners for tcp:// and tls://. */
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls'
import { ALPN } from '../../protocol/generated/registry.js'
import { formatUrl } from '../config/listen-url.js'
import { acceptedMs, enter, listen, type Listener, type ListenerOptions } from './listener.js'
import { SocketTransport } from './socket-transport.js'
import { serverTlsOptions } from './tls-options.js'

const kOptions = Symbol('options')
type OwnServer = Server & { [kOptions]?: ListenerOptions }

/** What one read may bring and what may be buffered before `write` returns false, in bytes. */
const SOCKET_BUFFER_BYTES = 65_536

/** Opens a tcp:// listener. Rejects with the error of `listen`. */
export async function openTcpListener(options: ListenerOptions): Promise<Listener> {
  const server: OwnServer = createServer({ noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES })
  server[kOptions] = options
  server.on('connection', onConnection)
  const port = await listen(server, options)
  return { url: formatUrl('tcp', options.url.host, port), renewTls: () => {}, stop: () => server.close() }
}

/** Opens a tls:// listener: TLS 1.3 with ALPN chatd/1. Rejects with the error of `listen`. [FRM-13] */
export async function openTlsListener(options: ListenerOptions): Promise<Listener> {
  const server: TlsServer & OwnServer = createTlsServer({ ...serverTlsOptions(options), noDelay: true, ALPNProtocols: [ALPN] })
  server[kOptions] = options
  server.on('connection', onRawConnection)
  server.on('secureConnection', onSecureConnection)
  server.on('tlsClientError', onTlsClientError)
  const port = await listen(server, options)
  return {
    url: formatUrl('tls', options.url.host, port),
    renewTls: (files) => server.setSecureContext({ cert: files.cert, key: files.key }),
    stop: () => server.close(),
  }
}

function onConnection(this: OwnServer, socket: Socket): void {
  const options = this[kOptions]
  if (options !== undefined && enter(socket, options)) options.accept(new SocketTransport(socket, 'tcp', acceptedMs(socket, options.clock)))
}

function onRawConnection(this: OwnServer, socket: Socket): void {
  const options = this[kOptions]
  if (options !== undefined) enter(socket, options)
}

/** A client that offers other ALPN protocols only never gets here; one that offers none is served: simple TLS tools stay usable. */
function onSecureConnection(this: OwnServer, socket: TLSSocket): void {
  const options = this[kOptions]
  if (options === undefined || (socket.alpnProtocol !== ALPN && socket.alpnProtocol !== false)) socket.destroy()
  else options.accept(new SocketTransport(socket, 'tls', acceptedMs(socket, options.clock)))
}

function onTlsClientError(this: OwnServer, error: Error & { code?: string }, socket: TLSSocket): void {
  this[kOptions]?.log.debug({ code: error.code, address: socket.remoteAddress }, 'tls-refused')
  socket.destroy()
}
