/**
 * What comes off the queue, on its way to the application: in order, once, and behind what was missed. Knows where the queue goes on after each
 * welcome, and which message the application has in hand.
 */
import { expiryOf } from '../expiry.js'
import type { Frame, WelcomeFrame } from '../generated/frames.js'
import { ERROR, FRAME, MARK, RESUME } from '../generated/registry.js'
import type { Conversations } from './conversations.js'
import { bareEntry, changedEntry, changeEntry, deliveryEntry, listName, operationEntry, receiptEntry } from './core-frames.js'
import type { CoreEvent, CoreOptions, Message, WelcomeEvent } from './core-types.js'
import type { Ephemeral } from './ephemeral.js'
import type { Inbox, InboxEntry } from './inbox.js'
import { contentOf } from './message-content.js'
import type { Outbox } from './outbox.js'
import type { StorageChange } from './state.js'

/** What it works with; all of it is the core's. */
export interface ReceivingParts {
  readonly inbox: Inbox
  readonly conversations: Conversations
  readonly outbox: Outbox
  readonly ephemeral: Ephemeral
}

/** What it has the core do. */
export interface ReceivingHost {
  event(event: CoreEvent): void
  /** Into the next batch. */
  change(change: StorageChange): void
  /** The peer broke the protocol. The connection has ended when this returns. */
  fault(code: number, reason: string): void
}

export class Receiving {
  readonly #options: CoreOptions
  readonly #inbox: Inbox
  readonly #conversations: Conversations
  readonly #outbox: Outbox
  readonly #ephemeral: Ephemeral
  readonly #host: ReceivingHost
  #isBehind: boolean
  #isSynced = false
  #current: InboxEntry | null = null
  /** Rises with each `restart` of the queue, so that what began before it is not counted after it. */
  #queueLife = 0
  #currentLife = 0

  constructor(options: CoreOptions, isBehind: boolean, { inbox, conversations, outbox, ephemeral }: ReceivingParts, host: ReceivingHost) {
    this.#options = options
    this.#isBehind = isBehind
    this.#inbox = inbox
    this.#conversations = conversations
    this.#outbox = outbox
    this.#ephemeral = ephemeral
    this.#host = host
  }

  /** Whether what was missed has to be fetched before entries are given out. [QUE-9] */
  get isBehind(): boolean {
    return this.#isBehind
  }

  // ——— From the connection ———

  /** A connection begins: nothing has come by it. */
  connected(): void {
    this.#isSynced = false
  }

  /** Returns how the queue goes on. */
  opened(frame: WelcomeFrame): WelcomeEvent['resume'] {
    if (!this.#options.receives) return 'resumed'
    const resume = this.#takePosition(frame)
    this.#inbox.opened(Math.max(frame.window, 1), frame.cursor)
    return resume
  }

  /** Where the queue goes on. A server that resumes beyond our cursor has skipped something: that is too old by another name. [QUE-10] */
  #takePosition(frame: WelcomeFrame): WelcomeEvent['resume'] {
    const isSame = frame.resume === RESUME.resumed && frame.queueEpoch === this.#inbox.epoch && frame.cursor <= this.#inbox.cursor
    if (isSame) return 'resumed'
    const isFresh = frame.resume === RESUME.fresh && this.#inbox.epoch === 0
    this.#queueLife++
    const isOther = frame.queueEpoch !== this.#inbox.epoch || frame.cursor < this.#inbox.cursor
    if (!isFresh && this.#inbox.epoch !== 0 && isOther) {
      this.#noteExisting()
      this.#conversations.mayBeOthers()
    }
    this.#inbox.restart(frame.queueEpoch, frame.cursor)
    if (isFresh && !this.#options.fetchesWhenFresh) return 'fresh'
    this.#isBehind = true
    this.#host.change({ kind: 'behind', isBehind: true })
    return isFresh ? 'fresh' : 'tooOld'
  }

  /** What has come and is not handled was there as well: without it a conversation that begins anew could seem to be the same one, and longer. */
  #noteExisting(): void {
    for (const entry of this.#current === null ? this.#inbox.waiting() : [this.#current, ...this.#inbox.waiting()]) {
      if (takesSeq(entry)) this.#conversations.exists(entry.conversation, entry.seq)
    }
  }

  /** Takes a frame of the queue; false: it is none. */
  received(frame: Frame): boolean {
    switch (frame.type) {
      case FRAME.delivery: this.#take(deliveryEntry(frame, frame.conversation)); return true
      case FRAME.deliveryFrom: this.#take(deliveryEntry(frame, frame.from)); return true
      case FRAME.change: this.#take(changeEntry(frame)); return true
      case FRAME.operation: this.#take(operationEntry(frame)); return true
      case FRAME.receipt: this.#take(receiptEntry(frame)); return true
      case FRAME.changed: this.#take(changedEntry(frame)); return true
      case FRAME.skip: this.#take(bareEntry(frame)); return true
      case FRAME.done:
        if (this.#isSynced) this.#host.fault(ERROR.unexpectedFrame, 'done came twice')
        else this.#take(bareEntry(frame))
        this.#isSynced = true
        return true
      default: return false
    }
  }

  #take(entry: InboxEntry): void {
    // A server that does not know the extension sends them all the same. [QUE-19]
    if (!this.#options.receives) return
    if (!this.#inbox.take(entry)) this.#host.fault(ERROR.closed, 'a gap in the queue, or more than the window')
    else if (entry.type === FRAME.delivery || entry.type === FRAME.deliveryFrom) this.#ephemeral.messageCame(entry.conversation, entry.from)
  }

  // ——— To the application ———

  /** See ClientCore.nextMessage. */
  nextMessage(): Message | null {
    if (this.#current !== null || this.#isBehind) return null
    for (;;) {
      const entry = this.#inbox.shift()
      if (entry === undefined) return null
      const message = this.#giveOut(entry)
      if (message !== null) return message
    }
  }

  /** Carries out an entry, or returns it as a message if the application has to have it first. */
  #giveOut(entry: InboxEntry): Message | null {
    if (entry.type === FRAME.done) {
      this.#host.event({ kind: 'synced', index: entry.index })
      return null
    }
    if (entry.type === FRAME.receipt) {
      const isKnown = entry.mark === MARK.delivered || entry.mark === MARK.read
      if (isKnown) this.#conversations.mark(entry.conversation, entry.from, entry.mark, entry.seq)
    } else if (entry.type === FRAME.changed) {
      const list = listName(entry.mark)
      if (list !== null) this.#host.event({ kind: 'changed', changed: { list, version: entry.seq } })
    } else if (entry.type !== FRAME.skip) {
      if (this.#conversations.isNews(entry.conversation, entry.seq)) {
        this.#current = entry
        this.#currentLife = this.#queueLife
        return this.#messageOf(entry)
      }
      // Sent by this device, or fetched from history before: the application has it.
      this.#conversations.shown(entry.conversation, entry.seq, false)
    }
    this.#inbox.handled(entry.index, entry.type !== FRAME.receipt && entry.type !== FRAME.skip)
    return null
  }

  #messageOf(entry: InboxEntry): Message {
    const { conversation, from, seq, index, timeMs, text, extensions, change, operation } = entry
    return {
      conversation, from, seq, index, timeMs, text, own: from === this.#options.user, missed: false, ...contentOf(extensions), extensions,
      expiresMs: expiryOf(extensions), change, operation,
    }
  }

  /** Whether the application has this in hand just now. */
  isInHand(conversation: string, seq: number): boolean {
    return this.#current?.conversation === conversation && this.#current.seq === seq
  }

  /** See ClientCore.handled. */
  handled(): void {
    const entry = this.#current
    if (entry === null) throw new TypeError('no message is being handled')
    this.#current = null
    this.noteShown(entry.conversation, entry.from, entry.seq)
    // After a restart of the queue its index means nothing, but that the application has it is still true.
    if (this.#currentLife === this.#queueLife) this.#inbox.handled(entry.index, true)
  }

  /** The application has it, from the queue or from the history. */
  noteShown(conversation: string, from: string, seq: number): void {
    this.#conversations.shown(conversation, seq, from === this.#options.user && this.#outbox.hasUnanswered(conversation))
  }

  /** All that was missed is fetched; entries are given out again. */
  caughtUp(): void {
    if (!this.#isBehind) return
    this.#isBehind = false
    this.#conversations.caughtUp()
    this.#host.change({ kind: 'behind', isBehind: false })
  }
}

/** Whether the entry stands in the log of its conversation, at its seq. */
function takesSeq({ type }: InboxEntry): boolean {
  return type === FRAME.delivery || type === FRAME.deliveryFrom || type === FRAME.change || type === FRAME.operation
}
