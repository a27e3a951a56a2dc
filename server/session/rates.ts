/**
 * What a device may still send, kept beyond its sessions: whoever has used up a burst does not get another one by connecting again.
 * Nothing is kept of those who have used little, which is nearly everybody.
 */
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import { TokenBucket } from './token-bucket.js'

/** What is filled to this share counts as full. */
const FULL_SHARE = 0.9

/** The buckets of one device, each made when it is first taken from: one that is not there is full. */
export class Rates {
  readonly #config: Config['rate']
  #stanzas: TokenBucket | null
  #bytes: TokenBucket | null
  #queries: TokenBucket | null
  #ephemeral: TokenBucket | null
  #faults: TokenBucket | null

  constructor(config: Config['rate']) {
    this.#config = config
    this.#stanzas = null
    this.#bytes = null
    this.#queries = null
    this.#ephemeral = null
    this.#faults = null
  }

  get stanzas(): TokenBucket {
    return this.#stanzas ??= new TokenBucket(this.#config.messagesPerSecond, this.#config.messagesBurst)
  }

  get bytes(): TokenBucket {
    return this.#bytes ??= new TokenBucket(this.#config.bytesPerSecond, this.#config.bytesBurst)
  }

  get queries(): TokenBucket {
    return this.#queries ??= new TokenBucket(this.#config.queriesPerSecond, this.#config.queriesBurst)
  }

  /** Names that it watches and typing that it tells. [PRS-15] */
  get ephemeral(): TokenBucket {
    return this.#ephemeral ??= new TokenBucket(this.#config.ephemeralPerSecond, this.#config.ephemeralBurst)
  }

  /** The session was closed for a fault of the device. */
  fault(clock: Clock): void {
    this.#faults ??= new TokenBucket(this.#config.faultsPerMinute / 60, this.#config.faultsBurst)
    this.#faults.take(1, clock)
  }

  /** How long the device may not come back for its faults, in milliseconds. */
  faultWaitMs(clock: Clock): number {
    return this.#faults?.waitMs(clock) ?? 0
  }

  /** Whether the device sends faster than it may for long, and lives on its burst. */
  isAboveRate(clock: Clock): boolean {
    return (this.#stanzas?.isAboveRate(clock) ?? false) || (this.#bytes?.isAboveRate(clock) ?? false)
  }

  areFull(clock: Clock): boolean {
    return isFull(this.#stanzas, clock) && isFull(this.#bytes, clock) && isFull(this.#queries, clock) &&
      isFull(this.#ephemeral, clock) && isFull(this.#faults, clock)
  }
}

function isFull(bucket: TokenBucket | null, clock: Clock): boolean {
  return bucket === null || bucket.isFilledTo(FULL_SHARE, clock)
}

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

  /** For a session that sends something; the one before has ended, since a device has one. [OPN-7] */
  take(user: string, device: string): Rates {
    const key = `${user}/${device}`
    const kept = this.#kept.get(key)
    this.#kept.delete(key)
    return kept ?? new Rates(this.#config)
  }

  /** How long a device that is away may not come back for its faults, in milliseconds. */
  faultWaitMs(user: string, device: string): number {
    return this.#kept.get(`${user}/${device}`)?.faultWaitMs(this.#clock) ?? 0
  }

  /** For a session that has ended. */
  leave(user: string, device: string, rates: Rates): void {
    if (!rates.areFull(this.#clock)) this.#kept.set(`${user}/${device}`, rates)
  }

  /** Forgets those that time has filled. */
  sweep(): void {
    for (const [key, rates] of this.#kept) if (rates.areFull(this.#clock)) this.#kept.delete(key)
  }
}
