/**
 * The channels of a shard, for one life of its store: what its transactions give is sent once it is on disk, until it is confirmed; what
 * comes takes effect in the shard's own transactions, together with the cursor that says so, and is confirmed once that is on disk.
 * After a failure of the store all begins anew from what that says.
 *
 *     transaction ─▶ commit ─▶ offer ══▶ take up ─▶ take effect, cursor ─▶ commit ─▶ confirm ══▶ delete behind it
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { channelEntryKey, channelTakenKey } from '../../storage/channel-keys.js'
import { RouterError } from '../router/router.js'
import { unavailable } from '../shard/commit-loop.js'
import type { Transaction } from '../shard/transaction.js'
import type { UserState } from '../shard/user-state.js'
import { type ArrivalHost, Arrivals } from './arrivals.js'
import { Confirmations } from './confirmations.js'
import { type ChannelEntry, decodeNumber, encodeNumber } from './entries.js'
import { type Federation, homeOf } from './federation.js'
import { HeldWatermarks } from './held-watermarks.js'
import { Incoming } from './incoming.js'
import { type ChannelFault, Outgoing } from './outgoing.js'
import { countEntries } from './packed-entries.js'
import { Patience } from './patience.js'
import type { AnswerOf, ArgsOfQuestion, QuestionName } from './questions.js'
import { Sending } from './sending.js'
import { Visitors } from './visitors.js'

/** When another shard could not be asked. */
const ASK_AGAIN_MS = 250

/** For metrics and health. */
export interface ChannelState {
  /** The shard that it goes to. */
  readonly shard: number
  readonly isReached: boolean
  /** Entries, and their bytes, that are not confirmed; and for how long the oldest has not been. */
  readonly waiting: number
  readonly waitingBytes: number
  readonly oldestMs: number
  readonly fault: ChannelFault | null
}

export class Channels {
  readonly #host: ArrivalHost
  readonly #federation: Federation
  readonly #outgoing = new Map<number, Outgoing>()
  readonly #incoming = new Map<number, Incoming>()
  readonly #sending: Sending
  readonly #arrivals: Arrivals
  readonly #visitors: Visitors
  readonly #held: HeldWatermarks
  readonly #confirmations: Confirmations
  readonly #patience: Patience
  readonly #opened: Promise<void>
  #isClosed = false

  /** Opens them in a later turn, unless the store has failed by then. */
  constructor(host: ArrivalHost, federation: Federation) {
    this.#host = host
    this.#federation = federation
    this.#patience = new Patience(host.environment.scheduler)
    for (let shard = 0; shard < federation.shards; shard++) {
      if (shard === federation.shard) continue
      this.#outgoing.set(shard, new Outgoing(shard, federation.limits))
      this.#incoming.set(shard, new Incoming(shard))
    }
    this.#sending = new Sending(host, federation, this.#outgoing, (channel) => {
      this.#confirmations.confirmed(channel)
      this.#held.release()
    })
    this.#visitors = new Visitors(host, federation.peers)
    this.#arrivals = new Arrivals(host, federation.limits, this.#visitors)
    this.#held = new HeldWatermarks(host)
    this.#confirmations = new Confirmations(host.environment.scheduler, federation.limits.answerMs)
    this.#opened = new Promise((resolve) => {
      host.environment.scheduler.defer(() => { resolve(this.#open()) })
    })
  }

  /** The channel to the home of this user or conversation; null: that is this shard. */
  to(name: string): Outgoing | null {
    return this.#outgoing.get(homeOf(this.#federation, name)) ?? null
  }

  /** This one. */
  get shard(): number {
    return this.#federation.shard
  }

  /** Asks another shard one of the questions of the table. Rejects with RouterError, or is never answered. */
  ask<N extends QuestionName>(shard: number, name: N, ...args: ArgsOfQuestion<N>): Promise<AnswerOf<N>> {
    return this.#federation.peers.ask(shard, name, ...args)
  }

  /** The same where others wait behind the answer: rejects also where there is none after `answerMs`. See Patience. */
  askInTime<N extends QuestionName>(answerMs: number, shard: number, name: N, ...args: ArgsOfQuestion<N>): Promise<AnswerOf<N>> {
    return this.#patience.ask(shard, answerMs, () => this.ask(shard, name, ...args))
  }

  isReached(shard: number): boolean {
    return this.#federation.peers.isReached(shard)
  }

  /** Of the channels to other shards, in the order of these. */
  states(): ChannelState[] {
    const nowMs = this.#host.environment.clock.nowMs()
    return [...this.#outgoing.values()].map(({ shard, sender, waitingTime, fault }) => ({
      shard, fault, waiting: sender.last - sender.confirmed, waitingBytes: sender.bytes, oldestMs: waitingTime.sinceMs(nowMs),
      isReached: this.#federation.peers.isReached(shard),
    }))
  }

  /** Resolves when all of them may be given to. Rejects with RouterError unavailable where the store has failed. */
  async opened(): Promise<void> {
    await this.#opened
    for (const { isReady } of this.#outgoing.values()) if (!isReady || this.#isOver) throw unavailable()
  }

  /** The store has failed, or the shard is closed: nothing here counts any more. */
  close(): void {
    this.#isClosed = true
    this.#sending.close()
    this.#arrivals.close()
    this.#confirmations.close()
    this.#held.close()
  }

  /** Nothing can be written any more, also where nobody has said so yet. */
  get #isOver(): boolean {
    return this.#isClosed || !this.#host.isAvailable
  }

  // ——— Opening ———

  async #open(): Promise<void> {
    if (this.#isClosed || !this.#host.isAvailable) return
    try {
      await Promise.all([...this.#outgoing.values()].map((channel) => this.#sending.open(channel)))
      await Promise.all([...this.#incoming.values()].map((channel) => this.#openIncoming(channel)))
    } catch (error) {
      if (!this.#isClosed) this.#host.readFailed(error)
      return
    }
    if (this.#isClosed) return
    for (const channel of this.#outgoing.values()) this.#sending.begin(channel)
    this.#held.release()
  }

  async #openIncoming(channel: Incoming): Promise<void> {
    const taken = decodeNumber(await this.#host.engine.get(channelTakenKey(channel.shard)))
    if (this.#isClosed) return
    this.#arrivals.open(channel, taken)
    // The other end goes on from there, whatever it has sent to an earlier life.
    this.#federation.peers.confirm(channel.shard, taken, true)
  }

  // ——— Visitors ———

  /** A user who is at home elsewhere, as far as it is known here; of who is not known its home is asked. */
  async visitor(name: string, channel: Outgoing): Promise<UserState> {
    await this.#opened
    if (!channel.isReady) throw unavailable()
    return this.#visitors.visitor(name, channel)
  }

  /** Tells these users, who are at home elsewhere, that somebody types. It goes beside the channels, and may be lost. */
  type(from: string, conversation: string, users: readonly string[], kind: number): void {
    const { peers } = this.#federation
    const byHome = new Map<number, string[]>()
    for (const user of users) {
      const shard = homeOf(this.#federation, user)
      byHome.set(shard, [...byHome.get(shard) ?? [], user])
    }
    for (const [shard, its] of byHome) peers.tell(shard, 'typing', from, conversation, its, kind)
  }

  /**
   * Whether nothing is left of what a message said. The queue that holds it waits until the other shard can be asked: without an answer it
   * may neither be shown nor left out.
   */
  async isGone(channel: Outgoing, conversation: string, seq: number): Promise<boolean> {
    const { scheduler } = this.#host.environment
    for (;;) {
      try {
        return await this.#federation.peers.ask(channel.shard, 'isGone', conversation, seq)
      } catch (error) {
        if (!(error instanceof RouterError)) throw error
        // What can't be read there is taken for what it says, as within one shard.
        if (this.#isOver || (error.code !== ERROR.unavailable && error.code !== ERROR.storageUnavailable)) return false
        await new Promise<void>((resolve) => { scheduler.after(ASK_AGAIN_MS, resolve) })
      }
    }
  }

  // ——— Giving ———

  /**
   * The user has received the conversation up to `seq`, which goes to its home with the open transaction. false: it waits for room, and
   * `applied` is called when it is in one.
   */
  delivered(channel: Outgoing, user: string, conversation: string, seq: number, applied: () => void): boolean {
    if (channel.hasRoom) {
      this.#host.transaction.channels.raise(channel, user, conversation, seq)
      return true
    }
    this.#held.hold(channel, user, conversation, seq, applied)
    return false
  }

  /** Throws RouterError unavailable where one of these channels, or of all, can't be given anything at present. */
  mustHaveRoom(channels: Iterable<Outgoing> = this.#outgoing.values()): void {
    for (const channel of channels) if (!this.#isOpen(channel) || channel.isFull) throw unavailable()
  }

  /** Gives the entry to these channels, or to all, in the open transaction. Throws as `mustHaveRoom`, before anything is given. */
  give(entry: ChannelEntry, channels: Iterable<Outgoing> = this.#outgoing.values()): void {
    const to = [...channels]
    this.mustHaveRoom(to)
    for (const channel of to) channel.append(this.#host.transaction, entry)
    this.#host.schedule()
  }

  /** How long others are waited for at most. */
  get answerMsMax(): number {
    return this.#federation.limits.answerMs
  }

  /** Resolves when everything given to these channels, or to all, so far has taken effect, and is on disk there; rejects where that takes too long. */
  allTaken(channels: Iterable<Outgoing> = this.#outgoing.values()): Promise<unknown> {
    return Promise.all([...channels].map((channel) => this.#isOpen(channel) ? this.#confirmations.taken(channel, channel.sender.last) : Promise.reject(unavailable())))
  }

  /** Whether it may be given to. One of an earlier life, which somebody has kept over an await, counts other entries. */
  #isOpen(channel: Outgoing): boolean {
    return channel.isReady && this.#outgoing.get(channel.shard) === channel
  }

  /** Called when a transaction is closed: adds what is written once for all of it. */
  seal(transaction: Transaction): void {
    const { watermarks, applied, rows } = transaction.channels
    for (const { channel, user, conversation, seq } of watermarks.values()) channel.append(transaction, { kind: 'delivered', user, conversation, seq })
    for (const [{ shard }, each] of rows) for (const row of each) transaction.batch.put(channelEntryKey(shard, row.last), row.row())
    for (const [{ shard }, number] of applied) transaction.batch.put(channelTakenKey(shard), encodeNumber(number))
  }

  /** It is on disk. */
  finish(transaction: Transaction): void {
    const { rows, applied, noted, heard } = transaction.channels
    this.#visitors.written(heard)
    for (const [channel, number] of applied) {
      channel.receiver.store(number)
      this.#federation.peers.confirm(channel.shard, number, false)
    }
    for (const [channel, number] of noted) this.#sending.trim(channel, number)
    for (const [channel, each] of rows) this.#sending.stored(channel, each)
  }

  /** Another shard has this much of the channel to it; see Sending. */
  confirmed(from: number, cursor: number, again: boolean): void {
    this.#sending.confirmed(from, cursor, again)
  }

  /** The same where the way to it has just opened, or is within this process. */
  greeted(from: number, cursor: number): void {
    this.#sending.greeted(from, cursor)
  }

  // ——— Taking ———

  /** Says how much there is of the channel from that shard, to which the way has just opened. */
  greet(to: number): void {
    const channel = this.#incoming.get(to)
    if (channel?.isReady === true && !this.#isOver) this.#federation.peers.confirm(to, channel.receiver.stored, true)
  }

  /** Entries of another shard have come, packed. What can't be taken now comes again. false: they are no such entries. */
  receive(from: number, first: number, entries: Uint8Array): boolean {
    const count = countEntries(entries)
    if (count < 0) return false
    const channel = this.#incoming.get(from)
    if (channel?.isReady !== true || this.#isOver) return true
    const known = channel.receiver.take(first, count)
    if (known === null) {
      if (!channel.isAskedAgain) this.#federation.peers.confirm(from, channel.receiver.stored, true)
      channel.isAskedAgain = true
      return true
    }
    channel.isAskedAgain = false
    // It may have come before, and the confirmation got lost.
    if (known === count) this.#federation.peers.confirm(from, channel.receiver.stored, false)
    else this.#arrivals.take(channel, entries, known)
    return true
  }
}
