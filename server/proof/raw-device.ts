/**
 * A device that keeps the protocol's rules and writes down every frame that counts, before any layer could hide a fault: an entry that
 * comes twice under two indexes, a gap, two answers to one message. Outbox, cursor and token live as long as the object, as on a disk.
 */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import type { Element } from '../../protocol/element.js'
import {
  encodeAuth, encodeBind, encodeCursor, encodeHello, encodeMark, encodeMessage, encodeOperate, encodePing, encodePong, encodeQuery, encodeResponse,
  type Frame, type WelcomeFrame,
} from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, FRAME, LIMIT, MARK, RESUME } from '../../protocol/generated/registry.js'
import { ScramClient } from '../../protocol/scram-client.js'
import { NODE_CRYPTO } from '../session/node-crypto.js'
import { now, type Recorder } from './record.js'
import { until } from './scope.js'
import { openWire, type Wire, writeFrames } from './wire.js'

/** Much shorter than the specification asks of clients: here a server has to stand them all coming back at once. */
const RECONNECT_MS = 150
/** How long a WebSocket or TCP connection may take to open, and to reach welcome. */
const OPEN_MS = 10_000
/** The same where it keeps the rules for coming back, as the reference client has it. */
const OPEN_BY_RULE_MS = 15_000
const HELLO = encodeHello([1], 'chatd proof')

export interface RawDeviceOptions {
  readonly url: string
  /**
   * Of the service, in an order of its own. Then it comes back as clients have to: the next one with each attempt, after the wait of the back-off.
   * [RCN-1] [RCN-5] Default: none; it comes back to `url`, and sooner.
   */
  readonly servers?: readonly string[]
  readonly user: string
  readonly device: string
  readonly recorder: Recorder
  readonly random: () => number
  /** The share of received messages that are marked as read. Default 0.2. */
  readonly readShare?: number
  /** Takes a connection for dead that has been silent so long, and pings it at half of that. Default: never. */
  readonly silenceMs?: number
  /** Called with each message received and each ack. The bytes are good until it returns. */
  readonly onMessage?: (text: string, seq: number, extensions: Uint8Array) => void
  readonly onAck?: (text: string, seq: number) => void
}

interface Stanza {
  clientId: number
  readonly to: string
  readonly text: string
  /** Of a mark; 0: a message. */
  readonly seq: number
  readonly extensions: Uint8Array
  /** Of an operation; 0: it is none. Then `seq` is its target. */
  readonly operation: number
  readonly onAcked: (() => void) | null
  /** Called with the refusal that is final, if somebody wants to know; else it is a fault. */
  readonly onRefused: ((error: number) => void) | null
}

/** A query was refused, or the connection ended before its answer. */
export class QueryFailed extends Error {
  override readonly name = 'QueryFailed'
  /** 0: the connection ended. */
  readonly error: number

  constructor(error: number, reason: string) {
    super(`${ERRORS.get(error)?.name ?? 'the connection ended'}: ${reason}`)
    this.error = error
  }
}

interface Question {
  resolve(answer: Element): void
  reject(error: QueryFailed): void
}

export class RawDevice {
  readonly options: RawDeviceOptions
  #url: string
  /** Attempts since the last welcome. */
  #attempts = 0
  #retryAfterMs = 0
  #token: Uint8Array | null = null
  #queueEpoch = 0
  #cursor = 0
  #outboxEpoch = 0
  #nextClientId = 1
  readonly #outbox = new Map<number, Stanza>()
  /** Highest client id sent on this connection. */
  #sentId = 0
  #wire: Wire | null = null
  #isOnline = false
  #isRunning = false
  #isDone = false
  /** Entries that waited at the last welcome. */
  pending = 0
  #ackedIndex = 0
  #unansweredMax: number = LIMIT.openStanzasMax
  #welcomeMs = 0
  #scram: ScramClient | null = null
  #timer: NodeJS.Timeout | null = null
  #heardMs = 0
  #liveness: NodeJS.Timeout | null = null
  readonly #reads = new Map<string, number>()
  readonly #questions = new Map<number, Question>()
  #lastQuery = 0
  /** Codes of the closes received, with how often. */
  readonly closes = new Map<number, number>()
  connects = 0

  constructor(options: RawDeviceOptions) {
    this.options = options
    this.#url = options.url
  }

  /** Connects and stays connected. */
  start(): void {
    this.#isRunning = true
    if (this.#wire === null && this.#timer === null) this.#connect()
  }

  /** Ends the connection without a word; `start` goes on where it was. */
  stop(): void {
    this.#isRunning = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#drop()
  }

  /** From the next connection on. */
  set url(url: string) { this.#url = url }

  get url(): string { return this.#url }

  get isOnline(): boolean { return this.#isOnline }

  /** Everything is answered and everything that waited at the last welcome is here. */
  get isSettled(): boolean { return this.#isOnline && this.#isDone && this.#outbox.size === 0 }

  get outboxSize(): number { return this.#outbox.size }

  /** A final refusal is a fault, unless `onRefused` takes it. */
  send(to: string, text: string, extensions: Uint8Array = EMPTY_BYTES, onRefused: ((error: number) => void) | null = null): void {
    this.options.recorder.add({ kind: 'send', at: now(), to, text })
    this.#hand({ clientId: 0, to, text, seq: 0, extensions, operation: 0, onAcked: null, onRefused })
  }

  /** A query, for which it waits to be online. Rejects with QueryFailed. */
  async ask(element: Element): Promise<Element> {
    await until('to be online', () => this.#isOnline)
    const id = ++this.#lastQuery
    return new Promise((resolve, reject) => {
      this.#questions.set(id, { resolve, reject })
      this.#wire?.write(encodeQuery(id, element))
    })
  }

  #answered(id: number, answer: Element | QueryFailed): void {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    if (question === undefined) this.#broken(`an answer to query ${id}, which was not asked`)
    else if (answer instanceof QueryFailed) question.reject(answer)
    else question.resolve(answer)
  }

  /** Without text: a delete, as a rule. */
  operate(conversation: string, target: number, operation: number, onAcked: () => void, onRefused: (error: number) => void): void {
    this.#hand({ clientId: 0, to: conversation, text: '', seq: target, extensions: EMPTY_BYTES, operation, onAcked, onRefused })
  }

  #markRead(conversation: string, seq: number): void {
    if (seq <= (this.#reads.get(conversation) ?? 0)) return
    this.#reads.set(conversation, seq)
    this.options.recorder.add({ kind: 'read', at: now(), conversation, seq })
    this.#hand({ clientId: 0, to: conversation, text: '', seq, extensions: EMPTY_BYTES, operation: 0, onAcked: null, onRefused: null })
  }

  /** Into the outbox, behind everything else. */
  #hand(stanza: Stanza): void {
    stanza.clientId = this.#nextClientId++
    this.#outbox.set(stanza.clientId, stanza)
    if (this.#isOnline) this.#sendWaiting(this.#unansweredMax)
  }

  #sendWaiting(max: number): void {
    const frames: Uint8Array[] = []
    let place = 0
    for (const stanza of this.#outbox.values()) {
      if (++place > max) break
      if (stanza.clientId <= this.#sentId) continue
      this.#sentId = stanza.clientId
      frames.push(frameOf(stanza))
    }
    writeFrames(this.#wire, frames)
  }

  // Connection

  #connect(): void {
    this.connects++
    this.#sentId = 0
    this.#isDone = false
    this.#timer = setTimeout(() => { this.#again() }, this.options.servers === undefined ? OPEN_MS : OPEN_BY_RULE_MS)
    this.#wire = openWire(this.#url, {
      opened: () => { this.#opened() },
      frame: (frame) => { this.#handle(frame) },
      chunkHandled: () => { this.#acknowledge() },
      ended: () => { this.#again() },
    })
  }

  #drop(): void {
    this.#isOnline = false
    this.#wire?.destroy()
    this.#wire = null
    for (const question of this.#questions.values()) question.reject(new QueryFailed(0, 'before the answer'))
    this.#questions.clear()
    if (this.#liveness !== null) clearInterval(this.#liveness)
    this.#liveness = null
  }

  #again(): void {
    this.#drop()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#isRunning) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#connect()
    }, this.#waitMs())
  }

  /** Before the next attempt, and where it goes to. [RCN-1] [RCN-3] [RCN-5] */
  #waitMs(): number {
    const { servers, random } = this.options
    if (servers === undefined) return random() * RECONNECT_MS
    this.#url = servers[(servers.indexOf(this.#url) + 1) % servers.length]!
    const waitMs = this.#retryAfterMs + random() * Math.min(LIMIT.reconnectCapMs, LIMIT.reconnectBaseMs * 2 ** this.#attempts)
    this.#attempts++
    this.#retryAfterMs = 0
    return waitMs
  }

  #opened(): void {
    const { user, device } = this.options
    if (this.#token === null) {
      this.#scram = new ScramClient({ user, password: `pw-${user}`, binding: 'none', crypto: NODE_CRYPTO })
      this.#wire?.write(Buffer.concat([HELLO, encodeAuth(this.#scram.mechanism, this.#scram.first())]))
      return
    }
    const auth = encodeAuth('TOKEN', Buffer.concat([Buffer.from(`${user}\0${device}\0`), this.#token]))
    this.#wire?.write(Buffer.concat([HELLO, auth, this.#bind()]))
    // The first stanzas go out in the same flight, or wait for welcome: both have to be right. [OPN-3]
    if (this.#outboxEpoch !== 0 && this.options.random() < 0.5) this.#sendWaiting(LIMIT.openStanzasMax)
  }

  #bind(): Uint8Array {
    return encodeBind(this.options.device, '', this.#queueEpoch, this.#cursor, this.#outboxEpoch, 0)
  }

  #handle(frame: Frame): void {
    this.#heardMs = performance.now()
    switch (frame.type) {
      case FRAME.challenge: void this.#answerChallenge(frame.data); return
      case FRAME.authenticated: if (this.#scram !== null) this.#wire?.write(this.#bind()); this.#scram = null; return
      case FRAME.welcome: this.#welcome(frame); return
      case FRAME.ack: this.#acked(frame.clientId, frame.seq, this.#welcomeMs + frame.timeOffset); return
      case FRAME.refuse: this.#refused(frame.clientId, frame.error); return
      case FRAME.delivery: this.#message(frame.index, frame.conversation, frame.conversation, frame.seq, frame.time, frame.text, frame.extensions); return
      case FRAME.deliveryFrom: this.#message(frame.index, frame.conversation, frame.from, frame.seq, frame.time, frame.text, frame.extensions); return
      case FRAME.receipt: this.#receipt(frame.index, frame.conversation, frame.member, frame.mark, frame.seq); return
      case FRAME.result: this.#answered(frame.id, frame.element); return
      case FRAME.fail: this.#answered(frame.id, new QueryFailed(frame.error, frame.reason)); return
      case FRAME.operation: case FRAME.change: case FRAME.changed: this.#isNext(frame.index); return
      case FRAME.skip: this.#cursor = Math.max(this.#cursor, frame.index); return
      case FRAME.done: this.#isDone = true; return
      case FRAME.ping: this.#wire?.write(encodePong(frame.nonce)); return
      case FRAME.close: this.#closed(frame.error, frame.retryAfterMs); return
      default:
    }
  }

  async #answerChallenge(data: Uint8Array): Promise<void> {
    const wire = this.#wire
    const final = await this.#scram?.final(data)
    if (final === undefined || wire !== this.#wire) return
    if (typeof final === 'string') this.#broken(`SCRAM failed: ${final}`)
    else wire?.write(encodeResponse(final))
  }

  #welcome(frame: WelcomeFrame): void {
    if (frame.resume === RESUME.tooOld) this.#broken('told too old')
    if (this.#queueEpoch !== 0 && (frame.queueEpoch !== this.#queueEpoch || frame.cursor !== this.#cursor)) {
      this.#broken(`bound at ${this.#queueEpoch}:${this.#cursor} and was set to ${frame.queueEpoch}:${frame.cursor}`)
    }
    if (this.#outboxEpoch !== 0 && frame.outboxEpoch !== this.#outboxEpoch) this.#broken('a known outbox epoch was not taken')
    this.#queueEpoch = frame.queueEpoch
    this.#cursor = this.#ackedIndex = frame.cursor
    this.#outboxEpoch = frame.outboxEpoch
    this.pending = frame.pending
    this.#unansweredMax = frame.unacknowledgedMax
    this.#welcomeMs = frame.time
    // A copy: the frame is a view of a chunk.
    if (frame.token.length > 0) this.#token = Uint8Array.prototype.slice.call(frame.token)
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#isOnline = true
    this.#attempts = 0
    this.#watch()
    this.#sendWaiting(this.#unansweredMax)
  }

  #watch(): void {
    const { silenceMs } = this.options
    if (silenceMs === undefined) return
    this.#heardMs = performance.now()
    this.#liveness = setInterval(() => {
      const silentMs = performance.now() - this.#heardMs
      if (silentMs > silenceMs) this.#again()
      else if (silentMs > silenceMs / 2) this.#wire?.write(encodePing(1))
    }, silenceMs / 8)
  }

  #closed(error: number, retryAfterMs: number): void {
    this.#retryAfterMs = retryAfterMs
    this.closes.set(error, (this.closes.get(error) ?? 0) + 1)
    if (error === ERROR.tokenInvalid) this.#token = null
    const kind = ERRORS.get(error)?.class
    if (kind !== 'again' && error !== ERROR.tokenInvalid && error !== ERROR.replaced) this.#broken(`closed with ${ERRORS.get(error)?.name ?? error}`)
    this.#again()
  }

  // Stanzas

  #acked(clientId: number, seq: number, timeMs: number): void {
    const stanza = this.#outbox.get(clientId)
    if (stanza === undefined) {
      this.#broken(`a second answer to ${clientId}`)
      return
    }
    this.#outbox.delete(clientId)
    stanza.onAcked?.()
    if (stanza.seq > 0) return
    this.options.recorder.add({ kind: 'ack', at: now(), to: stanza.to, text: stanza.text, seq, timeMs })
    this.#sendWaiting(this.#unansweredMax)
    this.options.onAck?.(stanza.text, seq)
  }

  /** [MSG-16] */
  #refused(clientId: number, error: number): void {
    const stanza = this.#outbox.get(clientId)
    this.#outbox.delete(clientId)
    if (stanza === undefined) {
      this.#broken(`a second answer to ${clientId}`)
    } else if (ERRORS.get(error)?.retryable === true) {
      if (stanza.seq === 0) this.options.recorder.add({ kind: 'again', at: now(), text: stanza.text })
      setTimeout(() => { this.#hand(stanza) }, 100)
    } else if (stanza.onRefused !== null) {
      stanza.onRefused(error)
    } else {
      this.#broken(`'${stanza.text}' was refused with ${ERRORS.get(error)?.name ?? error}`)
    }
  }

  // Queue

  #message(index: number, conversation: string, from: string, seq: number, timeMs: number, bytes: Uint8Array, extensions: Uint8Array): void {
    if (!this.#isNext(index)) return
    const text = Buffer.from(bytes).toString()
    this.options.recorder.add({ kind: 'message', at: now(), conversation, from, seq, index, timeMs, text })
    if (from !== this.options.user && this.options.random() < (this.options.readShare ?? 0.2)) this.#markRead(conversation, seq)
    this.options.onMessage?.(text, seq, extensions)
  }

  #receipt(index: number, conversation: string, member: string, mark: number, seq: number): void {
    if (!this.#isNext(index)) return
    this.options.recorder.add({
      kind: 'told', at: now(), conversation, member: member === '' ? conversation : member, mark: mark === MARK.read ? 'read' : 'delivered', seq,
    })
  }

  /** The gap rule, and it is a fault: on one connection entries are dense. [QUE-3] */
  #isNext(index: number): boolean {
    if (index !== this.#cursor + 1) {
      this.#broken(`entry ${index} came behind ${this.#cursor}`)
      this.#again()
      return false
    }
    this.#cursor = index
    return true
  }

  /** Once for each chunk, or not at all: what a lost cursor costs is a repetition. */
  #acknowledge(): void {
    if (this.#cursor === this.#ackedIndex || !this.#isOnline) return
    this.#ackedIndex = this.#cursor
    this.#wire?.write(encodeCursor(this.#cursor))
  }

  #broken(what: string): void {
    this.options.recorder.add({ kind: 'broken', at: now(), what })
  }
}

function frameOf({ clientId, to, text, seq, extensions, operation }: Stanza): Uint8Array {
  if (operation !== 0) return encodeOperate(clientId, to, seq, operation, Buffer.from(text))
  return seq === 0 ? encodeMessage(clientId, to, Buffer.from(text), extensions) : encodeMark(clientId, to, MARK.read, seq)
}
