/**
 * What a connection sees of its socket: the same few calls for TCP, TLS and WebSocket. A transport moves bytes and knows no frames;
 * only that a WebSocket message ends where a frame ends is passed on. [FRM-12]
 */
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { ListenScheme } from '../config/listen-url.js'

/** The connection's side. Calls come one at a time, none after `gone`. */
export interface TransportHandler {
  /** Bytes of the peer; `isMessage`: they are a whole WebSocket message. The memory is the handler's. */
  received(chunk: Uint8Array, isMessage: boolean): void
  /** What was written is on its way; more may be written. */
  drained(): void
  /** The peer broke the transport's own rules in a way that has a code. */
  failed(error: ErrorCode): void
  /** The peer has ended its side: nothing more comes. `gone` follows once our side is ended too. */
  peerEnded(): void
  /** The socket no longer exists. */
  gone(): void
}

export interface Transport {
  readonly scheme: ListenScheme
  readonly isEncrypted: boolean
  /** IP address of the peer as text, never a name. */
  readonly remoteAddress: string
  /** When the socket was accepted, in monotonic milliseconds. */
  readonly acceptedMs: number
  /** Bytes handed over by `write` that the kernel has not taken yet. */
  readonly bufferedBytes: number
  /** Begins to hand out events. To be called once, in the turn in which the transport was made. */
  start(handler: TransportHandler): void
  /** Sends whole frames; the memory must not change afterwards. False: wait for `drained` before the next call. */
  write(frames: Uint8Array): boolean
  /** Ends this side after what was written; over WebSocket with the code for `error`. [CLS-6] */
  end(error: ErrorCode): void
  /** Drops the socket with all that is buffered. */
  destroy(): void
  pause(): void
  resume(): void
  /** The TLS exporter's 32 bytes for channel binding (RFC 9266), or null without TLS 1.3. */
  channelBinding(): Uint8Array | null
}

/** What a listener hands a new transport to. */
export type Accept = (transport: Transport) => void

/** RFC 9266, section 2: the label, no context, 32 bytes. */
export const EXPORTER_LABEL = 'EXPORTER-Channel-Binding'
export const EXPORTER_BYTES = 32
