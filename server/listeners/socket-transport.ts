/** TCP and TLS: a stream socket as a transport. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { EXPORTER_BYTES, EXPORTER_LABEL, type Transport, type TransportHandler } from './transport.js'

const kTransport = Symbol('transport')
type OwnSocket = Socket & { [kTransport]?: SocketTransport }

export class SocketTransport implements Transport {
  readonly scheme: 'tcp' | 'tls'
  readonly remoteAddress: string
  readonly acceptedMs: number
  readonly #socket: OwnSocket
  #handler: TransportHandler | null

  constructor(socket: Socket, scheme: 'tcp' | 'tls', acceptedMs: number) {
    this.scheme = scheme
    this.remoteAddress = socket.remoteAddress ?? ''
    this.acceptedMs = acceptedMs
    this.#socket = socket
    this.#handler = null
  }

  get isEncrypted(): boolean {
    return this.scheme === 'tls'
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  /** @internal for the socket's listeners */
  get handler(): TransportHandler | null {
    return this.#handler
  }

  start(handler: TransportHandler): void {
    const socket = this.#socket
    this.#handler = handler
    socket[kTransport] = this
    socket.on('data', onData)
    socket.on('drain', onDrain)
    socket.on('end', onEnd)
    socket.on('error', onError)
    socket.on('close', onClose)
  }

  write(frames: Uint8Array): boolean {
    return this.#socket.write(frames)
  }

  end(_error: ErrorCode): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  channelBinding(): Uint8Array | null {
    const socket = this.#socket
    return socket instanceof TLSSocket && socket.getProtocol() === 'TLSv1.3'
      ? socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0))
      : null
  }
}

function onData(this: OwnSocket, chunk: Buffer): void {
  this[kTransport]?.handler?.received(chunk, false)
}

function onDrain(this: OwnSocket): void {
  this[kTransport]?.handler?.drained()
}

function onEnd(this: OwnSocket): void {
  this[kTransport]?.handler?.peerEnded()
}

/** A reset or a broken pipe: `close` follows and says all that the connection needs to know. */
function onError(this: OwnSocket): void {}

function onClose(this: OwnSocket): void {
  this[kTransport]?.handler?.gone()
}
