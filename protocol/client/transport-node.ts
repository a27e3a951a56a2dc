/** TCP, TLS 1.3 and WebSocket in Node. */
import { createConnection, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { ALPN, LIMIT, SUBPROTOCOL } from '../generated/registry.js'
import type { ServerAddress } from './server-url.js'
import { openWebSocket, webSocketUrl } from './transport-websocket.js'
import type { WebSocketLike } from './transport-websocket.js'
import type { Connect, Transport, TransportHandlers, TransportOptions } from './transport.js'

/** RFC 9266, section 2. */
const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
const EXPORTER_BYTES = 32

/** Opens what the scheme of the address asks for. */
export const connectNode: Connect = (address, options, handlers, signal) => {
  switch (address.scheme) {
    case 'tcp': return openStream(createConnection({ host: address.host, port: address.port, noDelay: true }), 'connect', handlers, signal)
    case 'tls': return openTls(address, options, handlers, signal)
    case 'ws':
    case 'wss': return openNodeWebSocket(address, options, handlers, signal)
  }
}

function openTls(
  address: ServerAddress, options: TransportOptions, handlers: TransportHandlers, signal: AbortSignal,
): Promise<Transport> {
  const socket = connectTls({
    host: address.host,
    port: address.port,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [ALPN],
    // A server name is a name: RFC 6066 knows none for IP addresses, and Node refuses them. Identity is checked against `host` then. [FRM-16]
    ...(isIP(address.host) === 0 ? { servername: address.host } : {}),
    ...caOption(options),
  })
  socket.setNoDelay(true)
  return openStream(socket, 'secureConnect', handlers, signal)
}

function openStream(
  socket: Socket, openEvent: 'connect' | 'secureConnect', handlers: TransportHandlers, signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abort)
      socket.destroy()
      reject(error)
    }
    const abort = () => {
      socket.destroy()
      reject(new Error('given up'))
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', fail)
    socket.once(openEvent, () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
      if (openEvent === 'secureConnect' && (socket as TLSSocket).alpnProtocol !== ALPN) {
        fail(new Error(`the server does not speak ${ALPN}`))
        return
      }
      resolve(new StreamTransport(socket, channelBindingOf(socket, openEvent), handlers))
    })
  })
}

function channelBindingOf(socket: Socket, openEvent: 'connect' | 'secureConnect'): Uint8Array | null {
  if (openEvent === 'connect') return null
  // RFC 9266 wants the context to be empty, which TLS 1.3 can't tell from absent.
  return (socket as TLSSocket).exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
}

function caOption(options: TransportOptions): { ca?: (string | Buffer)[] } {
  const { ca } = options
  if (ca === undefined) return {}
  const list = typeof ca === 'string' || ca instanceof Uint8Array ? [ca] : ca
  return { ca: list.map((one) => typeof one === 'string' ? one : Buffer.from(one)) }
}

class StreamTransport implements Transport {
  readonly channelBinding: Uint8Array | null
  readonly #socket: Socket

  constructor(socket: Socket, channelBinding: Uint8Array | null, handlers: TransportHandlers) {
    this.#socket = socket
    this.channelBinding = channelBinding
    let failure: Error | null = null
    socket.on('data', (chunk) => { handlers.onData(chunk, false) })
    socket.on('error', (error) => { failure = error })
    socket.on('close', () => { handlers.onEnd(failure) })
  }

  write(frames: readonly Uint8Array[]): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    socket.cork()
    for (const frame of frames) socket.write(frame)
    socket.uncork()
  }

  close(_code: number): Promise<void> {
    const socket = this.#socket
    this.#silence()
    if (socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(() => { socket.destroy() }, LIMIT.closeTimeoutMs)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      // Without a reader the peer's end would never be seen.
      socket.resume()
      socket.end()
    })
  }

  drop(): void {
    this.#silence()
    this.#socket.destroy()
  }

  #silence(): void {
    this.#socket.removeAllListeners('data')
    this.#socket.removeAllListeners('error')
    this.#socket.removeAllListeners('close')
    this.#socket.on('error', () => { /* given up */ })
  }
}

function openNodeWebSocket(
  address: ServerAddress, options: TransportOptions, handlers: TransportHandlers, signal: AbortSignal,
): Promise<Transport> {
  const socket = new WebSocket(webSocketUrl(address), [SUBPROTOCOL], {
    // Compression across users' data is an attack surface, and frames are small. Redirects could leave TLS. [CLS-7] [FRM-15]
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: LIMIT.frameBytesMax * 2,
    minVersion: 'TLSv1.3',
    ...caOption(options),
  })
  return openWebSocket(socket as unknown as WebSocketLike, handlers, signal, () => { socket.terminate() })
}
