/**
 * The giving end of a channel: which entries there are, what of them is on disk, sent and confirmed. Pure: it knows numbers and sizes;
 * the entries themselves are in the store, but for those that were written only just now. They are sent by whole rows.
 *
 *     confirmed ≤ sent ≤ stored ≤ last
 *     ──gone──▶│──in flight──▶│──on disk──▶│──in the open transaction──▶
 */
import { Fifo } from '../shard/fifo.js'
import type { ChannelLimits } from './limits.js'

/** Consecutive entries that stand in one row of the store. */
export class StoredRow {
  /** Number of the last one. */
  readonly last: number
  readonly count: number
  readonly bytes: number
  /** Packed; null: they have to be read from the store. */
  entries: Uint8Array | null

  constructor(last: number, count: number, bytes: number, entries: Uint8Array | null) {
    this.last = last
    this.count = count
    this.bytes = bytes
    this.entries = entries
  }

  get first(): number {
    return this.last - this.count + 1
  }
}

export class Sender {
  readonly #limits: ChannelLimits
  #last: number
  #sent: number
  #confirmed: number
  /** The other end can't have more than this: what an earlier life had on disk, and what was passed on since. */
  #passedOn: number
  /** Rows that were sent and not confirmed to their ends, and those that were not sent. */
  readonly #inFlight = new Fifo<StoredRow>()
  #unsent = new Fifo<StoredRow>()
  #entriesInFlight = 0
  #bytesInFlight = 0
  #bytesUnsent = 0
  #bytes = 0

  /**
   * As it is found on disk.
   * @param confirmed up to where the other is known to have taken it
   * @param rows with entries behind that
   */
  constructor(limits: ChannelLimits, confirmed: number, rows: Iterable<StoredRow>) {
    this.#limits = limits
    this.#last = this.#sent = this.#confirmed = confirmed
    for (const row of rows) {
      this.#last = row.last
      this.#bytes += row.bytes
      this.#put(row)
    }
    this.#passedOn = this.#last
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

  /** Takes so many entries more, or none but more of the last; returns the number of the last. They may be sent when their row is on disk. */
  give(entries: number, bytes: number): number {
    this.#bytes += bytes
    return this.#last += entries
  }

  /** A row of entries that were given is on disk. */
  stored(row: StoredRow): void {
    // As much as a window is kept for when there is room for it; reading it costs more.
    if (this.#bytesUnsent + row.bytes > this.#limits.windowBytes) row.entries = null
    this.#put(row)
  }

  #put(row: StoredRow): void {
    this.#unsent.push(row)
    this.#bytesUnsent += row.bytes
  }

  /** What may be sent now, and counts as sent from now on. */
  next(): StoredRow[] {
    const rows: StoredRow[] = []
    for (let row = this.#unsent.peek(); row !== undefined && this.#hasRoom(row); row = this.#unsent.peek()) {
      this.#takeUnsent()
      this.#inFlight.push(row)
      this.#entriesInFlight += row.count
      this.#bytesInFlight += row.bytes
      this.#sent = row.last
      rows.push(row)
    }
    return rows
  }

  #takeUnsent(): void {
    this.#bytesUnsent -= this.#unsent.shift()?.bytes ?? 0
  }

  #hasRoom({ count, bytes }: StoredRow): boolean {
    const { windowEntries, windowBytes } = this.#limits
    if (this.#inFlight.length === 0) return true
    return this.#entriesInFlight + count <= windowEntries && this.#bytesInFlight + bytes <= windowBytes
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
    for (let row = this.#inFlight.peek(); row !== undefined && row.last <= cursor; row = this.#inFlight.peek()) {
      this.#inFlight.shift()
      this.#entriesInFlight -= row.count
      this.#bytesInFlight -= row.bytes
      this.#bytes -= row.bytes
    }
    // What was sent before a crash, or is about to be sent again.
    for (let row = this.#unsent.peek(); row !== undefined && row.last <= cursor; row = this.#unsent.peek()) {
      this.#takeUnsent()
      this.#bytes -= row.bytes
    }
    this.#confirmed = Math.max(this.#confirmed, cursor)
    this.#sent = Math.max(this.#sent, this.#confirmed)
    return true
  }

  /** What is not confirmed is sent again: it may have been lost. Of a row that is confirmed in part all of it. */
  again(): void {
    const unsent = new Fifo<StoredRow>()
    for (const rows of [this.#inFlight, this.#unsent]) {
      for (let row = rows.shift(); row !== undefined; row = rows.shift()) unsent.push(row)
    }
    this.#unsent = unsent
    this.#bytesUnsent += this.#bytesInFlight
    this.#entriesInFlight = 0
    this.#bytesInFlight = 0
    this.#sent = this.#confirmed
  }
}
