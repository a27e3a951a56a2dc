/** A server with a planted bug: a proxy in front of a right one, which changes, withholds and makes up frames in both directions. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { StreamDecoder, WireFault, limitOf } from '../../runner/decode.js'
import type { WireFrame } from '../../runner/decode.js'
import { encodeFrame } from '../../runner/frame-xml.js'

/** One connection through the proxy, as a bug sees it. */
export interface Line {
  /** Frames to the client, beside those that pass. */
  toClient(...frames: readonly WireFrame[]): void
  toServer(...frames: readonly WireFrame[]): void
}

export interface Bug {
  /** What the server reads in the place of a frame of the client. */
  readonly incoming?: (frame: WireFrame, line: Line) => readonly WireFrame[]
  /** What the client reads in the place of a frame of the server. */
  readonly outgoing?: (frame: WireFrame, line: Line) => readonly WireFrame[]
  /** What the server reads in the place of bytes that make no frame; without it they pass, and the rest of the connection as it is. */
  readonly malformed?: (bytes: Buffer) => Buffer
  /** A frame of the client is waited for, however long it says that it is. */
  readonly isUnlimited?: boolean
}

/** `make` is called once for the server; what it returns once for each of its connections. */
export type MakeBug = () => () => Bug

export interface MutantServer {
  readonly port: number
  close(): void
}

/** Listens on a free port of this machine, in front of the server on that port. */
export async function mutantServer(port: number, make: MakeBug): Promise<MutantServer> {
  const connected = make()
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const bug = connected()
    const write = (socket: Socket, frames: readonly WireFrame[]): void => {
      if (frames.length > 0 && socket.writable) socket.write(Buffer.concat(frames.map(encodeFrame)))
    }
    const line: Line = { toClient: (...frames) => { write(client, frames) }, toServer: (...frames) => { write(upstream, frames) } }
    pass(client, upstream, (frame) => bug.incoming?.(frame, line) ?? [frame], bug.malformed, bug.isUnlimited === true ? Infinity : limitOf('frameBytesMax'))
    pass(upstream, client, (frame) => bug.outgoing?.(frame, line) ?? [frame])
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Frames from one end to the other; what can't be read passes as it is, with all that follows. */
function pass(from: Socket, to: Socket, change: (frame: WireFrame) => readonly WireFrame[], malformed?: Bug['malformed'], bodyBytesMax = Infinity): void {
  const decoder = new StreamDecoder()
  let isRaw = false
  from.on('data', (chunk: Buffer) => {
    if (isRaw) {
      to.write(chunk)
      return
    }
    const out: Buffer[] = []
    decoder.push(chunk)
    try {
      for (let decoded = decoder.next(bodyBytesMax); decoded !== null; decoded = decoder.next(bodyBytesMax)) {
        if (decoded.frame === null) out.push(Buffer.from(decoded.bytes))
        else out.push(...change(decoded.frame).map(encodeFrame))
      }
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      isRaw = malformed === undefined
      out.push(malformed === undefined ? chunk : malformed(chunk))
    }
    const bytes = Buffer.concat(out)
    if (bytes.length > 0 && to.writable) to.write(bytes)
  })
  from.on('end', () => { if (to.writable) to.end() })
}
