/** Connects to a server as a client does: TCP, TLS, WebSocket. */
import type { EventEmitter } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { registry } from '../spec/registry.js'
import { hearSocket, hearWebSocket, socketPipe, webSocketPipe } from './pipe.js'
import type { Pipe, PipeHandlers } from './pipe.js'

export type Scheme = 'tcp' | 'tls' | 'ws' | 'wss'

/** Where a server is. */
export interface Target {
  readonly scheme: Scheme
  readonly host: string
  readonly port: number
  readonly path: string
  /** PEM of the certificate to trust; '': those of the system. */
  readonly ca: string
}

/** How a connection is made otherwise than a client makes it. */
export interface DialTwist {
  /** Offered in ALPN in the place of `chatd/1`; none: no ALPN. Over `tls://` alone. */
  readonly alpn?: readonly string[]
  /** The newest version of TLS that is offered. */
  readonly tlsMax?: 'TLSv1.2' | 'TLSv1.3'
  /** Offered subprotocols of a WebSocket. */
  readonly subprotocols?: readonly string[]
  /** Offers permessage-deflate. */
  readonly deflate?: boolean
}

export interface Dialled {
  readonly pipe: Pipe
  /** What was negotiated, for cases to look at. */
  readonly facts: Readonly<Record<string, string>>
  /** The exporter of RFC 9266; null where there is none. */
  readonly channelBinding: Buffer | null
}

/** Throws a TypeError for what is no address of a server. */
export function readTarget(text: string, ca: string): Target {
  const match = /^(tcp|tls|ws|wss):\/\/(\[[0-9a-f:.]+\]|[^/:?#]+)(?::([0-9]+))?(\/[^?#]*)?$/i.exec(text)
  if (match === null) throw new TypeError(`${text} is no address of a server: tcp://HOST:PORT, tls://, ws:// or wss://`)
  const [, name = '', host = '', port, path = '/'] = match
  const scheme = name.toLowerCase() as Scheme
  return { scheme, host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port ?? registry.ports[scheme]), path, ca }
}

/** Resolves when the transport is there, rejects with the reason where it does not come to be. Whoever hears gets no byte before. */
export async function dial(target: Target, twist: DialTwist, handlers: PipeHandlers): Promise<Dialled> {
  return target.scheme === 'ws' || target.scheme === 'wss' ? dialWebSocket(target, twist, handlers) : dialSocket(target, twist, handlers)
}

async function dialSocket(target: Target, twist: DialTwist, handlers: PipeHandlers): Promise<Dialled> {
  const { host, port, ca, scheme } = target
  const isTls = scheme === 'tls'
  const socket = isTls
    ? connectTls({
      host, port, ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }), ...(ca === '' ? {} : { ca }),
      ...(twist.alpn?.length === 0 ? {} : { ALPNProtocols: [...(twist.alpn ?? [registry.alpn])] }), maxVersion: twist.tlsMax ?? 'TLSv1.3',
    })
    : connectTcp({ host, port, allowHalfOpen: true, noDelay: true })
  await settled(socket, isTls ? 'secureConnect' : 'connect')
  if (isTls) socket.setNoDelay(true)
  hearSocket(socket, handlers)
  return { pipe: socketPipe(socket), ...tlsFacts(isTls ? socket as TLSSocket : null) }
}

function tlsFacts(socket: TLSSocket | null): Pick<Dialled, 'facts' | 'channelBinding'> {
  if (socket === null) return { facts: {}, channelBinding: null }
  const channelBinding = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  return { facts: { tls: socket.getProtocol() ?? '', alpn: socket.alpnProtocol === false || socket.alpnProtocol === null ? '' : socket.alpnProtocol }, channelBinding }
}

async function dialWebSocket(target: Target, twist: DialTwist, handlers: PipeHandlers): Promise<Dialled> {
  const { scheme, host, port, path, ca } = target
  const place = host.includes(':') ? `[${host}]` : host
  const socket = new WebSocket(`${scheme}://${place}:${String(port)}${path}`, [...(twist.subprotocols ?? [registry.subprotocol])], {
    perMessageDeflate: twist.deflate === true, ...(ca === '' ? {} : { ca }), maxVersion: twist.tlsMax ?? 'TLSv1.3',
    maxPayload: 1 << 20, handshakeTimeout: 10_000,
  })
  // The first messages may come with the answer to the upgrade.
  hearWebSocket(socket, handlers)
  let extensions = ''
  let raw: Socket | null = null
  socket.on('upgrade', (response) => {
    extensions = response.headers['sec-websocket-extensions'] ?? ''
    raw = response.socket
  })
  await settled(socket, 'open')
  const { facts, channelBinding } = tlsFacts(scheme === 'wss' ? raw : null)
  return { pipe: webSocketPipe(socket), facts: { ...facts, subprotocol: socket.protocol, extensions }, channelBinding }
}

function settled(emitter: EventEmitter, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    emitter.once(event, () => {
      emitter.off('error', reject)
      resolve()
    })
    emitter.once('error', reject)
  })
}
