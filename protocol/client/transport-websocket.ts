/** WebSocket, for browsers' own and for the `ws` package alike: only what both share is used. */
import { LIMIT, SUBPROTOCOL } from '../generated/registry.js'
import { formatHost } from './server-url.js'
import type { ServerAddress } from './server-url.js'
import type { Transport, TransportHandlers } from './transport.js'

/** A browser says nothing more; `ws` has a sentence, and the error itself with its code. */
interface WebSocketFailure {
  readonly message?: unknown
  readonly error?: unknown
}

/** The part of the WebSocket interface (https://websockets.spec.whatwg.org) that is used. */
export interface WebSocketLike {
  binaryType: string
  readonly protocol: string
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null
  onerror: ((event: WebSocketFailure) => void) | null
  send(data: Uint8Array): void
  close(code?: number): void
}

/** A server takes no more in one message than its largest frame with its length. [FRM-12] */
const MESSAGE_BYTES_MAX = LIMIT.frameBytesMax

/** CLS-6 */
const CLOSE_CODE_BASE = 4000

export function webSocketUrl(address: ServerAddress): string {
  return `${address.scheme}://${formatHost(address)}${address.path}`
}

/** Waits until `socket` is open and has agreed on the subprotocol. `kill` drops it without a closing handshake, where that exists. */
export function openWebSocket(
  socket: WebSocketLike, handlers: TransportHandlers, signal: AbortSignal, kill: () => void,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    let failure: Error | null = null
    socket.binaryType = 'arraybuffer'
    const abort = () => {
      silence(socket)
      kill()
      reject(new Error('given up'))
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.onerror = (event) => {
      failure = errorOf(event)
    }
    socket.onclose = (event) => {
      signal.removeEventListener('abort', abort)
      reject(failure ?? new Error(`the WebSocket closed with ${event.code}`))
    }
    socket.onopen = () => {
      signal.removeEventListener('abort', abort)
      if (socket.protocol === SUBPROTOCOL) {
        resolve(new WebSocketTransport(socket, handlers, kill))
        return
      }
      silence(socket)
      kill()
      reject(new Error(`the server does not speak ${SUBPROTOCOL}`))
    }
  })
}

function errorOf(event: WebSocketFailure): Error {
  if (event.error instanceof Error) return event.error
  return new Error(typeof event.message === 'string' && event.message !== '' ? event.message : 'the WebSocket failed')
}

function silence(socket: WebSocketLike): void {
  socket.onopen = null
  socket.onmessage = null
  socket.onclose = null
  // An error after this is nobody's concern, but `ws` throws one that nobody listens to.
  socket.onerror = () => { /* given up */ }
}

class WebSocketTransport implements Transport {
  readonly channelBinding = null
  readonly #socket: WebSocketLike
  readonly #kill: () => void

  constructor(socket: WebSocketLike, handlers: TransportHandlers, kill: () => void) {
    this.#socket = socket
    this.#kill = kill
    let failure: Error | null = null
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer && event.data.byteLength > 0) {
        handlers.onData(new Uint8Array(event.data), true)
        return
      }
      // A text message is malformed, and so is an empty one: a frame of length 0 says the same to the decoder. [FRM-12]
      handlers.onData(new Uint8Array(1), true)
    }
    socket.onerror = (event) => {
      failure = errorOf(event)
    }
    socket.onclose = () => {
      silence(socket)
      handlers.onEnd(failure)
    }
  }

  write(frames: readonly Uint8Array[]): void {
    let size = 0
    let from = 0
    for (let index = 0; index <= frames.length; index++) {
      const next = frames[index]?.length ?? Infinity
      if (size > 0 && size + next > MESSAGE_BYTES_MAX) {
        this.#socket.send(join(frames, from, index, size))
        from = index
        size = 0
      }
      size += next
    }
  }

  close(code: number): Promise<void> {
    silence(this.#socket)
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.drop()
        resolve()
      }, LIMIT.closeTimeoutMs)
      this.#socket.onclose = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#socket.close(CLOSE_CODE_BASE + code)
    })
  }

  drop(): void {
    silence(this.#socket)
    this.#kill()
  }
}

function join(frames: readonly Uint8Array[], from: number, to: number, size: number): Uint8Array {
  if (to - from === 1) return frames[from] ?? new Uint8Array(0)
  const joined = new Uint8Array(size)
  let position = 0
  for (const frame of frames.slice(from, to)) {
    joined.set(frame, position)
    position += frame.length
  }
  return joined
}
