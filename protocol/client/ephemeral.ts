/**
 * The client's side of the ephemeral lane: whom it watches, who types, what it tells of itself. Nothing here is stored; a connection
 * that ends takes what was known with it, and the next one is asked anew. [PRS-8]
 */
import { normalizeConversation, normalizeUser } from '../address.js'
import { encodeActivity, encodeTyping, encodeUnwatch, encodeWatch } from '../generated/frames.js'
import type { DeclineFrame, PresenceFrame, TypingFromFrame } from '../generated/frames.js'
import { ACTIVITY, ERROR, FRAME, LIMIT, PRESENCE, TYPING } from '../generated/registry.js'
import { serverError } from './client-error.js'
import type { ClientError } from './client-error.js'

/** What is known of a user who is watched. */
export interface PresenceEvent {
  readonly user: string
  readonly isOnline: boolean
  /** Unix time; null: online now, not known or not shown. */
  readonly lastSeenMs: number | null
}

export type TypingKind = keyof typeof TYPING

/** Another member of a conversation types, records, or has stopped. */
export interface TypingEvent {
  readonly conversation: string
  readonly from: string
  readonly kind: TypingKind
}

/** The server did not take a part of what was told or asked; nothing else changed. */
export interface DeclinedEvent {
  readonly what: 'activity' | 'watch' | 'unwatch' | 'typing'
  readonly names: readonly string[]
  readonly error: ClientError
}

export type EphemeralEvent =
  | { readonly kind: 'presence'; readonly presence: PresenceEvent }
  | { readonly kind: 'typing'; readonly typing: TypingEvent }
  | { readonly kind: 'declined'; readonly declined: DeclinedEvent }

export interface EphemeralHost {
  push(frame: Uint8Array): void
  event(event: EphemeralEvent): void
}

/** Conversations whose typing is remembered, in either direction: no person follows more. */
const TYPING_MAX = 256
/** No typing is believed for longer, whatever the server says. */
const EXPIRY_MS_MAX = 60_000

const KINDS = new Map<number, TypingKind>(Object.entries(TYPING).map(([name, kind]) => [kind, name as TypingKind]))
const WHATS = new Map<number, DeclinedEvent['what']>([
  [FRAME.activity, 'activity'], [FRAME.watch, 'watch'], [FRAME.unwatch, 'unwatch'], [FRAME.typing, 'typing'],
])

interface Typist {
  readonly conversation: string
  readonly from: string
  readonly dueMs: number
}

export class Ephemeral {
  readonly #host: EphemeralHost
  readonly #watched = new Set<string>()
  readonly #known = new Map<string, PresenceEvent>()
  /** By conversation and user. */
  readonly #typists = new Map<string, Typist>()
  /** What was told last, by conversation, the oldest first. */
  readonly #told = new Map<string, { readonly kind: TypingKind; readonly atMs: number }>()
  /** Told again when the server's rate allows: who is watched is, who is not any more is let go. */
  readonly #again = new Set<string>()
  #isAllAgain = false
  #againMs = Infinity
  #isActive = true
  /** What the server takes it for. */
  #isToldActive = true
  #isOpen = false

  constructor(host: EphemeralHost) {
    this.#host = host
  }

  /** When `tick` has something to do. */
  get dueMs(): number {
    let dueMs = this.#againMs
    for (const typist of this.#typists.values()) dueMs = Math.min(dueMs, typist.dueMs)
    return dueMs
  }

  known(user: string): PresenceEvent | null {
    return this.#known.get(user) ?? null
  }

  // What the application tells

  setActive(isActive: boolean): void {
    this.#isActive = isActive
    if (this.#isOpen) this.#tellActivity()
  }

  /** null, or why not: then nothing is watched that was not before. */
  watch(users: readonly string[]): ClientError | null {
    const names = normalAll(users)
    if (names === null) return serverError(ERROR.malformedAddress, '', 0)
    const added = names.filter((name) => !this.#watched.has(name))
    for (const name of added) this.#watched.add(name)
    if (this.#isOpen) this.#sendWatches([...new Set(added)])
    return null
  }

  /** No users: all. */
  unwatch(users: readonly string[]): ClientError | null {
    const names = normalAll(users)
    if (names === null) return serverError(ERROR.malformedAddress, '', 0)
    const isAll = names.length === 0
    const removed = (isAll ? [...this.#watched] : names).filter((name) => this.#watched.delete(name))
    for (const name of removed) this.#known.delete(name)
    if (!this.#isOpen || removed.length === 0) return null
    if (isAll) this.#host.push(encodeUnwatch([]))
    else for (const some of portions(removed)) this.#host.push(encodeUnwatch(some))
    return null
  }

  /** Told no more often than the server would forward it, and not at all without a connection. [PRS-16] */
  type(nowMs: number, conversation: string, kind: TypingKind): ClientError | null {
    const name = normalizeConversation(conversation)
    if (name === null) return serverError(ERROR.malformedAddress, '', 0)
    const last = this.#told.get(name)
    const isRepeated = kind === (last?.kind ?? 'paused')
    if (!this.#isOpen || (isRepeated && (kind === 'paused' || nowMs - (last?.atMs ?? 0) < LIMIT.typingRefreshMs))) return null
    this.#told.delete(name)
    this.#told.set(name, { kind, atMs: nowMs })
    dropOldest(this.#told)
    this.#host.push(encodeTyping(name, TYPING[kind]))
    return null
  }

  /** A message ends one's own typing without a word. */
  sent(conversation: string): void {
    this.#told.delete(conversation)
  }

  // What happens to the connection

  /** Bind goes out. */
  binding(): void {
    this.#isToldActive = true
    this.#tellActivity()
  }

  opened(): void {
    this.#isOpen = true
    this.#tellActivity()
    this.#sendWatches([...this.#watched])
  }

  lost(): void {
    this.#isOpen = false
    this.#known.clear()
    this.#told.clear()
    this.#again.clear()
    this.#isAllAgain = false
    this.#againMs = Infinity
    // That it was paused may be said while nobody hears it.
    for (const key of [...this.#typists.keys()]) this.#end(key)
  }

  // What comes

  presence(frame: PresenceFrame): void {
    // One on its way while the watch was ended.
    if (!this.#watched.has(frame.user)) return
    const presence = { user: frame.user, isOnline: frame.state === PRESENCE.online, lastSeenMs: frame.lastSeen === 0 ? null : frame.lastSeen }
    this.#known.set(frame.user, presence)
    this.#host.event({ kind: 'presence', presence })
  }

  typing(nowMs: number, { conversation, from, kind: value, expiresMs }: TypingFromFrame): void {
    const kind = KINDS.get(value)
    if (kind === undefined) return
    const key = `${conversation}\0${from}`
    if (kind === 'paused' || expiresMs === 0) {
      this.#end(key)
      return
    }
    this.#typists.delete(key)
    this.#typists.set(key, { conversation, from, dueMs: nowMs + Math.min(expiresMs, EXPIRY_MS_MAX) })
    const [oldest] = this.#typists.keys()
    if (this.#typists.size > TYPING_MAX && oldest !== undefined) this.#end(oldest)
    this.#host.event({ kind: 'typing', typing: { conversation, from, kind } })
  }

  /** [PRS-14] */
  messageCame(conversation: string, from: string): void {
    if (this.#typists.size > 0) this.#end(`${conversation}\0${from}`)
  }

  declined(nowMs: number, frame: DeclineFrame): void {
    const what = WHATS.get(frame.frame)
    if (what === undefined) return
    const isWatching = what === 'watch' || what === 'unwatch'
    if (isWatching && frame.error === ERROR.rateLimited) {
      for (const name of frame.names) this.#again.add(name)
      if (frame.names.length === 0) this.#isAllAgain = true
      // Never at once: that would come back as fast as the wire allows.
      const dueMs = nowMs + Math.max(frame.retryAfterMs, LIMIT.reconnectBaseMs)
      this.#againMs = this.#againMs === Infinity ? dueMs : Math.max(this.#againMs, dueMs)
      return
    }
    if (what === 'watch') {
      for (const name of frame.names) {
        this.#watched.delete(name)
        this.#known.delete(name)
      }
    }
    const error = serverError(frame.error, frame.reason, frame.retryAfterMs)
    this.#host.event({ kind: 'declined', declined: { what, names: [...frame.names], error } })
  }

  tick(nowMs: number): void {
    for (const [key, { dueMs }] of [...this.#typists]) if (dueMs <= nowMs) this.#end(key)
    if (nowMs < this.#againMs) return
    const names = this.#isAllAgain ? [...this.#watched] : [...this.#again]
    if (this.#isAllAgain) this.#host.push(encodeUnwatch([]))
    this.#again.clear()
    this.#isAllAgain = false
    this.#againMs = Infinity
    for (const some of portions(names.filter((name) => !this.#watched.has(name)))) this.#host.push(encodeUnwatch(some))
    this.#sendWatches(names.filter((name) => this.#watched.has(name)))
  }

  /** If the server takes it for something else. */
  #tellActivity(): void {
    if (this.#isToldActive === this.#isActive) return
    this.#isToldActive = this.#isActive
    this.#host.push(encodeActivity(this.#isActive ? ACTIVITY.active : ACTIVITY.inactive))
  }

  #sendWatches(names: readonly string[]): void {
    for (const some of portions(names)) this.#host.push(encodeWatch(some))
  }

  #end(key: string): void {
    const typist = this.#typists.get(key)
    if (typist === undefined) return
    this.#typists.delete(key)
    this.#host.event({ kind: 'typing', typing: { conversation: typist.conversation, from: typist.from, kind: 'paused' } })
  }
}

/** null: one of them is no name. */
function normalAll(users: readonly string[]): string[] | null {
  const names = users.map(normalizeUser).filter((name) => name !== null)
  return names.length === users.length ? names : null
}

function dropOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys()
  if (map.size > TYPING_MAX && oldest !== undefined) map.delete(oldest)
}

/** As many as a list field takes. [FRM-17] */
function portions(names: readonly string[]): string[][] {
  const all: string[][] = []
  for (let from = 0; from < names.length; from += LIMIT.listItemsMax) all.push(names.slice(from, from + LIMIT.listItemsMax))
  return all
}
