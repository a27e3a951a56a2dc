/** Which web pages may use the server. */
import type { IncomingMessage } from 'node:http'

/** Programs send no Origin. A page may connect to its own host, on any port, and from where the operator says so. */
export function isOriginAllowed(request: IncomingMessage, origins: readonly string[]): boolean {
  const origin = request.headers.origin
  if (origin === undefined || origins.includes('*') || origins.includes(origin)) return true
  try {
    return new URL(origin).hostname === new URL(`http://${request.headers.host ?? ''}`).hostname
  } catch {
    return false
  }
}
