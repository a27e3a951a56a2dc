/** A client that writes its own bytes over a real socket and awaits frames. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { FrameDecoder } from '../../../protocol/frame-decoder.js'
import type { Frame } from '../../../protocol/generated/frames.js'
import { ALPN, FRAME, SUBPROTOCOL } from '../../../protocol/generated/registry.js'

export interface RawClient {
  send(...frames: readonly Uint8Array[]): void
  /** The next frame; null when the server has ended the connection. */
  next(): Promise<Frame | null>
  /** The next frame of this type; throws at the end. */
  until(type: number): Promise<Frame>
  /** Set once the connection is over: the WebSocket close code, 0 for others. */
  readonly closed: Promise<number>
  readonly socket: Socket | TLSSocket | WebSocket
  destroy(): void
}

/** Connects to a listener's URL. Rejects when the transport refuses. */
export async function connectRaw(url: string, options: ConnectionOptions & { origin?: string, subprotocols?: string[] } = {}): Promise<RawClient> {
  const scheme = url.slice(0, url.indexOf(':'))
  const { hostname, port } = new URL(url.replace(/^\w+/, 'http'))
  if (scheme === 'ws' || scheme === 'wss') return connectWebSocket(url, options)
  const host = hostname.replace(/^\[|\]$/g, '')
  const socket = scheme === 'tls'
    ? connectTls({ host, port: Number(port), servername: 'localhost', ALPNProtocols: [ALPN], ...options })
    : connectTcp({ host, port: Number(port) })
  await once(socket, scheme === 'tls' ? 'secureConnect' : 'connect')
  const inbox = new Inbox()
  socket.on('data', (chunk) => inbox.push(chunk))
  socket.on('error', () => {})
  const closed = new Promise<number>((resolve) => {
    socket.on('close', () => {
      inbox.end()
      resolve(0)
    })
  })
  return client(inbox, closed, socket, (bytes) => socket.write(bytes), () => socket.destroy())
}

async function connectWebSocket(url: string, options: ConnectionOptions & { origin?: string, subprotocols?: string[] }): Promise<RawClient> {
  const { origin, subprotocols = [SUBPROTOCOL], ...tls } = options
  const webSocket = new WebSocket(url, subprotocols, { ...tls, ...origin === undefined ? {} : { origin }, perMessageDeflate: true })
  await once(webSocket, 'open')
  const inbox = new Inbox()
  webSocket.on('message', (data: Buffer) => inbox.push(data))
  webSocket.on('error', () => {})
  const closed = new Promise<number>((resolve) => {
    webSocket.on('close', (code) => {
      inbox.end()
      resolve(code)
    })
  })
  return client(inbox, closed, webSocket, (bytes) => webSocket.send(bytes), () => webSocket.terminate())
}

class Inbox {
  readonly #decoder = new FrameDecoder(1 << 20)
  readonly #frames: (Frame | null)[] = []
  #wake: (() => void) | null = null

  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk)
    for (let frame = this.#decoder.next(); frame !== null; frame = this.#decoder.next()) {
      if (typeof frame === 'number') throw new Error(`the server sent a bad frame: ${String(frame)}`)
      this.#frames.push(frame)
    }
    this.#wake?.()
  }

  end(): void {
    this.#frames.push(null)
    this.#wake?.()
  }

  async next(): Promise<Frame | null> {
    while (this.#frames.length === 0) await new Promise<void>((resolve) => { this.#wake = resolve })
    const frame = this.#frames.shift() ?? null
    if (frame === null) this.#frames.push(null)
    return frame
  }
}

function client(inbox: Inbox, closed: Promise<number>, socket: RawClient['socket'], write: (bytes: Uint8Array) => void, destroy: () => void): RawClient {
  return {
    send: (...frames) => write(Buffer.concat(frames)),
    next: () => inbox.next(),
    until: async (type) => {
      for (;;) {
        const frame = await inbox.next()
        if (frame === null) throw new Error(`the connection ended before a frame of type ${String(type)}`)
        if (frame.type === type) return frame
        if (frame.type === FRAME.close) throw new Error(`closed with ${String(frame.error)} before a frame of type ${String(type)}`)
      }
    },
    closed, socket, destroy,
  }
}
