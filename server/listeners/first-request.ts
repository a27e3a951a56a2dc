/** What a connection asks for first, read before anybody else reads from it. */
import type { Socket } from 'node:net'

/** A request line that is longer is for HTTP to refuse. */
const LINE_BYTES_MAX = 8192

/**
 * Calls `decided` once, in the turn in which the first request line is complete, with the target of it ('' where it is none) and all that
 * came; the socket is paused then. Who has not said as much after `timeoutMs` is let go.
 */
export function readFirstRequest(socket: Socket, timeoutMs: number, decided: (target: string, head: Buffer) => void): void {
  let head: Buffer = Buffer.alloc(0)
  const timer = setTimeout(() => {
    // Who has said nothing at all waits for no answer.
    if (head.length === 0) socket.destroy()
    else {
      socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
      socket.destroySoon()
    }
  }, timeoutMs)
  const onData = (chunk: Buffer): void => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    const target = firstTarget(head)
    if (target === null && head.length < LINE_BYTES_MAX) return
    settle()
    socket.pause()
    decided(target ?? '', head)
  }
  const onError = (): void => { socket.destroy() }
  const settle = (): void => {
    clearTimeout(timer)
    socket.off('data', onData).off('error', onError).off('close', settle).off('end', onError)
  }
  socket.on('data', onData).on('error', onError).on('close', settle).on('end', onError)
}

/** The target of the first request line; '' where there is a line that is none; null where there is no whole line yet. */
export function firstTarget(head: Buffer): string | null {
  const text = head.toString('latin1', 0, LINE_BYTES_MAX)
  // Empty lines before it are to be passed over (RFC 9112, 2.2).
  const [, line] = /^[\r\n]*([^\r\n]+)[\r\n]/.exec(text) ?? []
  if (line === undefined) return null
  return /^[A-Za-z-]+ (\S+) HTTP\/1\.[01]$/.exec(line)?.[1] ?? ''
}

/**
 * Stops reading, and returns what was read and nobody has taken. To be called in the turn in which the socket is handed to another
 * process: what is read after that is lost, and pause() alone lets the stream read on until its buffer is full.
 */
export function stopReading(socket: Socket): Buffer {
  socket.pause()
  const handle = (socket as { _handle?: { reading?: boolean, readStop?(): number } | null })._handle
  if (handle?.readStop !== undefined) {
    handle.readStop()
    handle.reading = false
  }
  const rest: Buffer[] = []
  for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) rest.push(chunk)
  // read() has asked for more.
  if (handle?.readStop !== undefined) {
    handle.readStop()
    handle.reading = false
  }
  return Buffer.concat(rest)
}
