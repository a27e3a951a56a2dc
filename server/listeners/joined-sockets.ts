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

/** `socket` goes on alone, paused, and `near` is closed. */
export function partSockets(socket: Socket, near: Socket): void {
  clearInterval((socket as Joined)[kWatch])
  socket.unpipe(near).off('close', onClose)
  near.off('close', onClose).unpipe(socket).destroy()
  socket.pause()
}

function onClose(this: Joined): void {
  clearInterval(this[kWatch])
  // What was written to it goes out still; it may have come from an answer that is complete.
  this[kOther]?.destroySoon()
}
