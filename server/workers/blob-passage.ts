/**
 * Connections for blobs between the process that takes clients and the one that has the files: the bytes as they are, over a Unix socket,
 * behind a line that says who the client is. The supervisor's side takes them from nobody else, for the socket belongs to the server's user
 * alone; where blobs have a process of their own it hands the socket on to that, and no byte of a file passes through it.
 */
import { isIP, connect, createServer, type Socket } from 'node:net'
import { isBlobTarget } from '../blobs/blob-targets.js'
import type { ConnectionTaker, TakenConnection } from '../listeners/connection-taker.js'
import { joinSockets } from '../listeners/joined-sockets.js'
import { listenPrivately } from '../listeners/listening.js'

/** An address and the end of its line. */
const PRELUDE_BYTES_MAX = 64
const NEWLINE = 0x0a

/** The supervisor's end. Resolves to what closes it. Rejects with the error of `listen`. */
export async function openBlobPassage(path: string, taker: ConnectionTaker): Promise<() => void> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: false }, (socket) => readPrelude(socket, taker))
  await listenPrivately(server, path)
  return () => { server.close() }
}

function readPrelude(socket: Socket, taker: ConnectionTaker): void {
  let bytes = Buffer.alloc(0)
  const failed = (): void => { socket.destroy() }
  const received = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk])
    const end = bytes.indexOf(NEWLINE)
    if (end < 0 && bytes.length <= PRELUDE_BYTES_MAX) return
    socket.off('data', received)
    socket.pause()
    const address = bytes.subarray(0, Math.max(0, end)).toString('latin1')
    if (isIP(address) === 0) {
      socket.destroy()
      return
    }
    taker.take({
      socket, address, head: bytes.subarray(end + 1),
      left: () => { /* it is counted where it came in */ },
      // What else a client asks for on such a connection it asks for on another one.
      giveBack: (other) => { other.destroy() },
    })
  }
  socket.on('data', received)
  // Also while it waits for its taker.
  socket.on('error', failed)
}

/** The worker's end. */
export class BlobPassage implements ConnectionTaker {
  readonly #path: string
  readonly #idleMs: number

  /** `idleMs`: how long the last bytes of an answer may wait for their client. */
  constructor(path: string, idleMs: number) {
    this.#path = path
    this.#idleMs = idleMs
  }

  takes(target: string): boolean {
    return isBlobTarget(target)
  }

  take({ socket, head, address, left }: TakenConnection): void {
    const passage = connect(this.#path)
    passage.write(Buffer.concat([Buffer.from(`${address}\n`, 'latin1'), head]))
    socket.once('close', left)
    joinSockets(socket, passage, this.#idleMs)
  }
}
