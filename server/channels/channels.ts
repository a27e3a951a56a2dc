/**
 * The channels of a shard, for one life of its store: what its transactions give is sent once it is on disk, until it is confirmed; what
 * comes takes effect in the shard's own transactions, together with the cursor that says so, and is confirmed once that is on disk.
 * After a failure of the store all begins anew from what that says.
 *
 *     transaction ─▶ commit ─▶ offer ══▶ take up ─▶ take effect, cursor ─▶ commit ─▶ confirm ══▶ delete behind it
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { channelConfirmedKey, channelEntries, channelEntryKey, channelNumberAt, channelTakenKey, visitorKey } from '../../storage/channel-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import type { PairSide } from '../profiles/pair.js'
import type { Report } from '../profiles/service.js'
import { unavailable } from '../shard/commit-loop.js'
import { UserState } from '../shard/user-state.js'
import { RouterError } from '../router/router.js'
import type { Transaction } from '../shard/transaction.js'
import { Arrivals, type ArrivalHost, VISITOR_ACCOUNT } from './arrivals.js'
import { type ChannelEntry, decodeNumber, decodeVisitor, encodeNumber } from './entries.js'
import { type EntryRow, lostEntries, readRow } from './entry-row.js'
import { type Federation, type GroupCounts, homeOf, type VisitorFacts } from './federation.js'
import { Incoming } from './incoming.js'
import type { AnswerOf, ArgsOfQuestion, QuestionName } from './questions.js'
import { type ChannelFault, Outgoing } from './outgoing.js'
import { countEntries } from './packed-entries.js'
import { Patience } from './patience.js'
import { Sender, StoredRow } from './sender.js'

/** Read at once where a channel is opened. */
const PAGE_ROWS = 512
const PAGE_BYTES = 1 << 20
/** When another shard could not be asked. */
const ASK_AGAIN_MS = 250

/** Somebody who waits until the other end of a channel has this entry on disk. */
interface Waiter {
  readonly channel: Outgoing
  readonly number: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** A watermark that waits for room in its channel. */
interface HeldWatermark {
  readonly channel: Outgoing
  readonly user: string
  readonly conversation: string
  seq: number
  readonly applied: (() => void)[]
}

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
  readonly #arrivals: Arrivals
  readonly #patience: Patience
  readonly #waiters = new Set<Waiter>()
  readonly #held = new Map<string, HeldWatermark>()
  /** Visitors that are being read or asked about, and what was heard of them by then. */
  readonly #reading = new Map<string, { heard: VisitorFacts | null }>()
  /** What has come of visitors and is not on disk yet. */
  readonly #heard = new Map<string, VisitorFacts>()
  readonly #opened: Promise<void>
  #isClosed = false
  #isWatching = false
  #isNoteDue = false

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
    this.#arrivals = new Arrivals(host, federation.limits.appendedMax, (user, facts) => { this.#hear(user, facts) })
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
    this.#arrivals.close()
    for (const { reject } of this.#waiters) reject(unavailable())
    this.#waiters.clear()
    // Who waits looks again, and finds that everything has changed.
    for (const { applied } of this.#held.values()) for (const each of applied) each()
    this.#held.clear()
  }

  /** Nothing can be written any more, also where nobody has said so yet. */
  get #isOver(): boolean {
    return this.#isClosed || !this.#host.isAvailable
  }

  // ——— Opening ———

  async #open(): Promise<void> {
    if (this.#isClosed || !this.#host.isAvailable) return
    try {
      await Promise.all([...this.#outgoing.values()].map((channel) => this.#openOutgoing(channel)))
      await Promise.all([...this.#incoming.values()].map((channel) => this.#openIncoming(channel)))
    } catch (error) {
      if (!this.#isClosed) this.#host.readFailed(error)
      return
    }
    if (this.#isClosed) return
    for (const channel of this.#outgoing.values()) {
      if (channel.greeting !== null) this.greeted(channel.shard, channel.greeting)
      this.#pump(channel)
    }
    this.#releaseHeld()
  }

  async #openOutgoing(channel: Outgoing): Promise<void> {
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
    if (confirmed > 0) this.#trim(channel, confirmed)
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
    const user = new UserState(name, userKeys(name))
    user.channel = channel
    const { facts: { exists, readReceipts }, isRecorded } = await this.#factsOf(name, channel.shard)
    if (exists) user.account = VISITOR_ACCOUNT
    user.readReceipts = readReceipts
    user.isRecorded = isRecorded
    return user
  }

  /** What has come over the channel counts, before what is on disk and what the home answers: it is newer than both. */
  async #factsOf(name: string, shard: number): Promise<{ facts: VisitorFacts, isRecorded: boolean }> {
    const reading = { heard: this.#heard.get(name) ?? null }
    this.#reading.set(name, reading)
    try {
      const row = await this.#host.engine.get(visitorKey(name))
      const found = row === undefined ? await this.#federation.peers.ask(shard, 'visitor', name) : decodeVisitor(row)
      return { facts: reading.heard ?? found, isRecorded: row !== undefined || reading.heard !== null }
    } finally {
      this.#reading.delete(name)
    }
  }

  /** Written with the open transaction. */
  #hear(name: string, facts: VisitorFacts): void {
    const reading = this.#reading.get(name)
    if (reading !== undefined) reading.heard = facts
    this.#heard.set(name, facts)
    this.#host.transaction.channels.heard.set(name, facts)
  }

  /** How a user who is at home elsewhere looks at another with whom it has no conversation. */
  side(channel: Outgoing, user: string, other: string): Promise<PairSide> {
    return this.#federation.peers.ask(channel.shard, 'side', user, other)
  }

  groupCounts(channel: Outgoing, user: string): Promise<GroupCounts> {
    return this.#federation.peers.ask(channel.shard, 'groupCounts', user)
  }

  /** Who may be told that the user types in a conversation that is at home elsewhere. */
  audience(channel: Outgoing, user: string, conversation: string): Promise<readonly string[]> {
    return this.#federation.peers.ask(channel.shard, 'audience', user, conversation)
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

  /** For a report: see QUESTIONS. */
  lastMessages(channel: Outgoing, user: string, conversation: string): Promise<Report['messages']> {
    return this.#federation.peers.ask(channel.shard, 'lastMessages', user, conversation)
  }

  /** Rejects where the user may read nothing of a conversation that is at home elsewhere. */
  mustRead(channel: Outgoing, user: string, conversation: string): Promise<void> {
    return this.#federation.peers.ask(channel.shard, 'mustRead', user, conversation)
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
    if (channel.isReady && !channel.isFull) {
      this.#host.transaction.channels.raise(channel, user, conversation, seq)
      return true
    }
    const key = `${user} ${conversation}`
    const held = this.#held.get(key)
    if (held === undefined) this.#held.set(key, { channel, user, conversation, seq, applied: [applied] })
    else {
      held.seq = Math.max(held.seq, seq)
      held.applied.push(applied)
    }
    return false
  }

  #releaseHeld(): void {
    for (const [key, { channel, user, conversation, seq, applied }] of this.#held) {
      if (!channel.isReady || channel.isFull) continue
      this.#held.delete(key)
      this.#host.transaction.channels.raise(channel, user, conversation, seq)
      for (const each of applied) each()
      this.#host.schedule()
    }
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
    return Promise.all([...channels].map((channel) => this.#isOpen(channel) ? this.#confirmed(channel, channel.sender.last) : Promise.reject(unavailable())))
  }

  /** Whether it may be given to. One of an earlier life, which somebody has kept over an await, counts other entries. */
  #isOpen(channel: Outgoing): boolean {
    return channel.isReady && this.#outgoing.get(channel.shard) === channel
  }

  #confirmed(channel: Outgoing, number: number): Promise<void> {
    if (number <= channel.sender.confirmed) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter = { channel, number, resolve, reject }
      this.#waiters.add(waiter)
      this.#host.environment.scheduler.after(this.#federation.limits.answerMs, () => {
        if (this.#waiters.delete(waiter)) reject(unavailable())
      })
    })
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
    for (const [name, facts] of heard) if (this.#heard.get(name) === facts) this.#heard.delete(name)
    for (const [channel, number] of applied) {
      channel.receiver.store(number)
      this.#federation.peers.confirm(channel.shard, number, false)
    }
    for (const [channel, number] of noted) this.#trim(channel, number)
    for (const [channel, each] of rows) this.#sendFresh(channel, each)
  }

  #sendFresh(channel: Outgoing, rows: readonly EntryRow[]): void {
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
    const before = new Map([...this.#outgoing.values()].map((channel) => [channel, channel.sender.confirmed]))
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
    const channel = this.#outgoing.get(from)
    if (channel === undefined) return
    if (!channel.isReady) channel.greeting = cursor
    else if (channel.fault === null && cursor < channel.sender.confirmed) this.#stop(channel, 'forgotten', cursor)
    else this.confirmed(from, cursor, true)
  }

  /** Says how much there is of the channel from that shard, to which the way has just opened. */
  greet(to: number): void {
    const channel = this.#incoming.get(to)
    if (channel?.isReady === true && !this.#isOver) this.#federation.peers.confirm(to, channel.receiver.stored, true)
  }

  /** Nothing goes over it any more, or entries would be left out without a word. */
  #stop(channel: Outgoing, fault: ChannelFault, cursor: number): void {
    channel.fault = fault
    const { sender, shard } = channel
    this.#host.environment.log.error({ shard, fault, cursor, confirmed: sender.confirmed, last: sender.last }, 'a channel is stopped: one of the two shards has lost its memory')
  }

  /** Another shard has this much of the channel to it. */
  confirmed(from: number, cursor: number, again: boolean): void {
    const channel = this.#outgoing.get(from)
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
    for (const waiter of this.#waiters) {
      if (waiter.channel !== channel || waiter.number > sender.confirmed) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
    if (this.#held.size > 0) this.#releaseHeld()
    if (sender.confirmed - channel.notedTo >= this.#federation.limits.trimEvery) this.#note(channel)
    else if (sender.confirmed > channel.notedTo) this.#noteLater()
    this.#pump(channel)
  }

  /** One timer for all channels. */
  #noteLater(): void {
    if (this.#isNoteDue) return
    this.#isNoteDue = true
    this.#host.environment.scheduler.after(this.#federation.limits.trimMs, () => {
      this.#isNoteDue = false
      if (this.#isOver) return
      for (const channel of this.#outgoing.values()) if (channel.sender.confirmed > channel.notedTo) this.#note(channel)
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

  #trim(channel: Outgoing, to: number): void {
    this.#host.engine.trim(channelEntries(channel.shard, channel.removedBelow, to + 1)).then(
      () => { channel.removedBelow = Math.max(channel.removedBelow, to + 1) },
      (error: unknown) => { this.#host.environment.log.warn({ err: error }, 'a channel could not be trimmed') },
    )
  }

  // ——— Taking ———

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
