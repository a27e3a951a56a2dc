/** What all listeners have in common. */
import type { Server, Socket } from 'node:net'
import type { Clock } from '../clock.js'
import type { ListenUrl } from '../config/listen-url.js'
import type { Admission } from '../connection/admission.js'
import type { Log } from '../log.js'
import { RepeatedLines } from '../repeated-lines.js'
import type { ConnectionTaker } from './connection-taker.js'
import { listenOn } from './listening.js'
import type { TlsFiles } from './tls-files.js'
import type { Accept } from './transport.js'

export interface Listener {
  /** With the real port: `tcp://127.0.0.1:5322`. */
  readonly url: string
  /** Takes renewed certificates for connections from now on; does nothing without TLS. */
  renewTls(files: TlsFiles): void
  /** Accepts no more; connections that are there live on. */
  stop(): void
}

export interface ListenerOptions {
  readonly url: ListenUrl
  readonly accept: Accept
  readonly admission: Admission
  readonly clock: Clock
  readonly log: Log
  readonly backlog: number
  readonly openTimeoutMs: number
  /** Largest WebSocket message. */
  readonly messageBytesMax: number
  /** Web origins that may open a WebSocket beside the server's own host. */
  readonly origins: readonly string[]
  /** What ws:// and wss:// serve beside WebSockets; null: nothing. */
  readonly taker: ConnectionTaker | null
  /** Certificate and key; null for listeners without TLS. */
  readonly tls: TlsFiles | null
}

/** Listens; rejects with the error of `listen` (EADDRINUSE, EACCES, EADDRNOTAVAIL…). Resolves to the real port. */
export async function listen(server: Server, options: ListenerOptions): Promise<number> {
  const { url, backlog } = options
  const lines = new RepeatedLines(options.log, () => options.clock.monotonicMs())
  await listenOn(server, { host: url.host, port: url.port, backlog }, (error) => {
    lines.warn({ error, url: `${url.scheme}://${url.host}` }, 'accept-failed')
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : url.port
}

const kAcceptedMs = Symbol('acceptedMs')
const kAdmission = Symbol('admission')
const kAddress = Symbol('address')
type OwnSocket = Socket & { [kAcceptedMs]?: number, [kAdmission]?: Admission, [kAddress]?: string }

/**
 * Counts a raw socket from the moment it is accepted, so that TLS handshakes and HTTP requests count too. False: there are far too
 * many, and the socket has been destroyed without a word; a word costs more than it is worth then.
 */
export function enter(socket: Socket, options: ListenerOptions): boolean {
  const own: OwnSocket = socket
  const address = socket.remoteAddress ?? ''
  own[kAcceptedMs] = options.clock.monotonicMs()
  if (!options.admission.enter(address)) {
    socket.destroy()
    return false
  }
  own[kAdmission] = options.admission
  own[kAddress] = address
  socket.on('close', onSocketClose)
  return true
}

/** When `enter` saw the socket; for a TLS socket, whose raw socket it saw, now: the handshake has a timeout of its own. */
export function acceptedMs(socket: Socket, clock: Clock): number {
  return (socket as OwnSocket)[kAcceptedMs] ?? clock.monotonicMs()
}

/** The socket goes where its close is not seen: it counts until the function that is returned is called. */
export function keepCounted(socket: Socket): () => void {
  const { [kAdmission]: admission, [kAddress]: address = '' }: OwnSocket = socket
  socket.off('close', onSocketClose)
  return () => { admission?.leave(address) }
}

/** A socket that stands for one that is counted already: `leave` is called when it closes. */
export function countAsBefore(socket: Socket, leave: () => void): void {
  if (socket.closed) leave()
  else socket.once('close', leave)
}

function onSocketClose(this: OwnSocket): void {
  this[kAdmission]?.leave(this[kAddress] ?? '')
}
