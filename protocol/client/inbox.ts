/**
 * The taker's end of the queue: which entries are new, how far the application has them, how far they are stored, and what may be
 * acknowledged.
 *
 *     received ≥ handled ≥ stored ≥ acknowledged          (indexes of one queue epoch; a reconnect goes back to `stored`)
 *
 * `received` is the last entry taken from any connection of this process, so that what a new connection sends again is dropped;
 * `sentTo` is the last one that the present connection has sent, beyond which no cursor may go [QUE-5].
 */
import type { Element } from '../element.js'
import type { MessageOperation } from './core-types.js'
import { FRAME, LIMIT } from '../generated/registry.js'
import { Deque } from './deque.js'

/** A queue entry on its way to the application; fields that its kind does not have are 0 or empty. `done` rides along in order. */
export interface InboxEntry {
  readonly type:
    | typeof FRAME.delivery | typeof FRAME.deliveryFrom | typeof FRAME.change | typeof FRAME.operation | typeof FRAME.receipt
    | typeof FRAME.changed | typeof FRAME.skip | typeof FRAME.done
  readonly index: number
  readonly conversation: string
  /** Sender of a message, author of a change or an operation, member of a receipt. */
  readonly from: string
  /** Of a change: the version. */
  readonly seq: number
  readonly timeMs: number
  readonly text: string
  readonly extensions: Uint8Array
  /** Of a receipt: which watermark; of a change: which list. */
  readonly mark: number
  readonly change: Element | null
  readonly operation: MessageOperation | null
}

/** Cursors that tell a sender "delivered" go out at once, but no more often than this. */
const CURSOR_GAP_MS = 50
/** Others wait for company; half of what is allowed, so that a late timer does no harm. [QUE-13] */
const CURSOR_LAZY_MS = LIMIT.cursorDelayMs / 2

export class Inbox {
  readonly #entries = new Deque<InboxEntry>()
  #epoch: number
  #received: number
  #handled: number
  #stored: number
  #acknowledged = 0
  #sentTo = 0
  #window: number = LIMIT.windowDefault
  /** Highest index whose acknowledgement makes a message "delivered". */
  #promptUpTo = 0
  #cursorSentMs = -Infinity
  #cursorDueMs = Infinity
  /** Whether `handled` has to be stored. */
  #isDirty = false

  constructor(epoch: number, cursor: number) {
    this.#epoch = epoch
    this.#received = cursor
    this.#handled = cursor
    this.#stored = cursor
  }

  get epoch(): number {
    return this.#epoch
  }

  /** What is on stable storage: what bind names. */
  get cursor(): number {
    return this.#stored
  }

  /** A session begins where the device stands. Call `restart` first if the server begins elsewhere. */
  opened(window: number, cursor: number): void {
    this.#window = window
    this.#acknowledged = cursor
    this.#sentTo = cursor
    this.#cursorDueMs = Infinity
    this.#cursorSentMs = -Infinity
    // Marks of earlier sessions say nothing about this one, and would count against its window.
    this.#entries.reset(this.#entries.toArray().filter(({ type }) => type !== FRAME.done))
  }

  /** The server gave another position or epoch: what waits here belongs to the old one, and is fetched anew. */
  restart(epoch: number, cursor: number): void {
    this.#entries.reset([])
    this.#epoch = epoch
    this.#received = cursor
    this.#handled = cursor
    this.#promptUpTo = 0
    this.#isDirty = true
    // Nothing is acknowledged before it is stored under the new epoch.
    this.#stored = cursor
  }

  /** Takes an entry. False: a gap, or more than the window allows; the connection has to be closed. [QUE-3] [QUE-6] [QUE-12] */
  take(entry: InboxEntry): boolean {
    if (entry.type === FRAME.done) {
      this.#entries.push(entry)
      return true
    }
    const { index } = entry
    const isInOrder = entry.type === FRAME.skip ? index > this.#sentTo : index === this.#sentTo + 1
    if (!isInOrder || this.#entries.length > this.#window) return false
    this.#sentTo = index
    if (index <= this.#received) return true
    if (entry.type !== FRAME.skip && index !== this.#received + 1) return false
    this.#received = index
    this.#entries.push(entry)
    return true
  }

  /** What has come and was not given out; a new array. */
  waiting(): InboxEntry[] {
    return this.#entries.toArray()
  }

  /** The next entry in order; undefined if none waits. */
  shift(): InboxEntry | undefined {
    return this.#entries.shift()
  }

  /** An entry needs nothing more of the application. `isMessage`: another's "delivered" depends on it. */
  handled(index: number, isMessage: boolean): void {
    this.#handled = index
    this.#isDirty = true
    if (isMessage) this.#promptUpTo = index
  }

  /** The cursor to be stored with the next batch; null if the stored one is right. */
  drain(): { readonly queueEpoch: number; readonly cursor: number } | null {
    if (!this.#isDirty) return null
    this.#isDirty = false
    return { queueEpoch: this.#epoch, cursor: this.#handled }
  }

  /** A cursor that `drain` gave is on stable storage: it may be acknowledged. [QUE-4] */
  stored(queueEpoch: number, cursor: number): void {
    if (queueEpoch === this.#epoch && cursor > this.#stored) this.#stored = cursor
  }

  /** When the next cursor has to be sent; Infinity: there is nothing to acknowledge. [QUE-13] */
  cursorDueMs(nowMs: number): number {
    const cursor = Math.min(this.#stored, this.#sentTo)
    if (cursor <= this.#acknowledged) return Infinity
    // An index is at most one entry, so this is never later than half of the window.
    if ((cursor - this.#acknowledged) * 2 >= this.#window) return nowMs
    const dueMs = this.#promptUpTo > this.#acknowledged ? this.#cursorSentMs + CURSOR_GAP_MS : nowMs + CURSOR_LAZY_MS
    this.#cursorDueMs = Math.min(this.#cursorDueMs, Math.max(dueMs, nowMs))
    return this.#cursorDueMs
  }

  /** The index to send in a cursor frame, which then counts as sent; 0: nothing to acknowledge. */
  acknowledge(nowMs: number): number {
    const cursor = Math.min(this.#stored, this.#sentTo)
    if (cursor <= this.#acknowledged) return 0
    this.#acknowledged = cursor
    this.#cursorSentMs = nowMs
    this.#cursorDueMs = Infinity
    return cursor
  }
}
