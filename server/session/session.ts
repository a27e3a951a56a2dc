/**
 * An authenticated device on its connection: hands its stanzas to the router, and what the router says back to the connection. It
 * holds nothing that a cursor or the device's outbox does not hold as well, so losing it loses nothing.
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { withExpiry } from '../../protocol/expiry.js'
import { checkExtensions } from '../../protocol/extensions.js'
import { appendAck, encodeDone, encodeRefuse, type Frame, type MarkFrame, type MessageFrame, type OperateFrame } from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, type ErrorCode, FRAME } from '../../protocol/generated/registry.js'
import { type Connection, HOLD } from '../connection/connection.js'
import type { ConnectionEnvironment } from '../connection/connections.js'
import type { Attachment, DeviceSink } from '../router/router.js'
import { handleEphemeral, isEphemeral, sendDecline, sendPresence, sendTyping } from './ephemeral.js'
import { Queries } from './queries.js'
import type { Rates } from './rates.js'

/**
 * Extensions may take this part of a frame: the entry that carries them on has longer fields than the message, and history gives them
 * in base64; both have to fit into one frame as well. [MSG-19]
 */
const EXTENSIONS_SHARE = 2

export class Session implements DeviceSink {
  readonly connection: Connection
  readonly environment: ConnectionEnvironment
  readonly user: string
  readonly device: string
  /** null: not attached yet, or no longer. */
  attachment: Attachment | null
  #isEnded: boolean
  /** Base of ack.timeOffset. */
  #welcomeMs: number
  #lastClientId: number
  #unanswered: number
  /** An estimate of the bytes of stanzas without an answer: an answer takes its average part away. [FLW-1] */
  #unansweredBytes: number
  #lastIndexSent: number
  #lastIndexAcked: number
  /** When the device last acknowledged something, or first had something to acknowledge, in monotonic milliseconds. */
  #progressMs: number
  /** The device's, from the first thing it sends on. */
  #rates: Rates | null
  /** Made for the first query. */
  #queries: Queries | null

  constructor(connection: Connection, environment: ConnectionEnvironment, user: string, device: string) {
    this.connection = connection
    this.environment = environment
    this.user = user
    this.device = device
    this.attachment = null
    this.#isEnded = false
    this.#welcomeMs = 0
    this.#lastClientId = 0
    this.#unanswered = 0
    this.#unansweredBytes = 0
    this.#lastIndexSent = 0
    this.#lastIndexAcked = 0
    this.#progressMs = 0
    this.#rates = null
    this.#queries = null
  }

  /** The shard has ended it. */
  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Its connection has ended. */
  get isGone(): boolean {
    return !this.connection.isAlive
  }

  /** Whether an answer is still due: to a stanza or to a query. */
  get isWaiting(): boolean {
    return this.#unanswered > 0 || (this.#queries !== null && this.#queries.waiting > 0)
  }

  /** What the device may still send. Not to be asked for once the session has ended. */
  get rates(): Rates {
    return this.#rates ??= this.connection.connections.rates.take(this.user, this.device)
  }

  start(attachment: Attachment, welcomeMs: number): void {
    this.attachment = attachment
    this.#welcomeMs = welcomeMs
  }

  /** The connection has ended. */
  end(): void {
    const attachment = this.attachment
    this.attachment = null
    if (attachment !== null && !this.#isEnded) this.environment.router.detach(attachment)
    this.#isEnded = true
    if (this.#rates !== null) this.connection.connections.rates.leave(this.user, this.device, this.#rates)
    this.#rates = null
  }

  // From the device

  handle(frame: Frame): void {
    if (this.#isEnded) return
    switch (frame.type) {
      case FRAME.message:
        this.#message(frame)
        return
      case FRAME.mark:
        this.#mark(frame)
        return
      case FRAME.operate:
        this.#operate(frame)
        return
      case FRAME.cursor:
        this.#cursor(frame.index)
        return
      case FRAME.query:
        this.#queries ??= new Queries(this)
        this.#queries.ask(frame.id, frame.element)
        return
      default:
        if (isEphemeral(frame)) handleEphemeral(this, frame)
        else this.connection.close(ERROR.unexpectedFrame) // [FRM-10]
    }
  }

  #message(frame: MessageFrame): void {
    if (!this.#beginStanza(frame.clientId, frame.text.length + frame.extensions.length) || this.attachment === null) return
    if (frame.extensions.length > this.environment.config.limits.frameBytesMax / EXTENSIONS_SHARE) this.refused(frame.clientId, ERROR.badRequest, 0)
    else this.environment.router.message(this.attachment, frame.clientId, frame.to, frame.text, frame.extensions)
  }

  #mark(frame: MarkFrame): void {
    if (!this.#beginStanza(frame.clientId, frame.extensions.length) || this.attachment === null) return
    // [FRM-7]
    if (checkExtensions(frame.extensions) !== 'ok') this.refused(frame.clientId, ERROR.unsupportedExtension, 0)
    else this.environment.router.mark(this.attachment, frame.clientId, frame.conversation, frame.mark, frame.seq)
  }

  #operate(frame: OperateFrame): void {
    if (!this.#beginStanza(frame.clientId, frame.text.length + frame.extensions.length) || this.attachment === null) return
    // [FRM-7]
    if (checkExtensions(frame.extensions) !== 'ok') this.refused(frame.clientId, ERROR.unsupportedExtension, 0)
    else this.environment.router.operate(this.attachment, frame.clientId, frame.conversation, frame.target, frame.kind, frame.text)
  }

  /** Checks and counts a stanza; false: the connection is closed. [MSG-2] [MSG-15] */
  #beginStanza(clientId: number, bytes: number): boolean {
    const { counters, config, clock } = this.environment
    if (clientId <= this.#lastClientId) {
      this.connection.close(ERROR.invalidClientId)
      return false
    }
    if (this.#unanswered >= config.limits.unacknowledgedMax) {
      this.connection.close(ERROR.tooManyUnacknowledged)
      return false
    }
    this.#lastClientId = clientId
    this.#unanswered++
    this.#unansweredBytes += bytes
    counters.stanzas++
    if (this.#unansweredBytes > config.limits.incomingBytesMax) this.connection.hold(HOLD.backlog)
    const waitMs = this.rates.stanzas.take(1, clock)
    if (waitMs > 0) this.#throttle(waitMs)
    return true
  }

  /** Whether it sends faster than it may for long, and lives on its burst: then others go first. */
  get isAboveRate(): boolean {
    return this.#rates?.isAboveRate(this.environment.clock) ?? false
  }

  /** Bytes that came in, whatever they are; over the rate reading pauses. [FLW-1] */
  spendBytes(bytes: number): void {
    if (this.#isEnded || bytes === 0) return
    const waitMs = this.rates.bytes.take(bytes, this.environment.clock)
    if (waitMs > 0) this.#throttle(waitMs)
  }

  #throttle(waitMs: number): void {
    this.connection.hold(HOLD.rate)
    this.connection.connections.throttle(this.connection, waitMs)
  }

  #cursor(index: number): void {
    this.environment.counters.cursors++
    if (this.attachment === null) return
    // [QUE-5]
    if (!this.environment.router.cursor(this.attachment, index)) {
      this.connection.close(ERROR.invalidCursor)
      return
    }
    if (index > this.#lastIndexAcked) {
      this.#lastIndexAcked = index
      this.#progressMs = this.environment.clock.monotonicMs()
    }
  }

  // From the shard

  acked(clientId: number, seq: number, timeMs: number, expiresMs = 0): void {
    this.environment.counters.acks++
    this.#answered()
    const out = this.connection.beginSend()
    if (out === null) return
    if (expiresMs === 0) appendAck(out, clientId, seq, timeMs - this.#welcomeMs)
    else appendAck(out, clientId, seq, timeMs - this.#welcomeMs, withExpiry(EMPTY_BYTES, expiresMs))
    this.connection.endSend(1)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    this.environment.counters.refusals++
    this.#answered()
    this.connection.send(encodeRefuse(clientId, error, retryAfterMs, ERRORS.get(error)?.doc ?? ''))
  }

  #answered(): void {
    this.#unansweredBytes -= this.#unansweredBytes / this.#unanswered
    this.#unanswered--
    if (this.#unansweredBytes < this.environment.config.limits.incomingBytesMax / 2) this.connection.releaseLater(HOLD.backlog)
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    this.#noteSent(last, count)
    this.connection.send(frames, count)
  }

  beginEntries(): ByteBuffer | null {
    return this.connection.beginSend()
  }

  endEntries(last: number, count: number): void {
    this.#noteSent(last, count)
    this.connection.endSend(count)
  }

  #noteSent(last: number, count: number): void {
    this.environment.counters.entries += count
    if (this.#lastIndexSent <= this.#lastIndexAcked) this.#progressMs = this.environment.clock.monotonicMs()
    this.#lastIndexSent = last
  }

  done(index: number): void {
    this.connection.send(encodeDone(index))
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    return sendPresence(this, user, state, lastSeenMs)
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void {
    sendTyping(this, conversation, from, kind, expiresMs)
  }

  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    sendDecline(this, frame, names, error, retryAfterMs)
  }

  ended(error: ErrorCode): void {
    this.#isEnded = true
    if (this.#queries?.endsLater(error) !== true) this.connection.close(error)
  }

  /**
   * Looks whether the device still lives: a ping after much silence from us [KAL-1] or where acknowledgements fail to come; the end
   * after much silence from it [KAL-3], after a ping without an answer, or when it answers but acknowledges nothing. [FLW-2]
   */
  check(nowMs: number): void {
    const { connection } = this
    const { keepAliveMs, pongTimeoutMs, ackTimeoutMs } = this.environment.config.limits
    const silentMs = nowMs - connection.lastHeardMs
    const isPingOverdue = connection.pingSentMs !== 0 && nowMs - connection.pingSentMs >= pongTimeoutMs
    const isOwing = this.#lastIndexSent > this.#lastIndexAcked
    const owingMs = isOwing ? nowMs - this.#progressMs : 0
    if (silentMs >= 1.5 * keepAliveMs || (isOwing && isPingOverdue)) {
      connection.close(ERROR.keepAliveTimeout)
    } else if (owingMs >= ackTimeoutMs) {
      connection.close(ERROR.slowConsumer)
    } else if (connection.pingSentMs === 0 && owingMs >= pongTimeoutMs && silentMs >= pongTimeoutMs) {
      connection.sendPing(nowMs)
    } else if (nowMs - connection.lastSentMs >= 0.75 * keepAliveMs) {
      connection.sendPing(nowMs)
    }
  }
}
