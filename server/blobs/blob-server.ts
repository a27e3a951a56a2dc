/**
 * HTTP for blobs on connections that somebody else accepted, in whatever process that is: no port of its own, the limits of time and
 * size, and what becomes of a request that is none of ours.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { Config } from '../config/settings.js'
import { isOriginAllowed } from '../listeners/origins.js'
import { answerPage } from '../listeners/web-listener.js'
import type { Answers } from './answering.js'
import { isBlobTarget } from './blob-targets.js'

export interface BlobConnection {
  readonly socket: Socket
  /** What was read of it. */
  readonly head: Uint8Array
  /** IP address of the peer. */
  readonly address: string
  /** Called once: it is closed. */
  readonly closed: () => void
  /** Called in place of `closed`: a request for an upgrade, which is none of ours, came behind those for blobs. Nobody reads any more. */
  readonly leftOver: (head: Uint8Array) => void
}

export class BlobServer {
  readonly #answers: Answers
  readonly #server: Server
  readonly #origins: readonly string[]
  readonly #connections = new WeakMap<Duplex, BlobConnection>()

  constructor(answers: Answers, { blobs, limits, listen }: Config) {
    this.#answers = answers
    this.#origins = listen.origins
    this.#server = createServer({
      maxHeaderSize: 8192,
      // Short patience for headers. Bodies are the handler's: one that is slow and moves may take as long as it likes.
      headersTimeout: limits.openTimeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(5000, limits.openTimeoutMs),
      keepAliveTimeout: blobs.keepAliveMs,
    })
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => { this.#onRequest(request, response) }
    this.#server.on('request', onRequest)
    // Who asks before it sends a body is told by who would read it.
    this.#server.on('checkContinue', onRequest)
    this.#server.on('upgrade', (request, socket, head) => { this.#onUpgrade(request, socket, head) })
    // What it does where it listens itself: it looks after the time that requests take.
    this.#server.emit('listening')
  }

  accept(connection: BlobConnection): void {
    const { socket, head, address } = connection
    if (socket.destroyed) {
      connection.closed()
      return
    }
    this.#connections.set(socket, connection)
    // HTTP has one as well, up to an upgrade.
    socket.on('error', () => socket.destroy())
    socket.once('close', () => { if (this.#connections.delete(socket)) connection.closed() })
    socket.allowHalfOpen = true
    socket.setNoDelay(true)
    this.#answers.connected(socket, address)
    socket.unshift(head)
    this.#server.emit('connection', socket)
    socket.resume()
  }

  /** Connections without a request end now, others with their answer; uploads are cut, downloads may go on for `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#server.close()
    this.#server.closeIdleConnections()
    await this.#answers.close(graceMs)
    this.#server.closeAllConnections()
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (!isBlobTarget(request.url ?? '')) {
      answerPage(request, response)
      return
    }
    this.#answers.handle(request, response, request.headers.origin !== undefined && isOriginAllowed(request, this.#origins))
  }

  /**
   * A proxy may use the connections of downloads again for its WebSockets. One that has not waited for its answers is let go: node tells of
   * an upgrade as soon as it is read, and the rest of those answers would go to a socket that is somebody else's.
   */
  #onUpgrade(request: IncomingMessage, socket: Duplex, behind: Buffer): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined || this.#answers.isAnswering(connection.socket)) {
      socket.destroy()
      return
    }
    this.#connections.delete(socket)
    socket.pause()
    connection.leftOver(Buffer.concat([headOf(request), behind]))
  }
}

/** The head of a request as it was sent, but for spaces around the values. */
function headOf({ method = '', url = '', httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) text += `${rawHeaders[at]!}: ${rawHeaders[at + 1]!}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
