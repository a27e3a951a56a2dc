/**
 * What a device may still send, kept beyond its sessions: whoever has used up a burst does not get another one by connecting again.
 * Nothing is kept of those who have used little, which is nearly everybody.
 */
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import { TokenBucket } from './token-bucket.js'

/** The buckets of one device. */
export interface Rates {
  readonly stanzas: TokenBucket
  readonly bytes: TokenBucket
  readonly queries: TokenBucket
}

/** What is filled to this share counts as full. */
const FULL_SHARE = 0.9

export class DeviceRates {
  readonly #config: Config['rate']
  readonly #clock: Clock
  /** Of devices that are away, by user and device. */
  readonly #kept = new Map<string, Rates>()

  constructor(config: Config['rate'], clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  /** Devices that are remembered now. */
  get size(): number {
    return this.#kept.size
  }

  /** For a session that begins; the one before has ended, since a device has one. [OPN-7] */
  take(user: string, device: string): Rates {
    const key = `${user}/${device}`
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      return kept
    }
    const rate = this.#config
    return {
      stanzas: new TokenBucket(rate.messagesPerSecond, rate.messagesBurst),
      bytes: new TokenBucket(rate.bytesPerSecond, rate.bytesBurst),
      queries: new TokenBucket(rate.queriesPerSecond, rate.queriesBurst),
    }
  }

  /** For a session that has ended. */
  leave(user: string, device: string, rates: Rates): void {
    if (!this.#areFull(rates)) this.#kept.set(`${user}/${device}`, rates)
  }

  /** Forgets those that time has filled. */
  sweep(): void {
    for (const [key, rates] of this.#kept) if (this.#areFull(rates)) this.#kept.delete(key)
  }

  #areFull({ stanzas, bytes, queries }: Rates): boolean {
    return stanzas.isFilledTo(FULL_SHARE, this.#clock) && bytes.isFilledTo(FULL_SHARE, this.#clock) && queries.isFilledTo(FULL_SHARE, this.#clock)
  }
}

/** Of a session that is not open yet: no limit, since nothing is taken. */
export const NO_RATES: Rates = { stanzas: new TokenBucket(0, 1), bytes: new TokenBucket(0, 1), queries: new TokenBucket(0, 1) }
