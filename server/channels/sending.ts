/**
 * The sending of channels: what is on disk goes to the other shard, as far as there is room, and again until that confirms it; then it is
 * deleted. Rows are kept in memory only where they go at once.
 *
 *     on disk ─▶ offer ══▶ … ══▶ confirmed ─▶ noted, with some transaction ─▶ deleted
 */
import { channelConfirmedKey, channelEntries, channelNumberAt } from '../../storage/channel-keys.js'
import type { Engine } from '../../storage/engine.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Transaction } from '../shard/transaction.js'
import { decodeNumber, encodeNumber } from './entries.js'
import { type EntryRow, lostEntries, readRow } from './entry-row.js'
import type { Federation } from './federation.js'
import type { ChannelFault, Outgoing } from './outgoing.js'
import { countEntries } from './packed-entries.js'
import { Sender, StoredRow } from './sender.js'

/** Read at once where a channel is opened. */
const PAGE_ROWS = 512
const PAGE_BYTES = 1 << 20

/** What sending asks of its shard. */
export interface SendingHost {
  readonly engine: Engine
  readonly environment: Pick<ShardEnvironment, 'clock' | 'scheduler' | 'log'>
  readonly isAvailable: boolean
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  schedule(): void
  readFailed(error: unknown): void
}

export class Sending {
  readonly #host: SendingHost
  readonly #federation: Federation
  readonly #channels: ReadonlyMap<number, Outgoing>
  readonly #onConfirmed: (channel: Outgoing) => void
  #isClosed = false
  #isWatching = false
  #isNoteDue = false

  /** @param onConfirmed called when the other end of a channel has more of it, before more is sent */
  constructor(host: SendingHost, federation: Federation, channels: ReadonlyMap<number, Outgoing>, onConfirmed: (channel: Outgoing) => void) {
    this.#host = host
    this.#federation = federation
    this.#channels = channels
    this.#onConfirmed = onConfirmed
  }

  close(): void {
    this.#isClosed = true
  }

  /** Nothing can be written any more, also where nobody has said so yet. */
  get #isOver(): boolean {
    return this.#isClosed || !this.#host.isAvailable
  }

  /** As it is found on disk: it may be given to from now on. */
  async open(channel: Outgoing): Promise<void> {
    const { engine } = this.#host
    const confirmed = decodeNumber(await engine.get(channelConfirmedKey(channel.shard)))
    const rows: StoredRow[] = []
    let last = confirmed
    for (let more = true; more;) {
      const page = await engine.range({ ...channelEntries(channel.shard, last + 1), limit: PAGE_ROWS, bytesMax: PAGE_BYTES })
      for (const [key, row] of page) {
        const stored = storedRow(channelNumberAt(key), row, last)
        rows.push(stored)
        last = stored.last
      }
      more = page.length > 0
    }
    channel.sender = new Sender(this.#federation.limits, confirmed, rows)
    channel.notedTo = confirmed
    if (channel.sender.last > confirmed) channel.waitingTime.given(confirmed + 1, this.#host.environment.clock.nowMs())
    channel.isReady = true
    // A crash may have come between the note and this.
    if (confirmed > 0) this.trim(channel, confirmed)
  }

  /** All channels have been opened: sends what this one has, and believes what was said of it by then. */
  begin(channel: Outgoing): void {
    if (channel.greeting !== null) this.greeted(channel.shard, channel.greeting)
    this.#pump(channel)
  }

  /** Entries that were given are on disk. */
  stored(channel: Outgoing, rows: readonly EntryRow[]): void {
    const { sender, waitingTime } = channel
    for (const row of rows) {
      const stored = new StoredRow(row.last, row.count, row.bytes, row.entries())
      waitingTime.given(stored.first, this.#host.environment.clock.nowMs())
      sender.stored(stored)
    }
    this.#pump(channel)
  }

  /** Entries come straight from the commit that made them where all before them has been sent, and there is room; else from the store. */
  #pump(channel: Outgoing): void {
    if (!channel.isMoving) return
    const rows = channel.sender.next()
    if (rows.length === 0) return
    this.#watch()
    if (rows.every(({ entries }) => entries !== null)) this.#offer(channel, rows)
    else this.#read(channel, rows)
  }

  #offer(channel: Outgoing, rows: readonly StoredRow[]): void {
    const { sender } = channel
    for (const row of rows) {
      const { entries } = row
      // Whatever becomes of it, it is read where it has to go once more.
      row.entries = null
      if (entries === null || channel.isAway) continue
      if (this.#federation.peers.offer(channel.shard, row.first, entries)) sender.passedOn(row.last)
      else channel.isAway = true
    }
    if (channel.isAway) sender.again()
  }

  #read(channel: Outgoing, rows: readonly StoredRow[]): void {
    const [first, last] = [rows[0]!, rows.at(-1)!]
    channel.isReading = true
    this.#host.engine.range({ ...channelEntries(channel.shard, first.last, last.last + 1), limit: rows.length }).then(
      (page) => {
        channel.isReading = false
        if (this.#isClosed) return
        // What has been confirmed meanwhile may be gone.
        if (page.length === rows.length) {
          rows.forEach((row, at) => { row.entries = entriesOf(row, page[at]![1]) })
          this.#offer(channel, rows)
        }
        this.#pump(channel)
      },
      (error: unknown) => {
        if (!this.#isClosed) this.#host.readFailed(error)
      },
    )
  }

  /** One timer for all channels: what nothing was heard of from one look to the next is sent again. */
  #watch(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const before = new Map([...this.#channels.values()].map((channel) => [channel, channel.sender.confirmed]))
    this.#host.environment.scheduler.after(this.#federation.limits.resendMs, () => {
      this.#isWatching = false
      if (this.#isOver) return
      for (const [channel, confirmed] of before) {
        const { sender } = channel
        if (sender.sent === sender.confirmed) continue
        if (sender.confirmed === confirmed) {
          sender.again()
          this.#pump(channel)
        }
        this.#watch()
      }
    })
  }

  /**
   * As `confirmed`, where the way to another shard has just opened, or is within this process, so that nothing that is said over it is
   * late: what the shard says now it must not have said of less than before.
   */
  greeted(from: number, cursor: number): void {
    const channel = this.#channels.get(from)
    if (channel === undefined) return
    if (!channel.isReady) channel.greeting = cursor
    else if (channel.fault === null && cursor < channel.sender.confirmed) this.#stop(channel, 'forgotten', cursor)
    else this.confirmed(from, cursor, true)
  }

  /** Another shard has this much of the channel to it. */
  confirmed(from: number, cursor: number, again: boolean): void {
    const channel = this.#channels.get(from)
    if (channel === undefined || !channel.isReady || this.#isOver) return
    if (channel.fault !== null) return
    const { sender } = channel
    if (!sender.confirm(cursor)) {
      this.#stop(channel, 'beyond', cursor)
      return
    }
    channel.isAway = false
    channel.waitingTime.confirmed(sender.confirmed, sender.last)
    if (again && cursor === sender.confirmed) sender.again()
    this.#onConfirmed(channel)
    if (sender.confirmed - channel.notedTo >= this.#federation.limits.trimEvery) this.#note(channel)
    else if (sender.confirmed > channel.notedTo) this.#noteLater()
    this.#pump(channel)
  }

  /** Nothing goes over it any more, or entries would be left out without a word. */
  #stop(channel: Outgoing, fault: ChannelFault, cursor: number): void {
    channel.fault = fault
    const { sender, shard } = channel
    this.#host.environment.log.error({ shard, fault, cursor, confirmed: sender.confirmed, last: sender.last }, 'a channel is stopped: one of the two shards has lost its memory')
  }

  /** One timer for all channels. */
  #noteLater(): void {
    if (this.#isNoteDue) return
    this.#isNoteDue = true
    this.#host.environment.scheduler.after(this.#federation.limits.trimMs, () => {
      this.#isNoteDue = false
      if (this.#isOver) return
      for (const channel of this.#channels.values()) if (channel.sender.confirmed > channel.notedTo) this.#note(channel)
    })
  }

  /** First that they may go, then, when that is on disk, that they do: a crash in between leaves rows to the next life. */
  #note(channel: Outgoing): void {
    const { transaction } = this.#host
    channel.notedTo = channel.sender.confirmed
    transaction.batch.put(channelConfirmedKey(channel.shard), encodeNumber(channel.notedTo))
    transaction.channels.noted.set(channel, channel.notedTo)
    this.#host.schedule()
  }

  /** Rows up to here may go: that they may is on disk. */
  trim(channel: Outgoing, to: number): void {
    this.#host.engine.trim(channelEntries(channel.shard, channel.removedBelow, to + 1)).then(
      () => { channel.removedBelow = Math.max(channel.removedBelow, to + 1) },
      (error: unknown) => { this.#host.environment.log.warn({ err: error }, 'a channel could not be trimmed') },
    )
  }
}

/** A row as it is found on disk, behind entries up to `before`. */
function storedRow(last: number, row: Uint8Array, before: number): StoredRow {
  const entries = readRow(row)
  return new StoredRow(last, entries === null ? last - before : countEntries(entries), row.length, null)
}

/** As many as were counted, so that those behind it keep their numbers. */
function entriesOf({ count }: StoredRow, row: Uint8Array): Uint8Array {
  const entries = readRow(row)
  return entries !== null && countEntries(entries) === count ? entries : lostEntries(count)
}
