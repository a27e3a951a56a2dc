/**
 * A server in memory for one user, as strict as the spec allows: it fails the test at the first thing a client must not do. Commits
 * and pushes happen when the test says so, so that a connection can break between any two of them.
 */
import assert from 'node:assert/strict'
import { EMPTY_BYTES, equalBytes } from '../../bytes.js'
import { element } from '../../element.js'
import type { Element } from '../../element.js'
import { FrameDecoder } from '../../frame-decoder.js'
import {
  encodeAck, encodeAuthenticated, encodeClose, encodeDelivery, encodeDeliveryFrom, encodeDone, encodeFeatures, encodePong, encodeReceipt,
  encodeRefuse, encodeResult, encodeSkip, encodeWelcome,
} from '../../generated/frames.js'
import type { BindFrame, Frame, MarkFrame, MessageFrame } from '../../generated/frames.js'
import { ERROR, FRAME, LIMIT } from '../../generated/registry.js'
import { decodeText, encodeText } from '../../utf8.js'

export interface LogMessage {
  readonly from: string
  readonly text: string
  readonly timeMs: number
}

interface Accepted {
  readonly seq: number
  readonly timeMs: number
  readonly text: string
}

type QueueEntry = (index: number) => Uint8Array

export interface ModelOptions {
  readonly window: number
  readonly unacknowledgedMax: number
  /** Own messages come back as entries, as with two devices. [QUE-11] */
  readonly echoes: boolean
}

const UNIX_TIME_MS = 1_700_000_000_000

export class ModelServer {
  readonly options: ModelOptions
  readonly user = 'alice'
  readonly device = 'phone'
  nowMs = 0
  readonly conversations = new Map<string, LogMessage[]>()
  queueEpoch = 1
  /** Index of the entry before queue[0]. */
  queueBase = 0
  queue: QueueEntry[] = []
  cursor = 0
  outboxEpoch = 0
  #nextEpoch = 7
  /** By epoch, conversation and client id. */
  readonly #accepted = new Map<string, Accepted>()
  /** By epoch and conversation. */
  readonly #highest = new Map<string, number>()
  readonly read = new Map<string, number>()
  usedToken = EMPTY_BYTES
  issuedToken = EMPTY_BYTES
  connection: ModelConnection | null = null
  /** The next so many stanzas are refused as rate-limited. */
  refusals = 0

  constructor(options: ModelOptions) {
    this.options = options
  }

  get queueEnd(): number {
    return this.queueBase + this.queue.length
  }

  log(conversation: string): LogMessage[] {
    let log = this.conversations.get(conversation)
    if (log === undefined) {
      log = []
      this.conversations.set(conversation, log)
    }
    return log
  }

  /** Another user writes to ours. */
  incoming(from: string, text: string): void {
    const log = this.log(from)
    const timeMs = UNIX_TIME_MS + this.nowMs
    log.push({ from, text, timeMs })
    const seq = log.length
    this.queue.push((index) => encodeDelivery(index, from, seq, timeMs, encodeText(text)))
  }

  /** The other has received, or read, this share of what there is; a server need not keep them in order for the client to. [RCP-9] */
  receipt(conversation: string, mark: number, share: number): void {
    const seq = Math.ceil(this.log(conversation).length * share)
    if (seq > 0) this.queue.push((index) => encodeReceipt(index, conversation, '', mark, seq))
  }

  skip(): void {
    this.queue.push((index) => encodeSkip(index))
  }

  /** The queue is lost: the device will be told too old. [QUE-8] */
  forgetQueue(): void {
    this.queueEpoch++
    this.queueBase = 0
    this.queue = []
    this.cursor = 0
    this.connection = null
  }

  /** The device lost its place: another epoch for its client ids. */
  newEpoch(): number {
    return this.#nextEpoch++
  }

  message(frame: MessageFrame): Uint8Array {
    const { clientId, to } = frame
    const text = decodeText(frame.text)
    const key = `${this.outboxEpoch} ${to} ${clientId}`
    const known = this.#accepted.get(key)
    if (known !== undefined) {
      assert.equal(text, known.text, 'a client id was used again for another text')
      return encodeAck(clientId, known.seq, known.timeMs - UNIX_TIME_MS)
    }
    if (this.refusals > 0) {
      this.refusals--
      return encodeRefuse(clientId, ERROR.rateLimited, 700, '')
    }
    const highestKey = `${this.outboxEpoch} ${to}`
    if (clientId < (this.#highest.get(highestKey) ?? 0)) return encodeRefuse(clientId, ERROR.staleClientId, 0, '')
    this.#highest.set(highestKey, clientId)
    const log = this.log(to)
    const timeMs = UNIX_TIME_MS + this.nowMs
    log.push({ from: this.user, text, timeMs })
    const seq = log.length
    this.#accepted.set(key, { seq, timeMs, text })
    if (this.options.echoes) this.queue.push((index) => encodeDeliveryFrom(index, to, this.user, seq, timeMs, encodeText(text)))
    return encodeAck(clientId, seq, timeMs - UNIX_TIME_MS)
  }

  mark(frame: MarkFrame): Uint8Array {
    if (frame.seq > this.log(frame.conversation).length) return encodeRefuse(frame.clientId, ERROR.invalidWatermark, 0, '')
    this.read.set(frame.conversation, Math.max(this.read.get(frame.conversation) ?? 0, frame.seq))
    return encodeAck(frame.clientId, frame.seq, this.nowMs)
  }

  answer(query: Element): Element {
    if (query.name === 'conversations') {
      const children = [...this.conversations].map(([name, log]) => element('conversation', {
        with: name, tail: log.length, read: this.read.get(name) ?? 0, unread: 0,
      }))
      return element('conversations', { more: 'false' }, ...children)
    }
    assert.equal(query.name, 'history')
    const name = query.attributes.get('with') ?? ''
    const log = this.log(name)
    const after = Number(query.attributes.get('after') ?? 0)
    const page = log.slice(after, after + 3)
    const messages = page.map(({ from, text, timeMs }, index) => (
      element('message', { seq: after + index + 1, from, time: timeMs }, element('body', {}, text))
    ))
    return element('history', { with: name, tail: log.length, more: after + 3 < log.length ? 'true' : 'false' }, ...messages)
  }
}

/** One connection. What it gets is handled at once; what it answers waits in `output`. */
export class ModelConnection {
  readonly #server: ModelServer
  readonly #decoder = new FrameDecoder(LIMIT.frameBytesMax)
  readonly output: Uint8Array[] = []
  isOpen = false
  isClosed = false
  #expects: 'hello' | 'auth' | 'bind' | 'session' = 'hello'
  #sentTo = 0
  #acknowledged = 0
  #doneAt = 0
  #isDone = false
  #lastClientId = 0
  #unanswered: Frame[] = []

  constructor(server: ModelServer) {
    this.#server = server
  }

  get hasUncommitted(): boolean {
    return this.#unanswered.length > 0
  }

  receive(bytes: Uint8Array): void {
    if (this.isClosed) return
    this.#decoder.push(bytes)
    for (let frame = this.#decoder.next(); frame !== null; frame = this.#decoder.next()) {
      assert.equal(typeof frame, 'object', `the client sent bytes that make no frame: ${JSON.stringify(frame)}`)
      if (typeof frame === 'object') this.#handle(frame)
    }
  }

  /** Commits what was received; the answers go out. */
  commit(): void {
    const server = this.#server
    if (server.connection !== this) return
    for (const frame of this.#unanswered.splice(0)) {
      if (frame.type === FRAME.message) this.output.push(server.message(frame))
      else if (frame.type === FRAME.mark) this.output.push(server.mark(frame))
    }
  }

  /** Sends entries as far as the window allows. [QUE-6] [QUE-7] */
  push(count: number): void {
    const server = this.#server
    if (!this.isOpen || server.connection !== this) return
    for (let sent = 0; sent < count; sent++) {
      if (this.#sentTo === this.#doneAt && !this.#isDone) {
        this.#isDone = true
        this.output.push(encodeDone(this.#sentTo))
      }
      const entry = server.queue[this.#sentTo - server.queueBase]
      if (entry === undefined || this.#sentTo - this.#acknowledged >= server.options.window) return
      this.output.push(entry(++this.#sentTo))
    }
  }

  close(code: number, retryAfterMs = 0): void {
    this.output.push(encodeClose(code, retryAfterMs, '', ''))
    this.isClosed = true
    this.isOpen = false
    if (this.#server.connection === this) this.#server.connection = null
  }

  #handle(frame: Frame): void {
    if (this.isClosed) return
    switch (frame.type) {
      case FRAME.ping: this.output.push(encodePong(frame.nonce)); return
      case FRAME.pong: return
      case FRAME.close:
        this.isClosed = true
        this.isOpen = false
        assert.ok([100].includes(frame.error), `the client closed with ${frame.error} ${frame.reason}`)
        return
      case FRAME.hello:
        assert.equal(this.#expects, 'hello')
        this.#expects = 'auth'
        this.output.push(encodeFeatures(1, ['SCRAM-SHA-256', 'TOKEN'], [], LIMIT.openFrameBytesMax, LIMIT.openTimeoutMs))
        return
      case FRAME.auth: this.#auth(frame.mechanism, frame.data); return
      case FRAME.bind: this.#bind(frame); return
      default: this.#inSession(frame)
    }
  }

  /** Somebody else has carried out SCRAM with this outcome. */
  authenticated(data: Uint8Array): void {
    this.#expects = 'bind'
    this.output.push(encodeAuthenticated(this.#server.user, data))
  }

  /** SCRAM is shortened to one step here: the simulation's shell plays along. */
  #auth(mechanism: string, data: Uint8Array): void {
    const server = this.#server
    assert.equal(this.#expects, 'auth')
    if (mechanism === 'TOKEN') {
      const token = data.subarray(server.user.length + server.device.length + 2)
      const isIssued = equalBytes(token, server.issuedToken)
      if (!isIssued && !equalBytes(token, server.usedToken)) {
        this.close(ERROR.tokenInvalid)
        return
      }
      if (isIssued) server.usedToken = server.issuedToken
    }
    this.#expects = 'bind'
    if (mechanism !== 'TOKEN') this.output.push(Uint8Array.of(2, FRAME.challenge, 0))
    else this.output.push(encodeAuthenticated(server.user, EMPTY_BYTES))
  }

  #bind(frame: BindFrame): void {
    const server = this.#server
    assert.equal(this.#expects, 'bind')
    this.#expects = 'session'
    const isFresh = frame.queueEpoch === 0
    const isKept = frame.queueEpoch === server.queueEpoch && frame.cursor >= server.queueBase && frame.cursor <= server.queueEnd
    if (isKept) {
      assert.ok(frame.cursor >= server.cursor, 'bind names a cursor below one that was acknowledged')
      server.cursor = frame.cursor
    }
    const resume = isFresh ? 0 : isKept ? 1 : 2
    if (frame.outboxEpoch === 0 || frame.outboxEpoch !== server.outboxEpoch) server.outboxEpoch = server.newEpoch()
    // Far more often than a real server would. [TOK-2]
    server.issuedToken = encodeText(`token ${server.newEpoch()}`)
    server.connection = this
    this.isOpen = true
    this.#sentTo = server.cursor
    this.#acknowledged = server.cursor
    this.#doneAt = server.queueEnd
    const { window, unacknowledgedMax } = server.options
    this.output.push(encodeWelcome(
      's1', UNIX_TIME_MS, resume, server.queueEpoch, server.cursor, server.queueEnd - server.cursor, server.outboxEpoch, window,
      unacknowledgedMax, LIMIT.frameBytesMax, LIMIT.keepAliveMs, server.issuedToken,
    ))
  }

  #inSession(frame: Frame): void {
    const server = this.#server
    if (frame.type === FRAME.response) {
      this.output.push(encodeAuthenticated(server.user, EMPTY_BYTES))
      return
    }
    assert.equal(this.#expects, 'session')
    // Another connection took over: what this one still gets is too late.
    if (server.connection !== this) return
    switch (frame.type) {
      case FRAME.message:
      case FRAME.mark:
        assert.ok(frame.clientId > this.#lastClientId, '[MSG-2] client ids do not rise')
        this.#lastClientId = frame.clientId
        this.#unanswered.push({ ...frame, ...('text' in frame ? { text: frame.text.slice() } : {}) })
        assert.ok(this.#unanswered.length <= server.options.unacknowledgedMax, '[MSG-15] too many without an answer')
        return
      case FRAME.cursor:
        assert.ok(frame.index <= this.#sentTo && frame.index > this.#acknowledged, `[QUE-5] invalid cursor ${frame.index}`)
        this.#acknowledged = frame.index
        server.cursor = frame.index
        return
      case FRAME.query: this.output.push(encodeResult(frame.id, server.answer(frame.element))); return
      default: assert.fail(`the client sent frame ${frame.type}`)
    }
  }
}
