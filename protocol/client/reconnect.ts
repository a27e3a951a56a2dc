/** When to connect again, and where to. */
import { backOffMs } from '../back-off.js'
import { LIMIT } from '../generated/registry.js'
import { redirectTo } from './server-url.js'
import type { ServerAddress } from './server-url.js'

/** Go-to-host in a row. [CLS-7] */
export const REDIRECTS_MAX = 3
/** A session that lasted this long forgives the faults before it. */
const FAULT_MEMORY_MS = LIMIT.reconnectCapMs

export class Reconnect {
  readonly #servers: readonly ServerAddress[]
  /** Which of them. */
  #at = 0
  #attempt = 0
  /** Times in a row that the peer broke the protocol, sessions or not: welcome alone does not start over then. */
  #faults = 0
  /** Infinity while no session is open. */
  #openedMs = Infinity
  /** How many in a row led to `#redirect`. */
  #redirects = 0
  #redirect: ServerAddress | null = null

  /**
   * @param servers one or more addresses of the same service, such as the nodes of a cluster: each is tried in turn, the first one first [RCN-5]
   * @param random gives numbers from 0 up to, not including, 1
   */
  constructor(servers: readonly ServerAddress[], random: () => number) {
    this.#servers = inOwnOrder(servers, random)
  }

  /** Where to connect next. */
  get address(): ServerAddress {
    return this.#redirect ?? this.#server
  }

  get #server(): ServerAddress {
    return this.#servers[this.#at]!
  }

  /** Welcome: the count of attempts starts over. [RCN-2] */
  opened(nowMs: number): void {
    this.#attempt = this.#faults
    this.#openedMs = nowMs
    this.#redirects = 0
  }

  /** The peer broke the protocol: more and more slowly if it goes on. */
  faulted(nowMs: number): void {
    this.#forgive(nowMs)
    this.#openedMs = Infinity
    this.#faults++
    this.#attempt = Math.max(this.#attempt, this.#faults)
  }

  /**
   * The next attempt goes to this `host:port` over the same transport, if it makes sense; null, or too many in a row: to the server. That ends
   * the row: a host that was down for a while must be gone to again. The back-off limits how often. [CLS-7]
   */
  redirect(host: string | null): void {
    this.#redirect = host !== null && this.#redirects < REDIRECTS_MAX ? redirectTo(this.#server, host) : null
    this.#redirects = this.#redirect === null ? 0 : this.#redirects + 1
  }

  /** The connection is gone; returns how long to wait. `random`: from 0 up to, not including, 1. [RCN-1] [RCN-3] */
  lost(nowMs: number, retryAfterMs: number, random: number): number {
    this.#forgive(nowMs)
    this.#openedMs = Infinity
    if (this.#redirect === null) this.#at = (this.#at + 1) % this.#servers.length
    return backOffMs(this.#attempt++, retryAfterMs, random)
  }

  #forgive(nowMs: number): void {
    if (nowMs - this.#openedMs <= FAULT_MEMORY_MS) return
    this.#faults = 0
    this.#attempt = 0
  }
}

/** The first one, and the others as they are drawn: all clients of one that dies would else go on to the same. */
export function inOwnOrder(servers: readonly ServerAddress[], random: () => number): ServerAddress[] {
  const order = [...servers]
  for (let at = order.length - 1; at > 1; at--) {
    const other = 1 + Math.floor(random() * at)
    ;[order[at], order[other]] = [order[other]!, order[at]!]
  }
  return order
}
