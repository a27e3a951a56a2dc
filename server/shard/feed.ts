/**
 * The giver's end of a queue: feeds one attached device from its cursor on. While it keeps up, entries come straight from the commit
 * that made them; when it lags, or at first, they are read from the store in pages until it has caught up. Nothing is sent beyond
 * the window. Where a device stands follows from its acknowledgements alone. [QUE-2, QUE-6, QUE-7]
 */
import type { Engine, Entry } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { withoutExpired } from '../expiry/hand-out.js'
import { type Erased, lookUpErased, withoutErased } from '../operations/erasures.js'
import type { Seat } from '../presence/watch.js'
import type { Attachment, DeviceSink } from '../router/router.js'
import type { Author } from './author.js'
import { ANY_PLACE, COUNTS_NOWHERE, type EntryHead, type EntryRun, readRun, skipRun } from './entry-run.js'
import { Fifo } from './fifo.js'
import { readQueue } from './queue-reader.js'
import type { Receipts } from './receipts.js'
import type { DeviceState } from './device-state.js'
import type { UserState } from './user-state.js'
import type { Route } from './transaction.js'

/** Bytes of one page read from the store; small, so that one device's backlog does not hold up the others. */
const PAGE_BYTES = 64 * 1024
/** Of an entry as long as nothing is known of any. */
const ENTRY_BYTES = 160
/** Conversations that a session finds without looking them up. A client may address as many names as it likes. */
const ROUTES_MAX = 256
/** Shared by all sessions that have used none; never written to. */
const NO_ROUTES = new Map<string, Route>()

/** Entries of a run that were sent and not all acknowledged. */
class InFlight {
  readonly run: EntryRun
  /** Position in the run of the first one without an acknowledgement, and behind the last one sent. */
  from: number
  readonly to: number

  constructor(run: EntryRun, from: number, to: number) {
    this.run = run
    this.from = from
    this.to = to
  }
}

/** What a feed asks of its shard. */
export interface FeedHost {
  readonly engine: Engine
  /** Whether nothing is left of what a message said, by the name of its conversation, wherever that is at home. */
  isGone(conversation: string, seq: number): Promise<boolean>
  readonly windowBytesMax: number
  readonly nowMs: number
  /** A read failed: the store is in trouble. */
  readFailed(error: unknown): void
  /** Told what follows from acknowledgements, and when all of it has taken effect. */
  readonly receipts: Pick<Receipts, 'delivered' | 'deliveredAt' | 'moveCursor'>
}

export class Feed implements Attachment, Author {
  readonly host: FeedHost
  readonly user: UserState
  readonly device: DeviceState
  readonly sink: DeviceSink
  readonly outboxEpoch: number
  readonly window: number
  /** See Attached.stamp. */
  readonly stamp: number
  /** Whether it is sent entries at all; otherwise it is but the place from which the device speaks. [QUE-17] */
  readonly takes: boolean
  /** Its place among those whose presence counts; null before it has begun. */
  seat: Seat | null = null
  /** Routes this session has used, by the address as the client wrote it. */
  routes: Map<string, Route> = NO_ROUTES
  #acknowledged: number
  #position: number
  #backlogEnd: number
  #bytesInFlight = 0
  /** What one entry was lately: how much of the store a page takes for so many of them. */
  #entryBytes = ENTRY_BYTES
  /** Watermarks that follow from acknowledgements and have not taken effect yet. */
  #unsettled = 0
  /** What `delivered` calls; made for the first acknowledgement. */
  #onSettled: (() => void) | null = null
  readonly #inFlight = new Fifo<InFlight>()
  /** Entries come from commits; otherwise from the store. */
  #isLive = false
  #isReading = false
  #isDone = false
  #hasEnded = false

  constructor(
    host: FeedHost, user: UserState, device: DeviceState, sink: DeviceSink, outboxEpoch: number, window: number, cursor: number, stamp: number,
    takes: boolean,
  ) {
    this.host = host
    this.user = user
    this.device = device
    this.sink = sink
    this.outboxEpoch = outboxEpoch
    this.window = window
    this.stamp = stamp
    this.takes = takes
    this.#acknowledged = cursor
    this.#position = cursor
    this.#backlogEnd = user.tail
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Whether entries come straight from their commits. */
  get isLive(): boolean {
    return this.#isLive
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get position(): number {
    return this.#position
  }

  /** Keeps a route for the next message to this address, in place of the oldest where there are too many. */
  remember(address: string, route: Route): void {
    if (this.routes === NO_ROUTES) this.routes = new Map()
    const oldest = this.routes.keys().next()
    if (this.routes.size >= ROUTES_MAX && oldest.done !== true) this.routes.delete(oldest.value)
    this.routes.set(address, route)
  }

  /** Lets routes go that hold states that are not in memory any more. */
  forgetStale(): void {
    for (const [address, route] of this.routes) if (!route.isAlive) this.routes.delete(address)
    for (const { run } of this.#inFlight) run.forgetStale()
  }

  /** Begins to send; the welcome is out. */
  start(): void {
    if (!this.takes) return
    // What has come in since the bind is live already. [QUE-7]
    if (!this.#hasEnded && this.#position >= this.#backlogEnd) this.#tellDone()
    this.#read()
  }

  /** Committed entries. Sent at once if the device is up to date and has room for all of them, but for late ones, which are read. */
  offer(run: EntryRun, isLate: boolean): void {
    if (!this.#isLive) return
    if (!isLate && run.first === this.#position + 1 && this.#fitting(run, 0) === run.count) {
      this.#send(run, 0, run.count)
      return
    }
    this.#isLive = false
    this.#read()
  }

  /** Cumulative acknowledgement; false when the index was never sent or runs backwards. [QUE-5] */
  acknowledge(index: number): boolean {
    if (index < this.#acknowledged || index > this.#position) return false
    if (!this.takes) return true
    this.#acknowledged = index
    this.#settle(index)
    this.#moveCursor()
    if (!this.#isLive && this.#position - index <= this.window >> 1) this.#read()
    return true
  }

  /** The session is over, for whatever reason; nothing is sent after this. */
  end(): void {
    this.#hasEnded = true
    this.#isLive = false
  }

  #hasRoom(): boolean {
    return this.#position - this.#acknowledged < this.window && this.#bytesInFlight < this.host.windowBytesMax
  }

  /** Behind which of the run's entries, from position `from` on, the window is full; `from` itself: it is full already. */
  #fitting(run: EntryRun, from: number): number {
    const { windowBytesMax } = this.host
    let to = Math.min(run.count, from + this.window - (this.#position - this.#acknowledged))
    // The last one may go beyond, or a long one would never be sent.
    while (to > from && this.#bytesInFlight + run.bytesOf(from, to - 1) >= windowBytesMax) to--
    return Math.max(from, to)
  }

  /** What was acknowledged, by conversation: the highest seq of each. */
  #settle(index: number): void {
    let head = COUNTS_NOWHERE
    let place = ANY_PLACE
    for (let part = this.#inFlight.peek(); part !== undefined; part = this.#inFlight.peek()) {
      const { run, from, to } = part
      // A skip is one entry; any other run has one for each index up to its last.
      const end = Math.min(to, run.count - (run.last - index))
      for (let at = from; at < end; at++) {
        const next = run.heads[at]!
        if (next === COUNTS_NOWHERE) continue
        // Watermarks only rise, so telling one conversation more than once costs no more than time.
        if (next.conversation !== head.conversation) this.#tellDelivered(head, place)
        else if (next.seq <= head.seq) continue
        head = next
        place = run.places[at]!
      }
      if (end > from) {
        this.#bytesInFlight -= run.bytesOf(from, end)
        part.from = end
      }
      if (end < to) break
      this.#inFlight.shift()
    }
    this.#tellDelivered(head, place)
  }

  #tellDelivered({ conversation, seq, route }: EntryHead, place: number): void {
    if (seq === 0 || (route !== null && this.host.receipts.deliveredAt(route, place, seq))) return
    this.#onSettled ??= () => {
      this.#unsettled--
      this.#moveCursor()
    }
    if (!this.host.receipts.delivered(this.user, conversation, seq, this.#onSettled)) this.#unsettled++
  }

  #moveCursor(): void {
    if (this.#unsettled === 0) this.host.receipts.moveCursor(this.user, this.device, this.#acknowledged)
  }

  /** Sends the run's entries from position `from` up to, without, `to`. */
  #send(run: EntryRun, from: number, to: number): void {
    this.#position = run.last - (run.count - to)
    this.#bytesInFlight += run.bytesOf(from, to)
    this.#inFlight.push(new InFlight(run, from, to))
    const out = run.isShared ? this.sink.beginEntries?.() ?? null : null
    if (out === null) this.sink.entries(run.framesOf(from, to), this.#position, to - from)
    else {
      run.writeTo(out, from, to)
      this.sink.endEntries?.(this.#position, to - from)
    }
    if (!this.#isDone && this.#position >= this.#backlogEnd) this.#tellDone()
  }

  #tellDone(): void {
    this.#isDone = true
    this.sink.done(this.#position)
  }

  #read(): void {
    if (this.#isReading || this.#hasEnded) return
    this.#isReading = true
    this.#readPages().catch((error: unknown) => {
      this.#isReading = false
      this.host.readFailed(error)
    })
  }

  /** Ends in the turn in which it finds nothing more to do, so that nothing comes between that and the next reading. */
  async #readPages(): Promise<void> {
    while (!this.#hasEnded) {
      if (this.#position >= this.user.committedTail || !this.#hasRoom()) {
        this.#isReading = false
        if (this.#position >= this.user.committedTail) this.#catchUp()
        return
      }
      const from = this.#position + 1
      const room = this.window - (this.#position - this.#acknowledged)
      // No more than the window has room for, as far as that can be known.
      const bytesMax = Math.min(PAGE_BYTES, this.host.windowBytesMax - this.#bytesInFlight, Math.ceil(room * this.#entryBytes))
      const { rows, to } = await readQueue(this.host.engine, this.user, from, Math.min(this.user.committedTail, from + room - 1), bytesMax)
      const erased = await lookUpErased((conversation, seq) => this.host.isGone(conversation, seq), this.user, rows)
      // The session may have ended while the page was read.
      if (this.#hasEnded) return
      this.#sendPage(rows, to, erased)
    }
  }

  #catchUp(): void {
    if (!this.#isDone) this.#tellDone()
    this.#isLive = true
  }

  #sendPage(page: readonly Entry[], to: number, erased: Erased): void {
    if (page.length === 0) this.#skipTo(to)
    for (const [key, row] of page) {
      const last = numberAt(key)
      const read = readRun(row, last, this.user.name)
      const run = read === null ? null : withoutExpired(withoutErased(read, this.user, erased), this.host.nowMs)
      // A hole, or a row that is not what its key says, must not stop the queue. [QUE-14]
      if (run === null) {
        this.#skipTo(last)
        continue
      }
      if (run.first > this.#position + 1) this.#skipTo(run.first - 1)
      this.#entryBytes = run.bytes / run.count
      const from = this.#position + 1 - run.first
      const end = this.#fitting(run, from)
      if (end > from) this.#send(run, from, end)
      if (end < run.count) return
    }
  }

  #skipTo(index: number): void {
    this.#send(skipRun(index), 0, 1)
  }
}
