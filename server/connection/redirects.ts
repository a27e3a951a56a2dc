/**
 * Clients that are told to go to the node that owns their shard (`go-to-host`), so that what they say crosses no link. So many a second and no
 * more: when a node dies its clients come to the others all at once, and to send them all on to the same one would be the next storm. Who is
 * not sent on stays, and is served over a link. [CLS-7]
 */
import type { Clock } from '../clock.js'
import type { ListenScheme } from '../config/listen-url.js'

/** `host:port` by which clients reach a node, by scheme; a scheme that it does not take clients by is not there. */
export type ClientHosts = Readonly<Partial<Record<ListenScheme, string>>>

export interface RedirectOptions {
  /** Of the node that owns the shard of the user, who is as the client says (null: it says none that can be); null: it is this one, or not known. */
  readonly owner: (user: () => string | null) => ClientHosts | null
  /** Clients a second, and as many at once; 0: none. */
  readonly perSecond: number
  readonly clock: Pick<Clock, 'monotonicMs'>
}

export class Redirects {
  readonly #options: RedirectOptions
  #left: number
  #atMs: number

  constructor(options: RedirectOptions) {
    this.#options = options
    this.#left = options.perSecond
    this.#atMs = options.clock.monotonicMs()
  }

  /** Where a client that has come by this scheme is to go; null: it stays. */
  hostFor(scheme: ListenScheme, user: () => string | null): string | null {
    const { owner, perSecond, clock } = this.#options
    const host = perSecond === 0 ? undefined : owner(user)?.[scheme]
    if (host === undefined) return null
    const nowMs = clock.monotonicMs()
    this.#left = Math.min(perSecond, this.#left + (nowMs - this.#atMs) * perSecond / 1000)
    this.#atMs = nowMs
    if (this.#left < 1) return null
    this.#left--
    return host
  }
}
