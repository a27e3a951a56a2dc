/** Listener URLs: `tcp://`, `tls://`, `ws://`, `wss://` for clients, `http://` for the admin listener. */
import { isIP } from 'node:net'

export type ListenScheme = 'tcp' | 'tls' | 'ws' | 'wss'

export interface ListenUrl {
  readonly scheme: ListenScheme
  /** As `net.Server.listen` takes it: IPv6 without brackets. */
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly encrypted: boolean
}

const DEFAULT_PORT: Readonly<Record<string, number>> = { tcp: 5322, tls: 5323, ws: 5380, wss: 5381, http: 5390 }

/** Reads a listener URL; null where it is none: wrong scheme, no host, a path, credentials, a port out of range. */
export function parseListenUrl(text: string): ListenUrl | null {
  const parts = parse(text)
  if (parts === null || !(parts.scheme === 'tcp' || parts.scheme === 'tls' || parts.scheme === 'ws' || parts.scheme === 'wss')) return null
  return { scheme: parts.scheme, host: parts.host, port: parts.port, encrypted: parts.scheme === 'tls' || parts.scheme === 'wss' }
}

/** Reads the admin listener's `http://HOST:PORT`; null where it is none. */
export function parseAdminUrl(text: string): { readonly host: string, readonly port: number } | null {
  const parts = parse(text)
  return parts?.scheme === 'http' ? { host: parts.host, port: parts.port } : null
}

/** An origin as an operator writes it: scheme http or https, host, port; without a slash at the end. Null: it is none. */
export function parseOrigin(text: string): string | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const isOrigin = /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.pathname === '/' && url.search === '' && url.hash === ''
  return isOrigin ? url.origin : null
}

/** Spells a URL with its real port, IPv6 in brackets. */
export function formatUrl(scheme: string, host: string, port: number): string {
  return `${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${String(port)}`
}

/** Whether only this machine reaches the host. A name other than localhost may resolve to anything and is not loopback. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return host.startsWith('127.') && isIP(host) === 4
}

// The port is written by hand rather than taken from URL: URL drops default ports (ws 80), and treats tcp: and ws: differently.
const SHAPE = /^([a-z]+):\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?\/?$/

function parse(text: string): { scheme: string, host: string, port: number } | null {
  const match = SHAPE.exec(text)
  if (match === null) return null
  const [, scheme = '', bracketed = '', digits] = match
  const host = bracketed.startsWith('[') ? bracketed.slice(1, -1) : bracketed
  if (bracketed.startsWith('[') && isIP(host) !== 6) return null
  const port = digits === undefined ? DEFAULT_PORT[scheme] ?? -1 : Number(digits)
  return port < 0 || port > 65_535 ? null : { scheme, host, port }
}
