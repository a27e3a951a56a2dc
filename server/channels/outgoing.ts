/** The channel to another shard, as those who put something into it see it; see sending.ts for what sends it. */
import type { Transaction } from '../shard/transaction.js'
import { type ChannelEntry, encodeEntry } from './entries.js'
import type { EntryRow } from './entry-row.js'
import type { ChannelLimits } from './limits.js'
import { Sender } from './sender.js'
import { WaitingTime } from './waiting-time.js'

/**
 * The two ends don't remember the same, so that one of them has lost its memory: the other shard has taken what was never sent, or has
 * forgotten what it had confirmed.
 */
export type ChannelFault = 'beyond' | 'forgotten'

export class Outgoing {
  /** The shard that it goes to. */
  readonly shard: number
  /** As it is on disk and beyond; until it has been read nobody has the channel. */
  sender: Sender
  isReady = false
  /** Entries are being read from the store. */
  isReading = false
  /** Nobody takes entries at present: they are sent when the other shard says again how much it has. */
  isAway = false
  /** How much the other shard has, which it has said before this end was ready; null: nothing. */
  greeting: number | null = null
  /** Why nothing more is sent, and nothing believed that is said of it; null: all is well. */
  fault: ChannelFault | null = null
  readonly waitingTime = new WaitingTime()
  /** Up to here it is noted on disk as confirmed, and rows below are gone. */
  notedTo = 0
  removedBelow = 0

  constructor(shard: number, limits: ChannelLimits) {
    this.shard = shard
    this.sender = new Sender(limits, 0, [])
  }

  get isFull(): boolean {
    return this.sender.isFull
  }

  /** Whether it may be given what can wait. */
  get hasRoom(): boolean {
    return this.isReady && !this.isFull
  }

  /** Entries may be sent, as far as there is room. */
  get isMoving(): boolean {
    return this.isReady && !this.isReading && !this.isAway && this.fault === null
  }

  /** The entry goes with the transaction. */
  append(transaction: Transaction, entry: ChannelEntry): void {
    const row = transaction.channels.rowFor(this)
    const { count, bytes } = row
    row.append(encodeEntry(entry))
    this.#given(transaction, row, row.count - count, row.bytes - bytes)
  }

  /** The same for a message to these members, with spaces between. */
  appendMessage(
    transaction: Transaction, conversation: string, from: string, seq: number, timeMs: number, members: string, text: Uint8Array,
    extensions: Uint8Array,
  ): void {
    const row = transaction.channels.rowFor(this)
    const { count, bytes } = row
    row.appendMessage(conversation, from, seq, timeMs, members, text, extensions)
    this.#given(transaction, row, row.count - count, row.bytes - bytes)
  }

  #given(transaction: Transaction, row: EntryRow, entries: number, bytes: number): void {
    transaction.countAppended(bytes)
    row.last = this.sender.give(entries, bytes)
  }
}

/** Members of one conversation who are at home elsewhere, by the channel that leads there: each gets one entry for all of them. */
export class Away {
  readonly #channels: Outgoing[] = []
  /** Of each their names, with spaces between. */
  readonly #members: string[] = []

  add(channel: Outgoing, user: string): void {
    const at = this.#channels.indexOf(channel)
    if (at < 0) {
      this.#channels.push(channel)
      this.#members.push(user)
    } else this.#members[at] = `${this.#members[at]!} ${user}`
  }

  send(transaction: Transaction, entryFor: (members: readonly string[]) => ChannelEntry): void {
    for (let at = 0; at < this.#channels.length; at++) this.#channels[at]!.append(transaction, entryFor(this.#members[at]!.split(' ')))
  }

  sendMessage(transaction: Transaction, conversation: string, from: string, seq: number, timeMs: number, text: Uint8Array, extensions: Uint8Array): void {
    for (let at = 0; at < this.#channels.length; at++) {
      this.#channels[at]!.appendMessage(transaction, conversation, from, seq, timeMs, this.#members[at]!, text, extensions)
    }
  }
}
