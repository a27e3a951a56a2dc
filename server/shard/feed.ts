/**
 * The giver's end of a queue: feeds one attached device from its cursor on. While it keeps up, entries come straight from the commit
 * that made them; when it lags, or at first, they are read from the store in pages until it has caught up. Nothing is sent beyond
 * the window. Where a device stands follows from its acknowledgements alone. [QUE-2, QUE-6, QUE-7]
 */
import type { Engine, Entry } from '../../storage/engine.js'
import { numberAt } from '../../storage/keyspace.js'
import { encodeSkip } from '../../protocol/generated/frames.js'
import type { Attachment, DeviceSink } from '../router/router.js'
import { readEntryHead } from './entry-head.js'
import { readEntries } from './entry-reader.js'
import { Fifo } from './fifo.js'
import type { DeviceState, UserState } from './state.js'
import type { QueueEntry, Route } from './transaction.js'

/** Bytes of one page read from the store; small, so that one device's backlog does not hold up the others. */
const PAGE_BYTES = 64 * 1024

class InFlight {
  readonly index: number
  readonly bytes: number
  readonly conversation: string
  readonly seq: number

  constructor(index: number, bytes: number, conversation: string, seq: number) {
    this.index = index
    this.bytes = bytes
    this.conversation = conversation
    this.seq = seq
  }
}

/** What a feed asks of its shard. */
export interface FeedHost {
  readonly engine: Engine
  readonly windowBytesMax: number
  /** A read failed: the store is in trouble. */
  readFailed(error: unknown): void
  /** The user's devices have everything of others in this conversation up to `seq`; false: it waits, `applied` is called when it counts. */
  delivered(user: UserState, conversation: string, seq: number, applied: () => void): boolean
  /** All that follows from the device's acknowledgement up to here has taken effect. */
  moveCursor(user: UserState, device: DeviceState, index: number): void
}

export class Feed implements Attachment {
  readonly host: FeedHost
  readonly user: UserState
  readonly device: DeviceState
  readonly sink: DeviceSink
  readonly outboxEpoch: number
  readonly window: number
  /** Routes this session has used, by the address as the client wrote it. */
  readonly routes = new Map<string, Route>()
  #acknowledged: number
  #position: number
  #backlogEnd: number
  #bytesInFlight = 0
  /** Watermarks that follow from acknowledgements and have not taken effect yet. */
  #unsettled = 0
  readonly #onSettled = (): void => {
    this.#unsettled--
    this.#moveCursor()
  }
  readonly #inFlight = new Fifo<InFlight>()
  /** Entries come from commits; otherwise from the store. */
  #isLive = false
  #isReading = false
  #isDone = false
  #hasEnded = false

  constructor(host: FeedHost, user: UserState, device: DeviceState, sink: DeviceSink, outboxEpoch: number, window: number, cursor: number) {
    this.host = host
    this.user = user
    this.device = device
    this.sink = sink
    this.outboxEpoch = outboxEpoch
    this.window = window
    this.#acknowledged = cursor
    this.#position = cursor
    this.#backlogEnd = user.tail
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get position(): number {
    return this.#position
  }

  /** Begins to send; the welcome is out. */
  start(): void {
    // What has come in since the bind is live already. [QUE-7]
    if (!this.#hasEnded && this.#position >= this.#backlogEnd) this.#tellDone()
    this.#read()
  }

  /** A committed entry. Sent at once if the device is up to date and has room. */
  offer(entry: QueueEntry): void {
    if (!this.#isLive) return
    if (entry.index === this.#position + 1 && this.#hasRoom()) {
      this.#send(entry.index, entry.frame, entry.conversation, entry.seq)
      return
    }
    this.#isLive = false
    this.#read()
  }

  /** Cumulative acknowledgement; false when the index was never sent or runs backwards. [QUE-5] */
  acknowledge(index: number): boolean {
    if (index < this.#acknowledged || index > this.#position) return false
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

  /** What was acknowledged, by conversation: the highest seq of each. */
  #settle(index: number): void {
    let conversation = ''
    let seq = 0
    let entry = this.#inFlight.peek()
    while (entry !== undefined && entry.index <= index) {
      this.#inFlight.shift()
      this.#bytesInFlight -= entry.bytes
      if (entry.seq > 0) {
        // Watermarks only rise, so telling one conversation more than once costs no more than time.
        if (entry.conversation !== conversation) {
          if (seq > 0) this.#tellDelivered(conversation, seq)
          conversation = entry.conversation
          seq = 0
        }
        if (entry.seq > seq) seq = entry.seq
      }
      entry = this.#inFlight.peek()
    }
    if (seq > 0) this.#tellDelivered(conversation, seq)
  }

  #tellDelivered(conversation: string, seq: number): void {
    if (!this.host.delivered(this.user, conversation, seq, this.#onSettled)) this.#unsettled++
  }

  #moveCursor(): void {
    if (this.#unsettled === 0) this.host.moveCursor(this.user, this.device, this.#acknowledged)
  }

  #send(index: number, frame: Uint8Array, conversation: string, seq: number): void {
    this.#position = index
    this.#bytesInFlight += frame.length
    this.#inFlight.push(new InFlight(index, frame.length, conversation, seq))
    this.sink.entry(frame)
    if (!this.#isDone && index >= this.#backlogEnd) this.#tellDone()
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
      const to = Math.min(this.user.committedTail, from + room - 1)
      const bytesMax = Math.min(PAGE_BYTES, this.host.windowBytesMax - this.#bytesInFlight)
      const page = await readEntries(this.host.engine, this.user.keys, from, to, bytesMax)
      // The session may have ended while the page was read.
      if (this.#hasEnded) return
      this.#sendPage(page, to)
    }
  }

  #catchUp(): void {
    if (!this.#isDone) this.#tellDone()
    this.#isLive = true
  }

  #sendPage(page: readonly Entry[], to: number): void {
    if (page.length === 0) this.#skipTo(to)
    for (const [key, frame] of page) {
      const index = numberAt(key)
      // A hole, or an entry that is not what its key says, must not stop the queue. [QUE-14]
      if (index > this.#position + 1) this.#skipTo(index - 1)
      const head = readEntryHead(frame, index, this.user.name)
      if (head === null) this.#skipTo(index)
      else this.#send(index, frame, head.conversation, head.seq)
    }
  }

  #skipTo(index: number): void {
    this.#send(index, encodeSkip(index), '', 0)
  }
}
