/** Two sockets that stand for one connection: what comes out of either goes into the other, until one closes. */
import type { Socket } from 'node:net'

const kOther = Symbol('other')
const kWatch = Symbol('watch')
type Joined = Socket & { [kOther]?: Socket, [kWatch]?: NodeJS.Timeout }

/**
 * Once one has closed the other closes as well, behind what was written to it. `near` is the one whose other end is on this machine: when
 * that ends all is over. A `socket` that takes nothing of what waits for it in `idleMs` is closed: whoever has written that may be gone,
 * and nobody else would notice.
 */
export function joinSockets(socket: Socket, near: Socket, idleMs: number): void {
  (socket as Joined)[kOther] = near
  ;(near as Joined)[kOther] = socket
  for (const end of [socket, near]) end.on('error', () => end.destroy()).on('close', onClose)
  near.allowHalfOpen = false
  socket.pipe(near)
  near.pipe(socket)
  let before = -1
  const watch = setInterval(() => {
    const taken = near.bytesRead - socket.writableLength
    if (socket.writableLength > 0 && taken === before) socket.destroy()
    before = taken
  }, idleMs)
  ;(socket as Joined)[kWatch] = watch
}

/**
 * `socket` goes on alone, paused: what comes from now on stays in it. Who is at the other end of `near` reads what was written to that to its
 * end, says what is left to be said, and closes. Resolves when `near` is closed.
 */
export async function partSockets(socket: Socket, near: Socket): Promise<void> {
  socket.off('close', onClose).unpipe(near).pause()
  const end = (): void => { near.destroy() }
  socket.once('close', end)
  // Its end is not the other's any more.
  near.off('close', onClose).unpipe(socket).pipe(socket, { end: false })
  near.end()
  if (!near.closed) await new Promise((resolve) => near.once('close', resolve))
  socket.off('close', end)
  clearInterval((socket as Joined)[kWatch])
}

function onClose(this: Joined): void {
  clearInterval(this[kWatch])
  // What was written to it goes out still; it may have come from an answer that is complete.
  this[kOther]?.destroySoon()
}
