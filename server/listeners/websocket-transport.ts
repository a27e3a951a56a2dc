/** WebSocket: binary messages, each of one or more whole frames, as a transport. [FRM-12] */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { WebSocket } from 'ws'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { EXPORTER_BYTES, EXPORTER_LABEL, type Transport, type TransportHandler } from './transport.js'

const kTransport = Symbol('transport')
type OwnWebSocket = WebSocket & { [kTransport]?: WebSocketTransport }
type OwnSocket = Socket & { [kTransport]?: WebSocketTransport }

/** WebSocket close codes 4000 to 4999 are for applications. [CLS-6] */
const CLOSE_CODE_BASE = 4000

export class WebSocketTransport implements Transport {
  readonly scheme: 'ws' | 'wss'
  readonly remoteAddress: string
  readonly acceptedMs: number
  readonly #socket: OwnSocket
  readonly #webSocket: OwnWebSocket
  #handler: TransportHandler | null

  /** `socket` is the one that the WebSocket was upgraded on. */
  constructor(webSocket: WebSocket, socket: Socket, scheme: 'ws' | 'wss', acceptedMs: number) {
    this.scheme = scheme
    this.remoteAddress = socket.remoteAddress ?? ''
    this.acceptedMs = acceptedMs
    this.#socket = socket
    this.#webSocket = webSocket
    this.#handler = null
  }

  get isEncrypted(): boolean {
    return this.scheme === 'wss'
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  /** @internal for the socket's listeners */
  get handler(): TransportHandler | null {
    return this.#handler
  }

  start(handler: TransportHandler): void {
    this.#handler = handler
    this.#webSocket[kTransport] = this
    this.#socket[kTransport] = this
    this.#webSocket.on('message', onMessage)
    this.#webSocket.on('ping', onPing)
    this.#webSocket.on('error', onError)
    this.#webSocket.on('close', onClose)
    this.#socket.on('drain', onDrain)
  }

  write(frames: Uint8Array): boolean {
    this.#webSocket.send(frames, ignoreResult)
    return !this.#socket.writableNeedDrain
  }

  end(error: ErrorCode): void {
    this.#webSocket.close(CLOSE_CODE_BASE + error)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  channelBinding(): Uint8Array | null {
    const socket: Socket = this.#socket
    return socket instanceof TLSSocket && socket.getProtocol() === 'TLSv1.3'
      ? socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
      : null
  }
}

/** A write to a socket that is gone fails; its `close` tells the connection. */
function ignoreResult(): void {}

function onMessage(this: OwnWebSocket, data: WebSocket.RawData, isBinary: boolean): void {
  const handler = this[kTransport]?.handler
  if (!isBinary) handler?.failed(ERROR.malformedFrame)
  else if (data instanceof Uint8Array) handler?.received(data, true)
}

/** Answered only while nothing waits to be sent: a peer that pings and does not read must not fill our memory. */
function onPing(this: OwnWebSocket, data: Buffer): void {
  if (this[kTransport]?.bufferedBytes === 0) this.pong(data, false, ignoreResult)
}

function onError(this: OwnWebSocket, error: Error & { code?: string }): void {
  const handler = this[kTransport]?.handler
  if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') handler?.failed(ERROR.frameTooLarge)
  else if (error.code?.startsWith('WS_ERR_') === true) handler?.failed(ERROR.malformedFrame)
}

function onClose(this: OwnWebSocket): void {
  this[kTransport]?.handler?.gone()
}

function onDrain(this: OwnSocket): void {
  this[kTransport]?.handler?.drained()
}
