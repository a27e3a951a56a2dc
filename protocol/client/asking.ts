/**
 * What this device asks of the server and waits for: stanzas of the outbox, in order and as many as are allowed, and queries; and what their
 * answers change.
 */
import { backOffMs } from '../back-off.js'
import type { Element } from '../element.js'
import { expiryOf } from '../expiry.js'
import { encodeQuery } from '../generated/frames.js'
import type { AckFrame, FailFrame, RefuseFrame, ResultFrame } from '../generated/frames.js'
import { ERROR, MARK } from '../generated/registry.js'
import { isRetryable, localError, serverError } from './client-error.js'
import type { ClientError } from './client-error.js'
import type { Conversations } from './conversations.js'
import { encodeStanza } from './core-frames.js'
import type { CoreEvent, CoreOptions, Refusal } from './core-types.js'
import type { Ephemeral } from './ephemeral.js'
import type { Liveness } from './liveness.js'
import type { Outbox, OutboxEntry } from './outbox.js'
import { Queries } from './queries.js'
import type { Receiving } from './receiving.js'
import type { StanzaKind } from './state.js'

/** Queries that wait for their turn. */
const QUERIES_WAITING_MAX = 1024

/** What it works with; all of it is the core's. */
export interface AskingParts {
  readonly outbox: Outbox
  readonly conversations: Conversations
  readonly ephemeral: Ephemeral
  readonly liveness: Liveness
  readonly receiving: Receiving
}

/** What it has the core do. */
export interface AskingHost {
  push(frame: Uint8Array): void
  event(event: CoreEvent): void
}

export class Asking {
  readonly #options: CoreOptions
  readonly #outbox: Outbox
  readonly #conversations: Conversations
  readonly #ephemeral: Ephemeral
  readonly #liveness: Liveness
  readonly #receiving: Receiving
  readonly #host: AskingHost
  readonly #queries = new Queries()
  /** To be told once what they say is stored. [MSG-12] */
  #answers: CoreEvent[] = []

  constructor(options: CoreOptions, { outbox, conversations, ephemeral, liveness, receiving }: AskingParts, host: AskingHost) {
    this.#options = options
    this.#outbox = outbox
    this.#conversations = conversations
    this.#ephemeral = ephemeral
    this.#liveness = liveness
    this.#receiving = receiving
    this.#host = host
  }

  // ——— What is asked ———

  /** Puts a stanza into the outbox and returns its handle; or a ClientError: outbox-full. */
  add(kind: StanzaKind, to: string, text: string, extensions: Uint8Array, seq: number): number | ClientError {
    if (kind === 'message') this.#ephemeral.sent(to)
    if (this.#outbox.size >= this.#options.outboxEntriesMax) return localError('outbox-full', 'too much waits in the outbox')
    return this.#outbox.add(kind, to, text, extensions, seq).handle
  }

  /** Returns the id that `answer` or `failed` will name; or a ClientError: queries-full. */
  query(nowMs: number, element: Element): number | ClientError {
    if (this.#queries.size >= QUERIES_WAITING_MAX) return localError('queries-full', 'too many queries wait for an answer')
    return this.#queries.add(element, nowMs + this.#options.queryTimeoutMs)
  }

  /** When the first query runs out of time; Infinity if none waits. */
  get queryDueMs(): number {
    return this.#queries.size > 0 ? this.#queries.nextDueMs : Infinity
  }

  /** Queries that are out of time fail. */
  expire(nowMs: number): void {
    for (const id of this.#queries.expire(nowMs)) {
      this.#host.event({ kind: 'failed', id, error: localError('timeout', 'the query was not answered in time') })
    }
  }

  /** Sends what may be sent: the outbox in order [MSG-13], as many as are allowed [MSG-15]. */
  pumpOutbox(nowMs: number, unacknowledgedMax: number): void {
    while (this.#outbox.flyingCount < unacknowledgedMax) {
      const entry = this.#outbox.next()
      if (entry === undefined) break
      this.#outbox.sent(entry)
      this.#host.push(encodeStanza(entry))
      this.#liveness.asked(nowMs)
    }
  }

  /** The same of queries. */
  pumpQueries(nowMs: number): void {
    for (let query = this.#queries.next(); query !== undefined; query = this.#queries.next()) {
      this.#host.push(encodeQuery(query.id, query.element))
      this.#liveness.asked(nowMs)
    }
  }

  /** The connection is gone: what was under way goes again by the next one. */
  lost(): void {
    this.#outbox.lost()
    this.#queries.lost()
    this.#liveness.answered()
  }

  // ——— What is answered ———

  /** @param timeBaseMs of the session's welcome, which the answer counts from */
  acked(frame: AckFrame, timeBaseMs: number): void {
    const entry = this.#outbox.answered(frame.clientId)
    // An answer to what has one already changes nothing.
    if (entry === undefined) return
    this.#noteAnswered()
    const isEchoed = this.#noteAccepted(entry, frame.seq)
    const { handle, kind, to, clientId } = entry
    const ack = { handle, kind, to, clientId, seq: frame.seq, timeMs: timeBaseMs + frame.timeOffset, expiresMs: expiryOf(frame.extensions), isEchoed }
    this.#answers.push({ kind: 'sent', ack })
  }

  /** Whether the application was given the same as an entry before. Who is given none needs to know nothing of it. */
  #noteAccepted({ kind, to, seq: target }: OutboxEntry, seq: number): boolean {
    if (kind === 'mark') this.#conversations.mark(to, this.#options.user, MARK.read, target, true)
    if (kind === 'mark' || !this.#options.receives) return false
    const isInHand = this.#receiving.isInHand(to, seq)
    return this.#conversations.accepted(to, seq, !this.#outbox.hasUnanswered(to)) || isInHand
  }

  refused(nowMs: number, frame: RefuseFrame): void {
    if (frame.error === ERROR.staleClientId || isRetryable(frame.error)) {
      // A refusal without a wait would come back as fast as the wire allows.
      const isStale = frame.error === ERROR.staleClientId
      const waitMs = isStale ? 0 : backOffMs(0, frame.retryAfterMs, this.#options.random())
      const held = this.#outbox.refused(frame.clientId, nowMs + waitMs)
      this.#noteAnswered()
      if (held !== undefined && !isStale) this.#host.event({ kind: 'held', held: { ...refusalOf(held, frame), retryInMs: waitMs } })
      return
    }
    const entry = this.#outbox.answered(frame.clientId)
    if (entry === undefined) return
    this.#noteAnswered()
    this.#answers.push({ kind: 'refused', refusal: refusalOf(entry, frame) })
  }

  answered(frame: ResultFrame): void {
    const query = this.#queries.answered(frame.id)
    this.#noteAnswered()
    if (query !== undefined) this.#host.event({ kind: 'answer', id: frame.id, element: frame.element })
  }

  failed(frame: FailFrame): void {
    const query = this.#queries.answered(frame.id)
    this.#noteAnswered()
    if (query === undefined) return
    this.#host.event({ kind: 'failed', id: frame.id, error: serverError(frame.error, frame.reason, frame.retryAfterMs) })
  }

  #noteAnswered(): void {
    if (this.#outbox.flyingCount === 0) this.#liveness.answered()
  }

  /** What the next batch makes true, to be told behind it. */
  takeAnswers(): readonly CoreEvent[] {
    const answers = this.#answers
    this.#answers = []
    return answers
  }
}

function refusalOf({ handle, kind, to }: OutboxEntry, { clientId, error, reason, retryAfterMs }: RefuseFrame): Refusal {
  return { handle, kind, to, clientId, error: serverError(error, reason, retryAfterMs) }
}
