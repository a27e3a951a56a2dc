/** Frames over TCP or WebSocket, with callbacks: as little as a client needs that looks at every frame itself. */
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import type { Frame } from '../../protocol/generated/frames.js'
import { SUBPROTOCOL } from '../../protocol/generated/registry.js'

/** Larger than any frame: what is too large is for the receiver to say. */
const FRAME_BYTES_MAX = 1 << 20

export interface WireHandler {
  opened(): void
  frame(frame: Frame): void
  /** After each chunk's frames. */
  chunkHandled(): void
  /** Called once, also when it never opened. `closeCode`: of a WebSocket, else 0. */
  ended(closeCode: number): void
}

export interface Wire {
  write(bytes: Uint8Array): void
  /** Reads nothing more, and leaves the connection open. */
  pause(): void
  /** Without a word. The handler hears no more. */
  destroy(): void
  readonly bytesWaiting: number
}

/** Of one WebSocket message, which a server takes only up to the size of the largest frame. [FRM-12] */
const MESSAGE_BYTES_MAX = 49_152

/** Whole frames in pieces that fit into WebSocket messages. */
export function writeFrames(wire: Wire | null, frames: readonly Uint8Array[]): number {
  let piece: Uint8Array[] = []
  let size = 0
  let written = 0
  for (const frame of frames) {
    if (size + frame.length > MESSAGE_BYTES_MAX && size > 0) {
      wire?.write(Buffer.concat(piece))
      piece = []
      size = 0
    }
    piece.push(frame)
    size += frame.length
    written += frame.length
  }
  if (size > 0) wire?.write(Buffer.concat(piece))
  return written
}

/** Connects to `tcp://…` or `ws://…`. Calls come in later turns. A frame that does not decode is thrown: the server's fault or the proof's. */
export function openWire(url: string, handler: WireHandler): Wire {
  const decoder = new FrameDecoder(FRAME_BYTES_MAX)
  let isOver = false
  const received = (chunk: Uint8Array): void => {
    if (isOver) return
    decoder.push(chunk)
    for (let frame = decoder.next(); frame !== null && !isOver; frame = decoder.next()) {
      if (typeof frame === 'number') throw new Error(`the server sent bytes that are no frame: ${frame}`)
      handler.frame(frame)
    }
    if (!isOver) handler.chunkHandled()
  }
  const ended = (code: number): void => {
    if (isOver) return
    isOver = true
    handler.ended(code)
  }
  return url.startsWith('ws:') ? overWebSocket() : overTcp()

  function overTcp(): Wire {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), noDelay: true })
    socket.on('connect', () => { if (!isOver) handler.opened() })
    socket.on('data', received)
    socket.on('error', () => { /* close follows */ })
    socket.on('close', () => { ended(0) })
    return {
      write: (bytes) => { if (!isOver) socket.write(bytes) },
      pause: () => { socket.pause() },
      destroy: () => {
        isOver = true
        socket.destroy()
      },
      get bytesWaiting() { return socket.writableLength },
    }
  }

  function overWebSocket(): Wire {
    const socket = new WebSocket(url, [SUBPROTOCOL])
    socket.on('open', () => { if (!isOver) handler.opened() })
    socket.on('message', received)
    socket.on('error', () => { /* close follows */ })
    socket.on('close', ended)
    return {
      write: (bytes) => { if (!isOver && socket.readyState === WebSocket.OPEN) socket.send(bytes) },
      pause: () => { socket.pause() },
      destroy: () => {
        isOver = true
        socket.terminate()
      },
      get bytesWaiting() { return socket.bufferedAmount },
    }
  }
}
