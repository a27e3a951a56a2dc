/**
 * Who may connect, and who may try another password: counts by network address, and in all. A network address is an IPv4 address or
 * an IPv6 /64, which is what one customer of a provider has.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Clock } from '../clock.js'
import { isLoopback } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'

interface AddressState {
  /** Sockets, from accept to close. */
  sockets: number
  /** Connections that have not authenticated yet. */
  opening: number
  /** Failed authentications, leaking away with time. */
  failures: number
  failuresAtMs: number
}

/** Beyond the limits a connection is told so; beyond the limits and this many more it is dropped without a word. */
const TOLD_MAX = 64

export type Verdict = 0 | typeof ERROR.overloaded | typeof ERROR.tooManyConnections

export class Admission {
  readonly #limits: Config['limits']
  readonly #failuresBurst: number
  readonly #failureRefillMs: number
  readonly #clock: Clock
  readonly #addresses = new Map<string, AddressState>()
  #sockets = 0

  constructor(config: Config, clock: Clock) {
    this.#limits = config.limits
    this.#failuresBurst = config.auth.failuresBurst
    this.#failureRefillMs = config.auth.failureRefillMs
    this.#clock = clock
  }

  /** Network addresses that are remembered now. */
  get addresses(): number {
    return this.#addresses.size
  }

  /** A socket was accepted. False: drop it at once and do not call `leave`. */
  enter(address: string): boolean {
    const state = this.#state(address)
    const isCounted = this.#isCounted(address)
    if (this.#sockets >= this.#limits.connectionsMax + TOLD_MAX
      || (isCounted && state.sockets >= this.#limits.connectionsByAddressMax + TOLD_MAX)) {
      this.#forget(address, state)
      return false
    }
    this.#sockets++
    state.sockets++
    return true
  }

  /** A socket that `enter` let in is closed. */
  leave(address: string): void {
    const state = this.#state(address)
    this.#sockets--
    state.sockets--
    this.#forget(address, state)
  }

  /** A connection begins to open; 0, or what to close it with. `endOpening` has to follow only after 0. */
  beginOpening(address: string): Verdict {
    const state = this.#state(address)
    if (this.#sockets > this.#limits.connectionsMax) return ERROR.overloaded
    if (this.#isCounted(address)
      && (state.sockets > this.#limits.connectionsByAddressMax || state.opening >= this.#limits.openingByAddressMax)) {
      return ERROR.tooManyConnections
    }
    state.opening++
    return 0
  }

  /** The connection has authenticated, or is gone. */
  endOpening(address: string): void {
    const state = this.#state(address)
    state.opening--
    this.#forget(address, state)
  }

  /** How long this address has to wait before it may authenticate; 0: not at all. In milliseconds. */
  authenticationWaitMs(address: string): number {
    const state = this.#addresses.get(networkOf(address))
    if (state === undefined) return 0
    this.#leak(state)
    const excess = state.failures - (this.#failuresBurst - 1)
    return excess > 0 ? Math.ceil(excess * this.#failureRefillMs) : 0
  }

  /** An authentication of this address failed. Loopback counts too: guessing through a local proxy is guessing. */
  authenticationFailed(address: string): void {
    const state = this.#state(address)
    this.#leak(state)
    state.failures++
  }

  /** Forgets addresses of which nothing is left to remember; to be called now and then. */
  sweep(): void {
    for (const [network, state] of this.#addresses) {
      this.#leak(state)
      if (isEmpty(state)) this.#addresses.delete(network)
    }
  }

  #isCounted(address: string): boolean {
    return !(this.#limits.exemptLoopback && isLoopback(networkOf(address)))
  }

  #leak(state: AddressState): void {
    const now = this.#clock.monotonicMs()
    state.failures = Math.max(0, state.failures - (now - state.failuresAtMs) / this.#failureRefillMs)
    state.failuresAtMs = now
  }

  #state(address: string): AddressState {
    const network = networkOf(address)
    let state = this.#addresses.get(network)
    if (state === undefined) {
      state = { sockets: 0, opening: 0, failures: 0, failuresAtMs: this.#clock.monotonicMs() }
      this.#addresses.set(network, state)
    }
    return state
  }

  #forget(address: string, state: AddressState): void {
    if (isEmpty(state)) this.#addresses.delete(networkOf(address))
  }
}

function isEmpty(state: AddressState): boolean {
  return state.sockets === 0 && state.opening === 0 && state.failures === 0
}

/** `::ffff:192.0.2.1` → `192.0.2.1`; `2001:db8:1:2:3::4` → `2001:db8:1:2::/64`; `::1` and IPv4 stay. */
export function networkOf(address: string): string {
  // Nearly all: looking for a colon costs less than knowing an IPv4 address by its pattern.
  if (!address.includes(':') || address === '::1' || !isIPv6(address)) return address
  if (address.startsWith('::ffff:') && isIPv4(address.slice(7))) return address.slice(7)
  const [head = '', tail] = address.split('%', 1)[0]!.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0)
    while (groups.length < 8 - after) groups.push('0')
  }
  return `${groups.slice(0, 4).join(':')}::/64`
}
