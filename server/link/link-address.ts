/**
 * Where links are taken: `unix:/run/chatd/link`, `tcp://127.0.0.1:5340`, `tls://10.0.0.5:5340`. Plain TCP proves who is there, and hides
 * nothing: it is for loopback, and for networks of which the operator says in so many words that nobody reads or changes what passes.
 */
import { formatUrl, isLoopback, parseListenUrl } from '../config/listen-url.js'

export type LinkAddress =
  | { readonly kind: 'unix', readonly path: string }
  | { readonly kind: 'tcp' | 'tls', readonly host: string, readonly port: number }

/** null: no address of a link. */
export function parseLinkAddress(text: string): LinkAddress | null {
  if (text.startsWith('unix:')) return text.length > 5 ? { kind: 'unix', path: text.slice(5) } : null
  const url = parseListenUrl(text)
  if (url === null || (url.scheme !== 'tcp' && url.scheme !== 'tls')) return null
  return { kind: url.scheme, host: url.host, port: url.port }
}

export function formatLinkAddress(address: LinkAddress): string {
  return address.kind === 'unix' ? `unix:${address.path}` : formatUrl(address.kind, address.host, address.port)
}

/** Whether what passes can be read or changed by others: plain TCP beyond loopback. */
export function isExposed(address: LinkAddress): boolean {
  return address.kind === 'tcp' && !isLoopback(address.host)
}
