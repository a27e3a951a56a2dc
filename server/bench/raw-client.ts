/** Types for the raw client and the peer's set-up, which are plain CommonJS so that other benches can load them as they are. */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

export interface RawClient {
  readonly user: string
  readonly sock: Socket
  /** Bytes of TCP payload so far. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Entries that waited when the session opened. */
  readonly preview: number
  /** Stanzas refused so far, and those without an answer yet. */
  readonly refused: number
  readonly unanswered: number
  /** What a connection that ends by itself calls while a step is under way; replaced where an end is expected. */
  fail: ((error: Error) => void) | null
  connect(user: string, password: string): Promise<void>
  /** `text` is ASCII; `id` is handed back by onReceipt. */
  send(to: string, text: string, id: number): void
  /** `group` with its #; answered once it is on stable storage. */
  createGroup(group: string, members?: readonly string[]): Promise<unknown>
  /** In the foreground, and watches these users; in the background, and watches nobody. */
  look(users: readonly string[]): void
  lookAway(): void
  onDelivery(callback: (from: string, text: string, seq: number) => void): void
  onAccepted(callback: (count: number) => void): void
  onReceipt(callback: (id: number) => void): void
  /** Ends the connection without a word. */
  drop(): void
  close(): Promise<void>
}

export interface Driver {
  /** `ring`, a power of two: stanzas that may be unanswered, 4,096 at most; it takes 16 bytes for each. */
  create(options: { port: number, host?: string, localAddress?: string, ring?: number }): RawClient
  /** Forgets every device's token, cursor and outbox. */
  forget(): void
  /**
   * Connects over TLS from now on, or with null over plain TCP. `ca`: PEM of the server's certificate; `resumes`: a device that comes back
   * continues its session of TLS.
   */
  secure(options: { ca: string | Uint8Array, resumes: boolean } | null): void
}

export interface Launch {
  readonly cmd: string
  readonly args: readonly string[]
}

export interface Peer {
  readonly name: string
  readonly port: number
  readonly driver: Driver
  /** Writes configuration and accounts below `dir`; takes a while with many users, and blocks. `webPort`: of WebSocket and HTTP; 0: none. `shards`: 1 where nothing is said. */
  setup(options: { dir: string, users: readonly string[], port: number, webPort?: number, engine?: string, shards?: number }): Launch
}

/** The sources stay where they are: from dist/server/bench to server/bench. */
const load = createRequire(new URL('../../../server/bench/', import.meta.url))

export const driver = load('./driver.cjs') as Driver
export const peer = load('./peer.cjs') as Peer
