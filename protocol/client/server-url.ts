/** Where a server is: the URL a person writes, and the host that a server sends its clients to. */
import { PORTS } from '../generated/registry.js'

export type Scheme = 'tcp' | 'tls' | 'ws' | 'wss'

export interface ServerAddress {
  readonly scheme: Scheme
  /** A name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
  /** Of a WebSocket: begins with a slash. */
  readonly path: string
}

const URL_FORM = /^(tcp|tls|ws|wss):\/\/([^/?#@]+)(\/[^#]*)?$/i
/** 127.0.0.0/8 in full: a name that only begins like it may lead anywhere. */
const LOOPBACK_FORM = /^127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/
/** What would be a user, a path or an escape in a URL is no part of a name. */
const HOST_FORM = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s/?#@%\\]+))(?::([0-9]{1,5}))?$/i

/** Reads `tcp://host:port` and its like; the port may be left out. Throws a TypeError that says what is wrong: a mistake of the program. */
export function parseServerUrl(url: string): ServerAddress {
  const match = URL_FORM.exec(url)
  if (match === null) throw new TypeError(`not a server URL like tls://chat.example:5323 (tcp, tls, ws or wss): ${url}`)
  const scheme = (match[1] ?? '').toLowerCase() as Scheme
  const host = parseHost(match[2] ?? '', PORTS[scheme])
  if (host === null) throw new TypeError(`not a host and port: ${match[2] ?? ''}`)
  return { scheme, ...host, path: match[3] ?? '/' }
}

/** One or several of the same service. Throws a TypeError as parseServerUrl does, or where there is none. */
export function parseServers(server: string | readonly string[]): ServerAddress[] {
  const servers = (typeof server === 'string' ? [server] : server).map(parseServerUrl)
  if (servers.length === 0) throw new TypeError('no server is named')
  return servers
}

/** The address with the `host:port` of a go-to-host; scheme and path stay, so that encryption is never lost. Null if it makes no sense. [CLS-7] */
export function redirectTo(address: ServerAddress, host: string): ServerAddress | null {
  const parsed = parseHost(host, address.port)
  return parsed === null ? null : { ...address, ...parsed }
}

/** Whether frames go as they are, without TLS, through something that others may listen to: all but loopback. [TOK-8] */
export function isExposed({ scheme, host }: ServerAddress): boolean {
  if (scheme === 'tls' || scheme === 'wss') return false
  return host.toLowerCase() !== 'localhost' && host !== '::1' && !LOOPBACK_FORM.test(host)
}

/** `host:port` as people write it. */
export function formatHost(address: ServerAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The URL of it, but for the path. */
export function formatServer(address: ServerAddress): string {
  return `${address.scheme}://${formatHost(address)}`
}

function parseHost(text: string, defaultPort: number): { host: string; port: number } | null {
  const match = HOST_FORM.exec(text)
  if (match === null) return null
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  if (port < 1 || port > 65535) return null
  return { host: match[1] ?? match[2] ?? '', port }
}
