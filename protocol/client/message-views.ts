/**
 * Messages of one conversation as operations have left them: what a screen shows. It takes messages as they come or as history has them,
 * and operations from the queue, from history and of this device, in any order of arrival, each as often as it likes: the seqs say which
 * holds. [OPS-5] [OPS-9] [OPS-15]
 */
import type { Attachment } from '../attachments.js'
import { isExpired } from '../expiry.js'
import type { ReactionRecord } from './query-elements.js'
import type { OperationName } from './state.js'

export interface MessageView {
  readonly text: string
  readonly attachments: readonly Attachment[]
  readonly isEdited: boolean
  readonly isDeleted: boolean
  /** Its time is up: nothing of it is left, and it is to be shown no more. [DIS-8] */
  readonly isExpired: boolean
  /** Those given most first, of equals the one that comes first in the alphabet of code points. */
  readonly reactions: readonly ReactionRecord[]
}

/** What is taken of a message. Those of the queue have no state; `asOf` is the tail that came with the page of history. */
export interface MessageSource {
  readonly seq: number
  readonly text: string
  /** Default: none. */
  readonly attachments?: readonly Attachment[]
  readonly isDeleted?: boolean
  readonly editedMs?: number | null
  readonly reactions?: readonly ReactionRecord[]
  /** As the message says; 0: it stays. */
  readonly expiresMs?: number
}

export interface OperationSource {
  readonly seq: number
  readonly from: string
  readonly target: number
  readonly kind: OperationName | null
  readonly text: string
}

interface State {
  text: string
  attachments: readonly Attachment[]
  isEdited: boolean
  isDeleted: boolean
  /** 0: it stays. */
  expiresMs: number
  isExpired: boolean
  /** Operations up to here are in it. */
  asOf: number
  editSeq: number
  /** By user. */
  readonly reactions: Map<string, { readonly seq: number; readonly emoji: string }>
  /** By emoji: how many of those who reacted are not known by name. */
  readonly nameless: Map<string, number>
}

export class MessageViews {
  readonly #user: string
  readonly #messages = new Map<number, State>()
  /** Operations on messages that are not here yet, by target. */
  readonly #early = new Map<number, OperationSource[]>()
  readonly #earlyMax: number
  #waiting = 0

  /** @param earlyMax operations kept for messages that have not come; beyond it those on further messages are lost, and history has them */
  constructor(user: string, earlyMax = 1024) {
    this.#user = user
    this.#earlyMax = earlyMax
  }

  get(seq: number): MessageView | null {
    const state = this.#messages.get(seq)
    return state === undefined ? null : this.#viewOf(state)
  }

  /** `asOf`: 0 for a message of the queue, else the tail of its page. One that is known by a later page stays. */
  add(message: MessageSource, asOf: number): void {
    const { seq, text, attachments = [], expiresMs = 0, editedMs = null, reactions = [] } = message
    const isEmpty = text === '' && attachments.length === 0
    const { isDeleted = isEmpty && expiresMs === 0 } = message
    const known = this.#messages.get(seq)
    if (known?.isExpired === true) return
    if (known !== undefined && (asOf === 0 || asOf <= known.asOf)) return
    const state: State = {
      text, attachments: isDeleted ? [] : attachments, isDeleted, expiresMs, isExpired: expiresMs > 0 && isEmpty, isEdited: editedMs !== null, asOf, editSeq: asOf, reactions: new Map(), nameless: new Map(),
    }
    for (const { emoji, count, users } of reactions) {
      for (const user of users) state.reactions.set(user, { seq: asOf, emoji })
      if (count > users.length) state.nameless.set(emoji, count - users.length)
    }
    // What came behind that page is not in it.
    if (known !== undefined) keepLater(known, state)
    this.#messages.set(seq, state)
    for (const operation of this.#early.get(seq) ?? []) applyTo(state, operation)
    this.#waiting -= this.#early.get(seq)?.length ?? 0
    this.#early.delete(seq)
  }

  apply(operation: OperationSource): void {
    const state = this.#messages.get(operation.target)
    if (state !== undefined) {
      applyTo(state, operation)
      return
    }
    // Of one that has been replaced, or that is not known, nothing is left to show.
    if (operation.kind === null || (operation.kind === 'edit' && operation.text === '')) return
    const early = this.#early.get(operation.target) ?? []
    const kept = early.filter((other) => !replaces(operation, other))
    if (early.some((other) => replaces(other, operation)) || (kept.length === early.length && this.waiting >= this.#earlyMax)) return
    this.#waiting += kept.length + 1 - early.length
    this.#early.set(operation.target, [...kept, operation])
  }

  /** Operations that wait for their messages. */
  get waiting(): number {
    return this.#waiting
  }

  /** Drops what has expired by this time of the server's clock; returns the seqs of those messages, ascending. [DIS-8] */
  expire(nowMs: number): readonly number[] {
    const gone: number[] = []
    for (const [seq, state] of this.#messages) {
      if (state.isExpired || !isExpired(state.expiresMs, nowMs)) continue
      gone.push(seq)
      state.isExpired = true
      state.text = ''
      state.attachments = []
      state.reactions.clear()
      state.nameless.clear()
    }
    return gone.sort((one, other) => one - other)
  }

  /** When the next one expires; Infinity: none does. */
  get nextExpiryMs(): number {
    let next = Infinity
    for (const { expiresMs, isExpired: isGone } of this.#messages.values()) if (expiresMs > 0 && !isGone && expiresMs < next) next = expiresMs
    return next
  }

  /** Messages below `seq` are not shown any more. */
  forgetBelow(seq: number): void {
    for (const known of this.#messages.keys()) if (known < seq) this.#messages.delete(known)
  }

  #viewOf({ text, attachments, isEdited, isDeleted, isExpired: isGone, reactions, nameless }: State): MessageView {
    if (isDeleted || isGone) return { text: '', attachments: [], isEdited: false, isDeleted, isExpired: isGone, reactions: [] }
    const users = new Map<string, string[]>([...nameless.keys()].map((emoji) => [emoji, []]))
    for (const [user, { emoji }] of reactions) {
      if (emoji === '') continue
      const others = users.get(emoji)
      if (others === undefined) users.set(emoji, [user])
      else others.push(user)
    }
    const counted = [...users].map(([emoji, named]) => (
      { emoji, count: named.length + (nameless.get(emoji) ?? 0), own: named.includes(this.#user), users: named.sort() }
    ))
    counted.sort((one, other) => other.count - one.count || (one.emoji < other.emoji ? -1 : 1))
    return { text, attachments, isEdited, isDeleted, isExpired: false, reactions: counted }
  }
}

/** Whether nothing is left of the other one. */
function replaces(one: OperationSource, other: OperationSource): boolean {
  if (one.kind === 'delete') return true
  return one.kind === other.kind && one.seq >= other.seq && (one.kind === 'edit' || one.from === other.from)
}

function applyTo(state: State, { seq, from, kind, text }: OperationSource): void {
  if (state.isExpired) return
  if (kind === 'delete') {
    forgetContent(state)
  }
  if (state.isDeleted || seq <= state.asOf) return
  if (kind === 'edit' && text !== '' && seq > state.editSeq) {
    state.text = text
    state.isEdited = true
    state.editSeq = seq
  }
  if (kind === 'react' && seq > (state.reactions.get(from)?.seq ?? 0)) state.reactions.set(from, { seq, emoji: text })
}

/** Also in memory nothing of it is kept. [OPS-7] */
function forgetContent(state: State): void {
  state.isDeleted = true
  state.text = ''
  state.attachments = []
  state.reactions.clear()
  state.nameless.clear()
}

function keepLater(known: State, state: State): void {
  if (known.isDeleted) {
    forgetContent(state)
    return
  }
  if (known.editSeq > state.asOf) {
    state.text = known.text
    state.isEdited = true
    state.editSeq = known.editSeq
  }
  for (const [user, reaction] of known.reactions) if (reaction.seq > state.asOf) state.reactions.set(user, reaction)
}
