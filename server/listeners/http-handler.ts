/** What a web listener serves beside WebSockets, as far as it knows. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Of a request that came through another process: the address of the client there. */
export const kClientAddress = Symbol('clientAddress')

/** IP address of who asks, as text. */
export function clientAddress(request: IncomingMessage & { readonly [kClientAddress]?: string }): string {
  return request[kClientAddress] ?? request.socket.remoteAddress ?? ''
}

export interface HttpHandler {
  /** How long a connection may wait for its next request, in milliseconds. */
  readonly keepAliveMs: number
  /** Whether a request for this target, as it stands in the request line, is the handler's; the rest gets the listener's page. */
  takes(target: string): boolean
  /**
   * Answers, now or later; never throws. Bodies are the handler's to read, or to leave, and to end when nothing comes. Where the client
   * expects 100-continue the handler says so when it is going to read. `isOriginAllowed`: pages of the request's origin may read the
   * answer; false too where there is no origin.
   */
  handle(request: IncomingMessage, response: ServerResponse, isOriginAllowed: boolean): void
}
