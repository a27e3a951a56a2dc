/** What the client knows of its conversations: how far they go, what the application has seen of them, and who has received and read. */
import { MARK } from '../generated/registry.js'
import { addSeq, dropUpTo, hasSeq } from './ranges.js'
import type { ClientState, DoubtRecord, StorageChange } from './state.js'

/** A watermark rose as far as the client can show it. [RCP-9] */
export interface ReceiptEvent {
  readonly conversation: string
  /** Whose; the user's own name: read on another device. */
  readonly member: string
  readonly mark: 'delivered' | 'read'
  readonly seq: number
}

export interface MemberMarks {
  readonly member: string
  readonly delivered: number
  readonly read: number
}

/** All that is known of one conversation without asking. */
export interface Watermarks {
  /** Highest seq known to exist; 0: none. */
  readonly tail: number
  /** Highest seq that this device has been given as a message. */
  readonly shown: number
  /** The user's own read watermark. */
  readonly read: number
  /** Of the others. */
  readonly members: readonly MemberMarks[]
}

interface Marks {
  delivered: number
  read: number
  isDirty: boolean
}

class Conversation {
  tail = 0
  shown = 0
  own: readonly number[] = []
  echoes: readonly number[] = []
  /** See `mayBeOthers`; null: it is the one that is known. */
  doubt: DoubtRecord | null = null
  readonly members = new Map<string, Marks>()
  isDirty = false
  areMarksDirty = false
  /** Whether a watermark lies beyond the tail. */
  isAhead = false
}

export class Conversations {
  readonly #user: string
  readonly #byName = new Map<string, Conversation>()
  readonly #dirty = new Set<string>()
  #events: ReceiptEvent[] = []

  constructor(state: ClientState, user: string) {
    this.#user = user
    for (const [name, record] of state.conversations) {
      const known = new Conversation()
      known.tail = record.tail
      known.shown = record.shown
      known.own = record.own
      known.echoes = record.echoes
      known.doubt = record.doubt ?? null
      for (const [member, { delivered, read }] of record.members) {
        known.members.set(member, { delivered, read, isDirty: false })
        if (Math.max(delivered, read) > known.tail) known.isAhead = true
      }
      this.#byName.set(name, known)
    }
  }

  /** Receipts to tell the application, since the last call. */
  takeEvents(): readonly ReceiptEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  /** What has to be stored, since the last call. */
  drain(): StorageChange[] {
    const changes: StorageChange[] = []
    for (const conversation of this.#dirty) {
      const known = this.#get(conversation)
      if (known.isDirty) {
        const { tail, shown, own, echoes, doubt } = known
        changes.push({ kind: 'conversation', conversation, tail, shown, own, echoes, ...doubt === null ? {} : { doubt } })
        known.isDirty = false
      }
      if (!known.areMarksDirty) continue
      known.areMarksDirty = false
      for (const [member, marks] of known.members) {
        if (!marks.isDirty) continue
        marks.isDirty = false
        changes.push({ kind: 'watermark', conversation, member, delivered: marks.delivered, read: marks.read })
      }
    }
    this.#dirty.clear()
    return changes
  }

  /**
   * The queue is another one, or ends before where this device was: then the service may have begun anew, or gone back to a backup, and conversations
   * that are shorter than known, or not there, are others of the same names. In an ordinary "too old" they only seem to be, since the list may
   * know of a message a little later than the device that sent it. Called before anything is learned of what the service has now; what it then
   * accepts says nothing of what was known before. Stored, for who is killed before it has caught up.
   */
  mayBeOthers(): void {
    for (const [name, known] of this.#byName) this.#setDoubt(name, known, { tail: known.tail, accepted: [] })
  }

  /** How far those were known to go that may be others; none that was forgotten meanwhile. */
  tailsBefore(): Map<string, number> {
    const tails = new Map<string, number>()
    for (const [name, { doubt }] of this.#byName) if (doubt !== null) tails.set(name, doubt.tail)
    return tails
  }

  /** All of them are what they are known to be. */
  caughtUp(): void {
    for (const [name, known] of this.#byName) if (known.doubt !== null) this.#setDoubt(name, known, null)
  }

  /** The log that was known is gone, and if there is one of this name it is another: that which has accepted messages of this device since. */
  forget(conversation: string): void {
    const known = this.#get(conversation)
    const accepted = known.doubt?.accepted ?? []
    known.doubt = null
    known.tail = accepted.at(-1) ?? 0
    known.shown = 0
    known.own = accepted
    known.echoes = []
    known.isAhead = false
    for (const marks of known.members.values()) {
      marks.delivered = 0
      marks.read = 0
      marks.isDirty = true
    }
    known.areMarksDirty = true
    this.#touch(conversation, known)
  }

  /** Whether the application has not been given this message yet, in whatever way. Changes nothing. */
  isNews(conversation: string, seq: number): boolean {
    const known = this.#byName.get(conversation)
    return known === undefined || (seq > known.shown && !hasSeq(known.own, seq))
  }

  /**
   * The application has the message. `isEchoOfOwn`: it is the user's own while a message of this device waits for an answer, so that it
   * may be that one; the ack will tell.
   */
  shown(conversation: string, seq: number, isEchoOfOwn: boolean): void {
    const known = this.#get(conversation)
    if (seq > known.shown) known.shown = seq
    if (known.own.length > 0) known.own = dropUpTo(known.own, seq)
    if (isEchoOfOwn) known.echoes = addSeq(known.echoes, seq)
    this.#touch(conversation, known)
    this.exists(conversation, seq)
  }

  /**
   * A message of this device was accepted as `seq`; returns whether the application was given it as an entry already.
   * `isLast`: no other message of this device to this conversation waits for an answer.
   */
  accepted(conversation: string, seq: number, isLast: boolean): boolean {
    const known = this.#get(conversation)
    const isEchoed = hasSeq(known.echoes, seq)
    const { doubt } = known
    if (doubt !== null) known.doubt = { ...doubt, accepted: addSeq(doubt.accepted, seq) }
    if (doubt !== null || seq > known.shown) known.own = addSeq(known.own, seq)
    if (isLast) known.echoes = []
    this.#touch(conversation, known)
    this.exists(conversation, seq)
    return isEchoed
  }

  /** There are messages up to `seq`: watermarks may be shown that far. [RCP-9] */
  exists(conversation: string, seq: number): void {
    const known = this.#get(conversation)
    if (seq <= known.tail) return
    const before = known.tail
    known.tail = seq
    this.#touch(conversation, known)
    if (!known.isAhead) return
    known.isAhead = false
    for (const [member, marks] of known.members) {
      this.#tell(conversation, member, 'delivered', Math.min(marks.delivered, before), Math.min(marks.delivered, seq))
      this.#tell(conversation, member, 'read', Math.min(marks.read, before), Math.min(marks.read, seq))
      if (Math.max(marks.delivered, marks.read) > seq) known.isAhead = true
    }
  }

  /** A watermark was told; it never falls. [RCP-9] `member` '': the other user of the pair. Silent: the application knows. */
  mark(conversation: string, member: string, mark: number, seq: number, isSilent = false): void {
    const known = this.#get(conversation)
    const name = member === '' ? conversation : member
    let marks = known.members.get(name)
    if (marks === undefined) {
      marks = { delivered: 0, read: 0, isDirty: false }
      known.members.set(name, marks)
    }
    const before = mark === MARK.read ? marks.read : marks.delivered
    if (seq <= before) return
    if (mark === MARK.read) marks.read = seq
    else marks.delivered = seq
    if (seq > known.tail) known.isAhead = true
    marks.isDirty = true
    known.areMarksDirty = true
    this.#dirty.add(conversation)
    if (isSilent) return
    this.#tell(conversation, name, mark === MARK.read ? 'read' : 'delivered', Math.min(before, known.tail), Math.min(seq, known.tail))
  }

  /** As far as it can be shown. [RCP-4] [RCP-9] */
  watermarks(conversation: string): Watermarks {
    const known = this.#byName.get(conversation)
    if (known === undefined) return { tail: 0, shown: 0, read: 0, members: [] }
    const members: MemberMarks[] = []
    for (const [member, marks] of known.members) {
      if (member === this.#user) continue
      const read = Math.min(marks.read, known.tail)
      members.push({ member, delivered: Math.max(read, Math.min(marks.delivered, known.tail)), read })
    }
    const read = Math.min(known.members.get(this.#user)?.read ?? 0, known.tail)
    return { tail: known.tail, shown: known.shown, read, members }
  }

  #tell(conversation: string, member: string, mark: 'delivered' | 'read', before: number, seq: number): void {
    if (seq > before) this.#events.push({ conversation, member, mark, seq })
  }

  #setDoubt(conversation: string, known: Conversation, doubt: DoubtRecord | null): void {
    known.doubt = doubt
    this.#touch(conversation, known)
  }

  #touch(conversation: string, known: Conversation): void {
    known.isDirty = true
    this.#dirty.add(conversation)
  }

  #get(conversation: string): Conversation {
    let known = this.#byName.get(conversation)
    if (known === undefined) {
      known = new Conversation()
      this.#byName.set(conversation, known)
    }
    return known
  }
}
