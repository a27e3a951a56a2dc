/** How the client reaches bytes: a small interface that TCP, TLS and WebSocket fill, in Node and in browsers. */
import type { ServerAddress } from './server-url.js'

/** What a transport tells its owner. After `onEnd` nothing more is told. */
export interface TransportHandlers {
  /** Bytes of the stream; valid during the call only. `isMessage`: they have to end with a frame. [FRM-12] */
  onData(chunk: Uint8Array, isMessage: boolean): void
  /** The transport is gone, for whatever reason; called once, unless `close` or `drop` were called before. */
  onEnd(cause: Error | null): void
}

/** An open transport. */
export interface Transport {
  /** The tls-exporter value to bind SCRAM to; null if there is none. [SCR-2] */
  readonly channelBinding: Uint8Array | null
  /** Whole frames, to be written in one go. The transport keeps them until they are written. */
  write(frames: readonly Uint8Array[]): void
  /**
   * Ends our side after what was written, and drops the connection when the peer has not ended its own within closeTimeoutMs [CLS-3].
   * Resolves when it is gone. `code`: of the error, for the WebSocket close code [CLS-6]. Handlers are not called any more.
   */
  close(code: number): Promise<void>
  /** Drops the connection at once. Handlers are not called any more. */
  drop(): void
}

export interface TransportOptions {
  /** PEM certificates that a TLS server's certificate may be issued by, instead of the system's. Node only. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[]
}

/** Opens a transport. Rejects when it can't be reached; `signal` gives up. */
export type Connect = (
  address: ServerAddress, options: TransportOptions, handlers: TransportHandlers, signal: AbortSignal,
) => Promise<Transport>
