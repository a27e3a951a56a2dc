/** A session of another node, as a sink of the local router: what it is told goes over the link. */
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { LinkConnection } from '../link/link-connection.js'
import {
  appendAcked, appendDeclined, appendEntriesHead, appendNumber, appendPresence, appendRefused, appendTyped, LINK,
} from '../link/link-frames.js'
import type { Attachment, DeviceSink } from './router.js'

export class LinkedSession implements DeviceSink {
  readonly link: LinkConnection
  /** As its node calls it. */
  readonly id: number
  /** It has no queue there. */
  readonly isVisit: boolean
  readonly #onEnd: () => void
  /** null: not attached yet, or no longer. */
  attachment: Attachment | null = null
  /** Nothing more is to be told: it was detached, ended, or its link has. */
  isOver = false
  /** The shard ended it. */
  wasEnded = false

  constructor(link: LinkConnection, id: number, isVisit: boolean, onEnd: () => void) {
    this.link = link
    this.id = id
    this.isVisit = isVisit
    this.#onEnd = onEnd
  }

  get isGone(): boolean {
    return this.isOver
  }

  acked(clientId: number, seq: number, timeMs: number, expiresMs = 0): void {
    if (this.isOver) return
    appendAcked(this.link.beginSend(), this.id, clientId, seq, timeMs, expiresMs)
    this.link.endSend()
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    if (this.isOver) return
    appendRefused(this.link.beginSend(), this.id, clientId, error, Math.ceil(retryAfterMs))
    this.link.endSend()
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    if (this.isOver) return
    appendEntriesHead(this.link.beginSend(), this.id, last, count, frames.length)
    this.link.sendBytes(frames)
  }

  done(index: number): void {
    this.#number(LINK.done, index)
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    if (this.isOver) return true
    if (this.link.isBlocked) return false
    appendPresence(this.link.beginSend(), this.id, user, state, lastSeenMs)
    this.link.endSend()
    return true
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void {
    if (this.isOver || this.link.isBlocked) return
    appendTyped(this.link.beginSend(), this.id, conversation, from, kind, expiresMs)
    this.link.endSend()
  }

  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    if (this.isOver) return
    appendDeclined(this.link.beginSend(), this.id, frame, names, error, Math.ceil(retryAfterMs))
    this.link.endSend()
  }

  ended(error: ErrorCode): void {
    if (this.isOver) return
    this.#number(LINK.ended, error)
    this.isOver = true
    this.wasEnded = true
    this.attachment = null
    this.#onEnd()
  }

  #number(type: number, value: number): void {
    if (this.isOver) return
    appendNumber(this.link.beginSend(), type, this.id, value)
    this.link.endSend()
  }
}
