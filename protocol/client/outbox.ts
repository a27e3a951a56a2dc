/**
 * The outbox: what a client wants accepted and has not seen answered. It decides what is sent next and under which client id; the
 * rules that keep a message exactly once are here.
 *
 *     add ─▶ staged ─(stored)─▶ ready ─(sent)─▶ flying ─(ack, final refusal)─▶ gone
 *              ▲                │ ▲                │
 *              │                │ └─(lost)─────────┤
 *              └─(its turn: new id)─ held ◀────────┘ (retryable, stale-client-id)
 *                               │     ▲
 *                               └─────┘ (behind one of its conversation that is held)
 *
 * Invariants: `ready` and `flying` are in the order of their client ids, and every id in `ready` is higher than those in `flying`, so
 * that ids rise within a session [MSG-2]. An entry that may have been sent under its present id keeps that id [MSG-13], and only an
 * answer can take it from it. Nothing is sent that is not stored [MSG-12].
 *
 * What is held goes one at a time, in the order in which it was added, and not before all that is in flight of its conversation has an
 * answer [MSG-20]. So where an entry has a lower id than an earlier one of its conversation, it was held when that took its new id, and
 * was never accepted under its own: that is how the order is known again after a crash.
 */
import { Deque } from './deque.js'
import type { ClientState, OutboxRecord, StanzaKind, StorageChange } from './state.js'

/** One message, mark or operation that waits for its answer. Fields change only by the outbox. */
export class OutboxEntry {
  readonly handle: number
  clientId: number
  readonly kind: StanzaKind
  readonly to: string
  readonly text: string
  readonly extensions: Uint8Array
  readonly seq: number
  /** Whether it may have reached the server under its present client id. */
  maybeSent: boolean

  constructor(record: OutboxRecord, maybeSent: boolean) {
    this.handle = record.handle
    this.clientId = record.clientId
    this.kind = record.kind
    this.to = record.to
    this.text = record.text
    this.extensions = record.extensions
    this.seq = record.seq
    this.maybeSent = maybeSent
  }

  toRecord(): OutboxRecord {
    const { handle, clientId, kind, to, text, extensions, seq } = this
    return { handle, clientId, kind, to, text, extensions, seq }
  }
}

/** What waits of a conversation since something was refused for a time: its later stanzas wait too, so that their order stays. [MSG-20] */
interface Held {
  /** No sooner than this. */
  dueMs: number
  /** The one whose turn it is: staged, ready or in flight. */
  current: OutboxEntry | null
  /** In the order of their handles. */
  readonly entries: OutboxEntry[]
}

export class Outbox {
  #nextClientId: number
  #nextHandle: number
  readonly #entries = new Map<number, OutboxEntry>()
  readonly #ready = new Deque<OutboxEntry>()
  /** By client id, in the order of sending. */
  readonly #flying = new Map<number, OutboxEntry>()
  /** By conversation. */
  readonly #held = new Map<string, Held>()
  #staged: OutboxEntry[] = []
  #changes: StorageChange[] = []
  /** By conversation: messages that may have been accepted without our knowing. */
  readonly #unanswered = new Map<string, number>()

  /** Takes over what storage holds: after a crash nobody knows what was sent, so all of it may have been. */
  constructor(state: ClientState) {
    this.#nextClientId = state.nextClientId
    this.#nextHandle = state.nextHandle
    const records = [...state.outbox.values()].sort((left, right) => left.handle - right.handle)
    const highestIds = new Map<string, number>()
    const ready: OutboxEntry[] = []
    for (const record of records) {
      // It was given a new id after this one, or waited behind one that was.
      const wasHeld = this.#held.has(record.to) || record.clientId < (highestIds.get(record.to) ?? 0)
      const entry = new OutboxEntry(record, !wasHeld)
      this.#entries.set(entry.handle, entry)
      if (wasHeld) {
        this.#hold(entry, 0)
        continue
      }
      highestIds.set(record.to, record.clientId)
      this.#countUnanswered(entry, 1)
      ready.push(entry)
    }
    this.#ready.reset(ready.sort((left, right) => left.clientId - right.clientId))
  }

  /** Entries without an answer. */
  get size(): number {
    return this.#entries.size
  }

  /** Entries sent in this session and not answered. [MSG-15] */
  get flyingCount(): number {
    return this.#flying.size
  }

  /** Entries in the order in which they were added. */
  list(): OutboxEntry[] {
    return [...this.#entries.values()].sort((left, right) => left.handle - right.handle)
  }

  /** Takes in a stanza; it is ready once the batch of changes that holds it is stored. */
  add(kind: StanzaKind, to: string, text: string, extensions: Uint8Array, seq: number): OutboxEntry {
    const record = { handle: this.#nextHandle++, clientId: this.#nextClientId++, kind, to, text, extensions, seq }
    const entry = new OutboxEntry(record, false)
    this.#entries.set(entry.handle, entry)
    this.#changes.push({ kind: 'outboxPut', record })
    this.#staged.push(entry)
    return entry
  }

  /** What has to be stored, and the entries that become ready by it. The caller gives the latter back to `stored` when it is. */
  drain(): { readonly changes: readonly StorageChange[]; readonly staged: readonly OutboxEntry[] } {
    const drained = { changes: this.#changes, staged: this.#staged }
    this.#changes = []
    this.#staged = []
    return drained
  }

  /** The changes that made these entries are stored: they may be sent. Batches come back in the order in which they were drained. */
  stored(staged: readonly OutboxEntry[]): void {
    for (const entry of staged) this.#ready.push(entry)
  }

  /** The entry to send next; undefined if nothing may be sent. */
  next(): OutboxEntry | undefined {
    for (;;) {
      const entry = this.#ready.peek()
      if (entry === undefined) return undefined
      // What may have been sent keeps its id, and so its place in the order: it can't wait behind a message of a higher id.
      if (entry.maybeSent || this.#mayPass(entry)) return entry
      this.#ready.shift()
      this.#hold(entry, 0)
    }
  }

  /** The entry that `next` gave goes out now. */
  sent(entry: OutboxEntry): void {
    this.#ready.shift()
    this.#flying.set(entry.clientId, entry)
    if (!entry.maybeSent) this.#countUnanswered(entry, 1)
    entry.maybeSent = true
  }

  /** Accepted or refused for good: the entry is gone, from storage too with the next batch. Undefined for an id that is not in flight. */
  answered(clientId: number): OutboxEntry | undefined {
    const entry = this.#flying.get(clientId)
    if (entry === undefined) return undefined
    this.#flying.delete(clientId)
    this.#entries.delete(entry.handle)
    this.#countUnanswered(entry, -1)
    this.#endTurn(entry)
    this.#changes.push({ kind: 'outboxRemove', handle: entry.handle })
    return entry
  }

  /** Refused, but may succeed under a new client id from `dueMs` on; until then it keeps the old one. [MSG-16] */
  refused(clientId: number, dueMs: number): OutboxEntry | undefined {
    const entry = this.#flying.get(clientId)
    if (entry === undefined) return undefined
    this.#flying.delete(clientId)
    this.#countUnanswered(entry, -1)
    this.#endTurn(entry)
    entry.maybeSent = false
    this.#hold(entry, dueMs)
    return entry
  }

  /** When something that is held may go; Infinity: not before an answer. */
  get nextDueMs(): number {
    let dueMs = Infinity
    for (const [conversation, held] of this.#held) if (this.#isIdle(conversation, held)) dueMs = Math.min(dueMs, held.dueMs)
    return dueMs
  }

  /** Lets go of what is due the first of each conversation, under a new id: others were sent meanwhile under higher ones. */
  release(nowMs: number): void {
    if (this.#held.size === 0) return
    for (const [conversation, held] of this.#held) {
      if (held.dueMs > nowMs || !this.#isIdle(conversation, held)) continue
      const entry = held.entries.shift()
      if (entry === undefined) {
        this.#held.delete(conversation)
        continue
      }
      held.current = entry
      entry.clientId = this.#nextClientId++
      this.#changes.push({ kind: 'outboxPut', record: entry.toRecord() })
      this.#staged.push(entry)
    }
  }

  /** The connection is gone: what was in flight is sent again first, in order, under the same ids. [MSG-13] */
  lost(): void {
    if (this.#flying.size === 0) return
    this.#ready.reset([...this.#flying.values(), ...this.#ready.toArray()])
    this.#flying.clear()
  }

  /** Whether a message or operation of this conversation may have been accepted without our knowing. */
  hasUnanswered(conversation: string): boolean {
    return this.#unanswered.has(conversation)
  }

  #mayPass(entry: OutboxEntry): boolean {
    const held = this.#held.get(entry.to)
    return held === undefined || held.current === entry
  }

  /** Whether nothing of the conversation may yet be accepted. */
  #isIdle(conversation: string, held: Held): boolean {
    return held.current === null && !this.#unanswered.has(conversation)
  }

  #hold(entry: OutboxEntry, dueMs: number): void {
    let held = this.#held.get(entry.to)
    if (held === undefined) {
      held = { dueMs, current: null, entries: [] }
      this.#held.set(entry.to, held)
    }
    held.dueMs = Math.max(held.dueMs, dueMs)
    let place = held.entries.length
    while (place > 0 && held.entries[place - 1]!.handle > entry.handle) place--
    held.entries.splice(place, 0, entry)
  }

  #endTurn(entry: OutboxEntry): void {
    const held = this.#held.get(entry.to)
    if (held?.current === entry) held.current = null
  }

  #countUnanswered(entry: OutboxEntry, step: 1 | -1): void {
    if (entry.kind === 'mark') return
    const count = (this.#unanswered.get(entry.to) ?? 0) + step
    if (count > 0) this.#unanswered.set(entry.to, count)
    else this.#unanswered.delete(entry.to)
  }
}
