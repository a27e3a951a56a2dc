/** Links over real sockets: where they are taken, and how they are dialled. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { listenOn, listenPrivately } from '../listeners/listening.js'
import { SocketTransport } from '../listeners/socket-transport.js'
import type { Accept, Transport } from '../listeners/transport.js'
import { formatLinkAddress, type LinkAddress } from './link-address.js'
import { LINK_CLOSE } from './link-frames.js'
import { LinkError } from './open-link.js'

/** In PEM form. Both ends show a certificate that `ca` has signed; what is in it besides is not looked at: the secret says who is who. */
export interface LinkTls {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** What one read may bring and what may be buffered before `write` returns false, in bytes. */
const SOCKET_BUFFER_BYTES = 262_144
const BACKLOG = 64

export interface LinkListener {
  /** With the real port. */
  readonly address: string
  /** For links from now on. */
  renewTls(tls: LinkTls): void
  /** Accepts no more; links that are there live on. */
  stop(): void
}

function tlsOptions({ cert, key, ca }: LinkTls): SecureContextOptions {
  return { cert, key, ca, minVersion: 'TLSv1.3' }
}

/** Takes links at an address. Rejects with the error of `listen`. A Unix socket is for the process's own user alone; one that is there is taken away. */
export async function openLinkListener(address: LinkAddress, tls: LinkTls | null, accept: Accept): Promise<LinkListener> {
  const options = { noDelay: true, highWaterMark: SOCKET_BUFFER_BYTES }
  let server: Server
  let renew: (tls: LinkTls) => void = () => {}
  if (address.kind === 'tls') {
    if (tls === null) throw new TypeError('links over TLS need certificate, key and CA')
    const tlsServer = createTlsServer({ ...tlsOptions(tls), ...options, requestCert: true, rejectUnauthorized: true })
    tlsServer.on('secureConnection', (socket: TLSSocket) => accept(new SocketTransport(socket, 'tls', 0)))
    tlsServer.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy())
    renew = (renewed) => tlsServer.setSecureContext(tlsOptions(renewed))
    server = tlsServer
  } else {
    server = createServer(options, (socket: Socket) => accept(new SocketTransport(socket, 'tcp', 0)))
  }
  await listen(server, address)
  const bound = server.address()
  const real = address.kind !== 'unix' && typeof bound === 'object' && bound !== null ? { ...address, port: bound.port } : address
  return { address: formatLinkAddress(real), renewTls: renew, stop: () => { server.close() } }
}

async function listen(server: Server, address: LinkAddress): Promise<void> {
  if (address.kind === 'unix') return listenPrivately(server, address.path, BACKLOG)
  // A worker process takes its links itself: they are not for whichever is next.
  await listenOn(server, { host: address.host, port: address.port, backlog: BACKLOG, exclusive: true })
}

/** Connects. Resolves with a transport to be started in the same turn; rejects with LinkError unreachable. */
export function dialLink(address: LinkAddress, tls: LinkTls | null, timeoutMs: number): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = open(address, tls)
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), timeoutMs)
    const failed = (cause?: Error): void => {
      clearTimeout(timer)
      reject(new LinkError(LINK_CLOSE.unreachable, { cause }))
    }
    socket.on('error', failed)
    socket.once('close', () => failed())
    socket.once(address.kind === 'tls' ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      // The transport has listeners of its own, and this one is no more than an ear.
      resolve(new SocketTransport(socket, address.kind === 'tls' ? 'tls' : 'tcp', 0))
    })
  })
}

function open(address: LinkAddress, tls: LinkTls | null): Socket {
  // Options of the stream are passed on, though their types don't say so.
  const stream = { highWaterMark: SOCKET_BUFFER_BYTES }
  if (address.kind === 'unix') return connect({ path: address.path, ...stream })
  if (address.kind === 'tcp') return connect({ host: address.host, port: address.port, noDelay: true, ...stream })
  if (tls === null) throw new TypeError('links over TLS need certificate, key and CA')
  // Whoever has a certificate of the cluster's CA may be an end of the TLS session; the proof behind it is bound to that session.
  return connectTls({ ...tlsOptions(tls), host: address.host, port: address.port, checkServerIdentity: () => undefined })
}
