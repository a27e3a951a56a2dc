/**
 * The giving end of a channel: which entries there are, what of them is on disk, sent and confirmed. Pure: it knows numbers and sizes;
 * the entries themselves are in the store.
 *
 *     confirmed ≤ sent ≤ stored ≤ last
 *     ──gone──▶│──in flight──▶│──on disk──▶│──in the open transaction──▶
 */
import { Fifo } from '../shard/fifo.js'
import type { ChannelLimits } from './limits.js'

/** Consecutive entries. */
export interface Stretch {
  readonly first: number
  readonly count: number
}

export class Sender {
  readonly #limits: ChannelLimits
  #last: number
  #stored: number
  #sent: number
  #confirmed: number
  /** The other end can't have more than this: what an earlier life had on disk, and what was passed on since. */
  #passedOn: number
  /** Sizes of entries that were sent and not confirmed, and of those that were not sent. */
  readonly #inFlight = new Fifo<number>()
  #unsent = new Fifo<number>()
  #bytesInFlight = 0
  #bytes = 0

  /**
   * As it is found on disk.
   * @param confirmed up to where the other is known to have taken it
   * @param sizes of the entries behind that
   */
  constructor(limits: ChannelLimits, confirmed: number, sizes: Iterable<number>) {
    this.#limits = limits
    this.#last = this.#sent = this.#confirmed = confirmed
    for (const bytes of sizes) this.give(bytes)
    this.#stored = this.#passedOn = this.#last
  }

  /** Number of the last entry. */
  get last(): number {
    return this.#last
  }

  /** Number of the last entry that was sent. */
  get sent(): number {
    return this.#sent
  }

  get confirmed(): number {
    return this.#confirmed
  }

  /** Of entries that are not confirmed. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether what adds to the channel should wait until the other end has taken more of it. */
  get isFull(): boolean {
    return this.#last - this.#confirmed >= this.#limits.entriesMax || this.#bytes >= this.#limits.bytesMax
  }

  /** Takes another entry; returns its number. It may be sent when it is on disk. */
  give(bytes: number): number {
    this.#unsent.push(bytes)
    this.#bytes += bytes
    return ++this.#last
  }

  /** Entries up to this one are on disk. */
  stored(number: number): void {
    this.#stored = number
  }

  /** What may be sent now, and counts as sent from now on; null: nothing. */
  next(): Stretch | null {
    const first = this.#sent + 1
    while (this.#sent < this.#stored && this.#hasRoom()) this.#send()
    return this.#sent < first ? null : { first, count: this.#sent - first + 1 }
  }

  #send(): void {
    const bytes = this.#unsent.shift() ?? 0
    this.#inFlight.push(bytes)
    this.#bytesInFlight += bytes
    this.#sent++
  }

  #hasRoom(): boolean {
    const { windowEntries, windowBytes } = this.#limits
    if (this.#inFlight.length === 0) return true
    return this.#inFlight.length < windowEntries && this.#bytesInFlight + (this.#unsent.peek() ?? 0) <= windowBytes
  }

  /** Entries up to this one are on their way: somebody took them, to pass them on. */
  passedOn(number: number): void {
    this.#passedOn = Math.max(this.#passedOn, number)
  }

  /**
   * The other end has everything up to here on disk. An older confirmation that comes late says nothing new. false: it claims what it
   * never got from here, so that one of the two has lost its memory.
   */
  confirm(cursor: number): boolean {
    if (cursor > this.#passedOn) return false
    // What was sent before a crash, or is about to be sent again.
    while (this.#sent < cursor) this.#send()
    while (this.#confirmed < cursor) {
      const bytes = this.#inFlight.shift() ?? 0
      this.#bytesInFlight -= bytes
      this.#bytes -= bytes
      this.#confirmed++
    }
    return true
  }

  /** What is not confirmed is sent again: it may have been lost. */
  again(): void {
    const unsent = new Fifo<number>()
    for (const sizes of [this.#inFlight, this.#unsent]) {
      for (let bytes = sizes.shift(); bytes !== undefined; bytes = sizes.shift()) unsent.push(bytes)
    }
    this.#unsent = unsent
    this.#bytesInFlight = 0
    this.#sent = this.#confirmed
  }
}
