/**
 * A session at the home of conversations that is not its own: a place without a queue, opened when it first says something there. When the
 * place is lost, because a link is or the shard's store fails, it is opened again, and what was not answered is said again under the same
 * client ids, in order: the shard knows what it has committed. So the session hears nothing of it but a pause.
 */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { VisitPlace, VisitSink } from './home-router.js'
import { Unanswered } from './unanswered.js'

/**
 * Before yet another place is opened where so many in a row have ended without an answer: each was told all that waits. A shard that
 * nobody is told anything of is asked for all the time.
 */
const PAUSE_MS_FIRST = 200
const PAUSE_MS_MAX = 1600

/** The session that it is of. */
export interface VisitHost {
  readonly sink: VisitSink
  /** Opens a place. Throws where there can't be one at present. */
  openPlace(visit: Visit): VisitPlace
  /** It has lost its shard: tells it `lost`, and has `retry` called. */
  waits(visit: Visit): void
}

export class Visit implements VisitSink {
  readonly #host: VisitHost
  /** Number of the shard. */
  readonly shard: number
  readonly #unanswered = new Unanswered()
  #place: VisitPlace | null = null
  /** When it lost its shard for the first time since that has last answered, in monotonic milliseconds; null: it has not. */
  #lostMs: number | null = null
  /** Between that and the last time, which may be another one: a place that leads nowhere is opened as one that does. */
  waitedMs = 0
  /** Places opened since the shard has last answered, and when the next one may be. */
  #opened = 0
  #dueMs = 0
  #pauseMs = 0
  #isWaiting = false
  #isOver = false

  constructor(host: VisitHost, shard: number) {
    this.#host = host
    this.shard = shard
  }

  // From the device

  message(clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    this.#unanswered.message(clientId, to, text, extensions)
    const place = this.#place
    if (place === null) this.#open()
    else place.router.message(place.attachment, clientId, to, text, extensions)
  }

  mark(clientId: number, conversation: string, mark: number, seq: number): void {
    this.#unanswered.mark(clientId, conversation, mark, seq)
    const place = this.#place
    if (place === null) this.#open()
    else place.router.mark(place.attachment, clientId, conversation, mark, seq)
  }

  operate(clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    this.#unanswered.operate(clientId, conversation, target, kind, text)
    const place = this.#place
    if (place === null) this.#open()
    else place.router.operate(place.attachment, clientId, conversation, target, kind, text)
  }

  /** The session is over. */
  leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isWaiting = false
    this.#place?.router.detach(this.#place.attachment)
    this.#place = null
  }

  // Where it is

  /** It has no place, or has one no more. */
  lost(nowMs: number): void {
    this.#lostMs ??= nowMs
    this.waitedMs = nowMs - this.#lostMs
    this.#dueMs = nowMs + this.#pauseMs
  }

  /** Whether it still needs a place. One that has nothing to say takes none before it has. */
  retry(nowMs: number): boolean {
    if (!this.#isWaiting) return false
    if (nowMs < this.#dueMs && !this.#unanswered.isEmpty) {
      this.waitedMs = nowMs - (this.#lostMs ?? nowMs)
      return true
    }
    this.#isWaiting = false
    if (this.#unanswered.isEmpty) this.#lostMs = null
    else this.#open()
    return this.#isWaiting
  }

  /** Opens a place and says all that has no answer; waits where there is none. */
  #open(): void {
    if (this.#isWaiting) return
    try {
      this.#place = this.#host.openPlace(this)
    } catch {
      this.#wait(0)
      return
    }
    this.#opened++
    this.#unanswered.sendTo(this.#place.router, this.#place.attachment)
  }

  #wait(pauseMs: number): void {
    this.#isWaiting = true
    this.#pauseMs = pauseMs
    this.#host.waits(this)
  }

  // From its place

  acked(clientId: number, seq: number, timeMs: number, expiresMs?: number): void {
    if (this.#isAnswered(clientId)) this.#host.sink.acked(clientId, seq, timeMs, expiresMs)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    if (this.#isAnswered(clientId)) this.#host.sink.refused(clientId, error, retryAfterMs)
  }

  /** false: it was before, or nobody wants to know any more. */
  #isAnswered(clientId: number): boolean {
    if (this.#isOver || !this.#unanswered.answered(clientId)) return false
    this.#lostMs = null
    this.#opened = 0
    return true
  }

  ended(error: ErrorCode): void {
    if (this.#isOver) return
    this.#place = null
    // Whatever ends it there: the session itself is ended by its home alone.
    if (error !== ERROR.storageUnavailable || !this.#unanswered.isEmpty) {
      this.#wait(this.#opened < 2 ? 0 : Math.min(PAUSE_MS_MAX, PAUSE_MS_FIRST * 2 ** (this.#opened - 2)))
    }
  }
}
