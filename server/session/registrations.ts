/**
 * Who may register: what this server offers, and how often one network address, and all of them together, may make use of it. Every
 * attempt of an address counts; of all together those that made an account, so that nobody can use up what others need with wrong
 * codes.
 */
import { normalizeUser } from '../../protocol/address.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { encodeRegistrationOffer, type RegistrationOffer } from '../../protocol/registration.js'
import type { Clock } from '../clock.js'
import { isLoopback } from '../config/listen-url.js'
import type { Config } from '../config/settings.js'
import { networkOf } from '../connection/admission.js'
import { TokenBucket } from './token-bucket.js'

const HOUR_SECONDS = 3600
/**
 * Addresses remembered at once. Beyond it the one that came first is forgotten: refusing newcomers would shut out everybody for whoever
 * has many networks, and what such a one gains here it has anyway.
 */
const ADDRESSES_MAX = 100_000
const FULL = 1

export class Registrations {
  readonly #config: Config
  readonly #clock: Clock
  readonly #byAddress = new Map<string, TokenBucket>()
  readonly #all: TokenBucket
  /** Names that nobody can register, in their normal form. */
  readonly keptBack: ReadonlySet<string>
  /** null: none. */
  readonly offer: RegistrationOffer | null
  /** For features. */
  readonly offerBytes: Uint8Array

  constructor(config: Config, clock: Clock) {
    this.#config = config
    this.#clock = clock
    const { registration, registrationsPerHour, reservedNames, scramIterations } = config.auth
    this.keptBack = new Set(reservedNames.map((name) => normalizeUser(name) ?? name))
    this.#all = new TokenBucket(registrationsPerHour / HOUR_SECONDS, Math.max(1, registrationsPerHour))
    this.offer = registration === 'closed' ? null : { mode: registration === 'open' ? 'open' : 'invite', iterations: scramIterations }
    this.offerBytes = this.offer === null ? EMPTY_BYTES : encodeRegistrationOffer(this.offer)
  }

  /** Network addresses that are remembered now. */
  get addresses(): number {
    return this.#byAddress.size
  }

  /** Counts an attempt of this address; returns how many milliseconds it has to wait, 0: it may try. [INV-11] */
  attempt(address: string): number {
    const network = networkOf(address)
    const { registrationsBurst, registrationRefillMs } = this.#config.auth
    if (!(this.#config.limits.exemptLoopback && isLoopback(network))) {
      let bucket = this.#byAddress.get(network)
      if (bucket === undefined) {
        const oldest = this.#byAddress.keys().next()
        if (this.#byAddress.size >= ADDRESSES_MAX && oldest.done !== true) this.#byAddress.delete(oldest.value)
        bucket = new TokenBucket(1000 / registrationRefillMs, registrationsBurst)
        this.#byAddress.set(network, bucket)
      }
      const waitMs = bucket.tryTake(1, this.#clock)
      if (waitMs > 0) return waitMs
    }
    return this.#all.tryTake(1, this.#clock)
  }

  /** The attempt has made no account: it takes nothing of what all share. */
  failed(): void {
    this.#all.giveBack(1)
  }

  /** Forgets addresses that may do again all they ever might; to be called now and then. */
  sweep(): void {
    for (const [network, bucket] of this.#byAddress) if (bucket.isFilledTo(FULL, this.#clock)) this.#byAddress.delete(network)
  }
}
