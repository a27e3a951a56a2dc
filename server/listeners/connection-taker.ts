/** Who serves what comes to a web listener beside WebSockets, as far as the listener knows: whole connections, by what they ask for first. */
import type { Socket } from 'node:net'

export interface ConnectionTaker {
  /** Whether a connection whose first request is for this target, as it stands in the request line, is the taker's. */
  takes(target: string): boolean
  /** From now on it is the taker's; never throws. */
  take(connection: TakenConnection): void
}

export interface TakenConnection {
  /**
   * Plain, or TLS. Nothing was written to it. It is paused; there may be bytes in its buffer, which come behind the head. It may be gone
   * before it is looked at; whoever gives it has a listener for its errors.
   */
  readonly socket: Socket
  /** What came of it so far. */
  readonly head: Uint8Array
  /** IP address of the peer as text. */
  readonly address: string
  /** It has ended, and counts no more. To be called once, and not after `giveBack`. */
  readonly left: () => void
  /**
   * A later request of it is none of the taker's: it goes on with these bytes as if they were its first. `socket` may be another than
   * before that stands for the same connection, paused.
   */
  readonly giveBack: (socket: Socket, head: Uint8Array) => void
}
