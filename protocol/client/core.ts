/**
 * The client without I/O: a deterministic state machine. Time, randomness, network, storage and cryptography are passed in, so that a
 * simulator can drive it through every interleaving and crash it between any two steps.
 *
 * How to drive it: call one input method, or several; then `take()` and carry out the output: write the frames, apply the changes (and
 * call `stored` when they are durable), hand out the events, do what is needed, and set the timer. Between inputs give out entries:
 * `nextMessage()` until null, each followed by `handled()` once the application has it. `nowMs` never runs backwards; which clock it
 * is does not matter.
 *
 * A crash is: throw the core away and make a new one from the state that the storage holds. What was applied survives; whatever was
 * only handed out as `changes` may or may not.
 *
 * Here are the phases of a connection, what begins and ends it, and what is stored when. Its parts: `opening.ts` leads to welcome,
 * `receiving.ts` takes entries to the application, `asking.ts` stanzas and queries to their answers.
 *
 * What makes the promises hold, in one place:
 * - a stanza goes out only after `stored` of its record; its record goes only with its answer; `sent` is told after that is stored [MSG-12]
 * - a cursor goes out only after `stored` of it, and it never passes an entry whose handlers have not settled [QUE-4]
 * - a token is used only after it is stored [OPN-9]; no stanza goes out under an epoch that is not stored [OPN-11]
 */
import { normalizeConversation } from '../address.js'
import { EMPTY_BYTES } from '../bytes.js'
import type { Element } from '../element.js'
import { encodeClose, encodeCursor, encodePing, encodePong } from '../generated/frames.js'
import type { CloseFrame, Frame, WelcomeFrame } from '../generated/frames.js'
import { ERROR, ERRORS, FRAME, LIMIT, MARK } from '../generated/registry.js'
import { Asking } from './asking.js'
import { localError, serverError } from './client-error.js'
import type { ClientError } from './client-error.js'
import { Conversations } from './conversations.js'
import type { Watermarks } from './conversations.js'
import { checkMessage, checkOperation } from './core-frames.js'
import type { ClientStateName, CoreEvent, CoreNeed, CoreOptions, CoreOutput, Message } from './core-types.js'
import { Ephemeral } from './ephemeral.js'
import type { PresenceEvent, TypingKind } from './ephemeral.js'
import { Inbox } from './inbox.js'
import { Liveness } from './liveness.js'
import { Opening } from './opening.js'
import type { Agreement } from './opening.js'
import { Outbox } from './outbox.js'
import type { OutboxEntry } from './outbox.js'
import { Receiving } from './receiving.js'
import { Reconnect } from './reconnect.js'
import { formatServer, isExposed } from './server-url.js'
import type { ClientState, OperationName, StanzaKind, StorageChange } from './state.js'

// Where the connection stands.
const IDLE = 0
const WAITING = 1
const CONNECTING = 2
const OPENING = 3
const OPEN = 4
const STOPPED = 5

/** What becomes true when the batch under way is stored. */
interface Batch {
  readonly staged: readonly OutboxEntry[]
  readonly answers: readonly CoreEvent[]
  readonly cursor: { readonly queueEpoch: number; readonly cursor: number } | null
  readonly agreement: Agreement
}

export class ClientCore {
  readonly #options: CoreOptions
  readonly #outbox: Outbox
  readonly #inbox: Inbox
  readonly #conversations: Conversations
  readonly #opening: Opening
  readonly #receiving: Receiving
  readonly #asking: Asking
  readonly #ephemeral: Ephemeral
  readonly #liveness = new Liveness()

  #phase = IDLE
  /** Of the present session; 0 before welcome. */
  #sessionEpoch = 0
  #timeBaseMs = 0
  /** When that came, on the clock of `nowMs`. */
  #timeBaseSeenMs = 0
  #frameBytesMax: number = LIMIT.frameBytesMax

  readonly #reconnect: Reconnect
  /** Of the present connection, or the last one. */
  #server = ''
  /** Of connecting, opening or waiting. */
  #phaseDueMs = Infinity

  #frames: Uint8Array[] = []
  #events: CoreEvent[] = []
  #needs: CoreNeed[] = []
  #changes: StorageChange[] = []
  #batch: Batch | null = null
  #nowMs = 0

  /** Goes on from what storage holds. Throws a TypeError if `state` belongs to another user or device: check before. */
  constructor(options: CoreOptions, state: ClientState) {
    if (state.user !== '' && (state.user !== options.user || state.device !== options.device)) {
      throw new TypeError('the state belongs to another user or device')
    }
    this.#options = options
    this.#reconnect = new Reconnect(options.servers, options.random)
    this.#outbox = new Outbox(state)
    this.#inbox = new Inbox(state.queueEpoch, state.cursor)
    this.#conversations = new Conversations(state, options.user)
    const host = {
      push: (frame: Uint8Array) => { this.#push(frame) },
      event: (event: CoreEvent) => { this.#event(event) },
      change: (change: StorageChange) => { this.#changes.push(change) },
      fault: (code: number, reason: string) => { this.#fault(code, reason) },
    }
    this.#ephemeral = new Ephemeral(host)
    const parts = {
      inbox: this.#inbox, outbox: this.#outbox, conversations: this.#conversations, ephemeral: this.#ephemeral, liveness: this.#liveness,
    }
    this.#receiving = new Receiving(options, state.isBehind, parts, host)
    this.#asking = new Asking(options, { ...parts, receiving: this.#receiving }, host)
    this.#opening = new Opening(options, state, this.#outbox, this.#inbox, {
      ...host,
      need: (need) => { this.#need(need) },
      giveUp: (code, error) => { this.#giveUp(code, error) },
      binding: () => { this.#ephemeral.binding() },
      opened: (welcome) => { this.#opened(welcome) },
    })
  }

  // ——— What may be asked at any time ———

  get state(): ClientStateName {
    switch (this.#phase) {
      case IDLE: return 'idle'
      case WAITING: return 'waiting'
      case OPEN: return 'online'
      case STOPPED: return 'stopped'
      default: return 'connecting'
    }
  }

  /** Largest body that the peer may send now; for the decoder. */
  get frameBytesMax(): number {
    return this.#frameBytesMax
  }

  /** Whether what was missed has to be fetched before entries are given out. [QUE-9] */
  get isBehind(): boolean {
    return this.#receiving.isBehind
  }

  /** What waits for an answer, in the order of `send` and `mark`. */
  outbox(): OutboxEntry[] {
    return this.#outbox.list()
  }

  /** Now by the server's clock; of this device where no session has begun. */
  serverNowMs(nowMs: number, wallMs: number): number {
    return this.#timeBaseMs === 0 ? wallMs : this.#timeBaseMs + Math.round(nowMs - this.#timeBaseSeenMs)
  }

  watermarks(conversation: string): Watermarks {
    return this.#conversations.watermarks(conversation)
  }

  /** What is known of a user who is watched; null: nothing at present. */
  presence(user: string): PresenceEvent | null {
    return this.#ephemeral.known(user)
  }

  // ——— Inputs: the application ———

  /** Connects, and keeps connected until `close`. */
  start(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#phase === IDLE) this.#connect()
  }

  /**
   * Puts a message into the outbox and returns its handle; or a ClientError with the code that the server would refuse it with, or
   * `outbox-full`. `sent` or `refused` follow.
   */
  send(nowMs: number, to: string, text: string, extensions: Uint8Array): number | ClientError {
    this.#nowMs = nowMs
    const conversation = checkMessage(to, text, extensions)
    if (typeof conversation !== 'string') return conversation
    return this.#add('message', conversation, text, extensions, 0)
  }

  /** As `send`, for the read watermark. */
  markRead(nowMs: number, conversation: string, seq: number): number | ClientError {
    this.#nowMs = nowMs
    const name = normalizeConversation(conversation)
    if (name === null) return serverError(ERROR.malformedAddress, '', 0)
    if (!Number.isSafeInteger(seq) || seq < 1) return serverError(ERROR.invalidWatermark, '', 0)
    return this.#add('mark', name, '', EMPTY_BYTES, seq)
  }

  /** As `send`, for an operation on the message `target`. */
  operate(nowMs: number, kind: OperationName, conversation: string, target: number, text: string): number | ClientError {
    this.#nowMs = nowMs
    const name = checkOperation(kind, conversation, target, text)
    return typeof name === 'string' ? this.#add(kind, name, text, EMPTY_BYTES, target) : name
  }

  /** Asks; `answer` or `failed` follow with the id that is returned. */
  query(nowMs: number, element: Element): number | ClientError {
    this.#nowMs = nowMs
    if (this.#phase === STOPPED) return stopped()
    return this.#asking.query(nowMs, element)
  }

  /** Watches users until `unwatch`, through all connections; `presence` follows. Or a ClientError: malformed-address. */
  watch(users: readonly string[]): ClientError | null {
    return this.#phase === STOPPED ? stopped() : this.#ephemeral.watch(users)
  }

  /** No users: all. */
  unwatch(users: readonly string[]): ClientError | null {
    return this.#phase === STOPPED ? stopped() : this.#ephemeral.unwatch(users)
  }

  /** Whether a person may be looking at this device; true at first. [PRS-2] */
  setActive(nowMs: number, isActive: boolean): ClientError | null {
    this.#nowMs = nowMs
    if (this.#phase === STOPPED) return stopped()
    this.#ephemeral.setActive(isActive)
    return null
  }

  /** To be called while the user types, as often as it is convenient. */
  type(nowMs: number, conversation: string, kind: TypingKind): ClientError | null {
    this.#nowMs = nowMs
    return this.#phase === STOPPED ? stopped() : this.#ephemeral.type(nowMs, conversation, kind)
  }

  /** An answer of the server told this: what exists, and watermarks. */
  learn(conversation: string, tail: number, read: number, members: readonly { member: string; delivered: number; read: number }[]): void {
    this.#conversations.exists(conversation, tail)
    this.#conversations.mark(conversation, this.#options.user, MARK.read, read)
    for (const { member, delivered, read: memberRead } of members) {
      this.#conversations.mark(conversation, member, MARK.delivered, delivered)
      this.#conversations.mark(conversation, member, MARK.read, memberRead)
    }
  }

  /** Ends everything: the last cursor, close, and no reconnect. `stopped` follows. */
  close(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#phase === STOPPED) return
    if (this.#phase === OPEN) this.#sendCursor()
    if (this.#phase >= OPENING) this.#hangUp(ERROR.closed, '')
    else if (this.#phase === CONNECTING) this.#need({ kind: 'disconnect', isDead: true })
    this.#stop(null)
  }

  /** Something outside failed for good, such as storage or a handler: ends the connection without a word about what it has not stored. */
  fail(nowMs: number, error: ClientError): void {
    this.#nowMs = nowMs
    if (this.#phase === STOPPED) return
    if (this.#phase >= OPENING) this.#hangUp(ERROR.closed, '')
    else if (this.#phase === CONNECTING) this.#need({ kind: 'disconnect', isDead: true })
    this.#stop(error)
  }

  // ——— Inputs: entries on their way to the application ———

  /** The next message for the application; null if none waits, one is being handled, or what was missed comes first. */
  nextMessage(): Message | null {
    return this.#phase === STOPPED ? null : this.#receiving.nextMessage()
  }

  /** The application has the message that `nextMessage` gave: it may be stored as taken, and acknowledged. */
  handled(): void {
    this.#receiving.handled()
  }

  /** Whether a message of the history is one that the application has not been given, nor sent from this device. */
  isNews(conversation: string, seq: number): boolean {
    return this.#conversations.isNews(conversation, seq)
  }

  /** The application has a message that was fetched because the device was told too old. */
  recovered(conversation: string, from: string, seq: number): void {
    this.#receiving.noteShown(conversation, from, seq)
  }

  /** How far conversations were known to go that may be others of the same names now: those that are shorter, or not there, are. */
  tailsBefore(): Map<string, number> {
    return this.#conversations.tailsBefore()
  }

  /** This conversation is another of the same name, or there is none any more: its messages are news. */
  forget(conversation: string): void {
    this.#conversations.forget(conversation)
  }

  /** All that was missed is fetched; entries are given out again. */
  caughtUp(): void {
    this.#receiving.caughtUp()
  }

  // ——— Inputs: storage and time ———

  /** The changes of the last output that had any are on stable storage. */
  stored(nowMs: number): void {
    this.#nowMs = nowMs
    const batch = this.#batch
    if (batch === null) throw new TypeError('no batch is under way')
    this.#batch = null
    this.#outbox.stored(batch.staged)
    for (const entry of batch.staged) this.#event({ kind: 'queued', handle: entry.handle })
    for (const answer of batch.answers) this.#event(answer)
    if (batch.cursor !== null) this.#inbox.stored(batch.cursor.queueEpoch, batch.cursor.cursor)
    this.#opening.stored(batch.agreement)
  }

  /** The time of `CoreOutput.dueMs` has come. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    this.#asking.expire(nowMs)
    this.#ephemeral.tick(nowMs)
    if (nowMs >= this.#phaseDueMs) this.#phaseIsOver()
    if (this.#phase !== OPEN) return
    if (nowMs >= this.#liveness.deadMs) {
      this.#lose(serverError(ERROR.keepAliveTimeout, 'no answer to a ping', 0), true)
      return
    }
    if (nowMs >= this.#liveness.pingDueMs) {
      this.#push(encodePing(nowMs > 0 ? Math.floor(nowMs) : 0))
      this.#liveness.pinged(nowMs)
    }
  }

  // ——— Inputs: the connection ———

  /** The transport that was asked for is open. `canBind`: it has a channel binding to offer (TLS). [SCR-2] */
  connected(nowMs: number, canBind: boolean): void {
    this.#nowMs = nowMs
    if (this.#phase !== CONNECTING) return
    this.#phaseDueMs = nowMs + this.#options.connectTimeoutMs
    this.#liveness.opened(nowMs, LIMIT.keepAliveMs)
    this.#sessionEpoch = 0
    this.#receiving.connected()
    this.#frameBytesMax = LIMIT.openFrameBytesMax
    this.#phase = OPENING
    this.#opening.begin(canBind)
  }

  /** The transport could not be opened, or has ended without a close frame. */
  ended(nowMs: number, error: ClientError): void {
    this.#nowMs = nowMs
    if (this.#phase < CONNECTING || this.#phase === STOPPED) return
    this.#lose(error, false)
  }

  /** The bytes received make no frame: `code` is what the decoder says. */
  malformed(nowMs: number, code: number): void {
    this.#nowMs = nowMs
    if (this.#isConnected()) this.#fault(code, 'the bytes received make no frame')
  }

  /** A frame came. Its bytes are not kept. */
  received(nowMs: number, frame: Frame): void {
    this.#nowMs = nowMs
    if (!this.#isConnected()) return
    this.#liveness.heard(nowMs)
    switch (frame.type) {
      case FRAME.ping: this.#push(encodePong(frame.nonce)); return
      case FRAME.pong: return
      case FRAME.close: this.#closed(frame); return
      default:
    }
    if (this.#phase === OPEN) this.#receivedInSession(frame)
    else this.#opening.received(frame)
  }

  /** client-first or client-final: what `scramStart` and `scramChallenge` asked for. */
  scramData(nowMs: number, mechanism: string, data: Uint8Array): void {
    this.#nowMs = nowMs
    if (this.#phase === OPENING) this.#opening.scramData(mechanism, data)
  }

  /** The server has proved that it knows the password. [SCR-4] */
  scramVerified(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#phase === OPENING) this.#opening.scramVerified()
  }

  /** SCRAM can't go on: no password, or a server that proves nothing. It would fail the same way again, so the client stops. */
  scramFailed(nowMs: number, error: ClientError): void {
    this.#nowMs = nowMs
    if (this.#isConnected()) this.#giveUp(ERROR.notAuthorized, error)
  }

  // ——— Output ———

  /** All that is to be done now. */
  take(): CoreOutput {
    this.#outbox.release(this.#nowMs)
    if (this.#phase === OPEN) {
      this.#pump()
      if (this.#inbox.cursorDueMs(this.#nowMs) <= this.#nowMs) this.#sendCursor()
    }
    for (const receipt of this.#conversations.takeEvents()) this.#event({ kind: 'receipt', receipt })
    const changes = this.#batch === null ? this.#startBatch() : []
    const output = { frames: this.#frames, changes, events: this.#events, needs: this.#needs, dueMs: this.#dueMs() }
    this.#frames = []
    this.#events = []
    this.#needs = []
    return output
  }

  /** One batch at a time: while it is under way the next one fills. */
  #startBatch(): readonly StorageChange[] {
    const { changes: openingChanges, agreement } = this.#opening.drain()
    const { changes: outboxChanges, staged } = this.#outbox.drain()
    const changes = [...openingChanges, ...this.#changes, ...outboxChanges, ...this.#conversations.drain()]
    const cursor = this.#inbox.drain()
    if (cursor !== null) changes.push({ kind: 'cursor', ...cursor })
    if (changes.length === 0) return changes
    this.#batch = { staged, answers: this.#asking.takeAnswers(), cursor, agreement }
    this.#changes = []
    return changes
  }

  #dueMs(): number {
    if (this.#phase === STOPPED) return Infinity
    const dueMs = Math.min(this.#phaseDueMs, this.#outbox.nextDueMs, this.#ephemeral.dueMs, this.#asking.queryDueMs)
    if (this.#phase !== OPEN) return dueMs
    return Math.min(dueMs, this.#liveness.pingDueMs, this.#liveness.deadMs, this.#inbox.cursorDueMs(this.#nowMs))
  }

  #push(frame: Uint8Array): void {
    this.#frames.push(frame)
    this.#liveness.sent(this.#nowMs)
  }

  #event(event: CoreEvent): void {
    this.#events.push(event)
  }

  #need(need: CoreNeed): void {
    this.#needs.push(need)
  }

  #isConnected(): boolean {
    return this.#phase >= OPENING && this.#phase !== STOPPED
  }

  #setPhase(phase: number): void {
    const before = this.state
    this.#phase = phase
    if (this.state !== before) this.#event({ kind: 'state', state: this.state })
  }

  // ——— The way into the session ———

  #connect(): void {
    if (!this.#opening.canAuthenticate) {
      this.#stop(localError('no-password', 'no valid token is stored and no password was given'))
      return
    }
    const { address } = this.#reconnect
    this.#server = formatServer(address)
    if (isExposed(address) && !this.#options.allowsPlaintext) {
      const message = `${this.#server} is not encrypted and not on this machine: use ${address.scheme === 'ws' ? 'wss' : 'tls'}://`
      this.#stop(localError('plaintext-refused', `${message}, or allow plaintext`))
      return
    }
    this.#setPhase(CONNECTING)
    this.#phaseDueMs = this.#nowMs + this.#options.connectTimeoutMs
    this.#need({ kind: 'connect', address })
  }

  #phaseIsOver(): void {
    this.#phaseDueMs = Infinity
    if (this.#phase === WAITING) this.#connect()
    else if (this.#phase === CONNECTING) this.#lose(localError('connect-failed', 'the server did not answer in time'), true)
    else if (this.#isConnected()) this.#lose(serverError(ERROR.openTimeout, 'no welcome in time', 0), true)
  }

  #opened(frame: WelcomeFrame): void {
    this.#timeBaseMs = frame.time
    this.#timeBaseSeenMs = this.#nowMs
    this.#sessionEpoch = frame.outboxEpoch
    this.#frameBytesMax = frame.frameBytesMax
    this.#liveness.opened(this.#nowMs, Math.max(frame.keepAliveMs, 1))
    this.#reconnect.opened(this.#nowMs)
    this.#phaseDueMs = Infinity
    const resume = this.#receiving.opened(frame)
    // What the first flight took along waits for its answers. [KAL-5]
    if (this.#outbox.flyingCount > 0) this.#liveness.asked(this.#nowMs)
    this.#setPhase(OPEN)
    this.#event({ kind: 'welcome', welcome: { session: frame.session, resume, pending: frame.pending } })
    if (this.isBehind && this.#options.receives) this.#event({ kind: 'tooOld' })
    this.#ephemeral.opened()
  }

  // ——— In the session ———

  #receivedInSession(frame: Frame): void {
    switch (frame.type) {
      case FRAME.ack: this.#asking.acked(frame, this.#timeBaseMs); return
      case FRAME.refuse: this.#asking.refused(this.#nowMs, frame); return
      case FRAME.result: this.#asking.answered(frame); return
      case FRAME.fail: this.#asking.failed(frame); return
      case FRAME.presence: this.#ephemeral.presence(frame); return
      case FRAME.typingFrom: this.#ephemeral.typing(this.#nowMs, frame); return
      case FRAME.decline: this.#ephemeral.declined(this.#nowMs, frame); return
      default: if (!this.#receiving.received(frame)) this.#fault(ERROR.unexpectedFrame, `frame ${frame.type} from a server`)
    }
  }

  #add(kind: StanzaKind, to: string, text: string, extensions: Uint8Array, seq: number): number | ClientError {
    if (this.#phase === STOPPED) return stopped()
    return this.#asking.add(kind, to, text, extensions, seq)
  }

  #pump(): void {
    // Under an epoch that is not stored nothing is sent. [OPN-11]
    if (this.#opening.outboxEpoch === this.#sessionEpoch) this.#asking.pumpOutbox(this.#nowMs, this.#opening.unacknowledgedMax)
    this.#asking.pumpQueries(this.#nowMs)
  }

  #sendCursor(): void {
    const index = this.#inbox.acknowledge(this.#nowMs)
    if (index > 0) this.#push(encodeCursor(index))
  }

  // ——— Ends ———

  /** The peer's last frame. Its error's class says what comes next. [CLS-4] [CLS-5] */
  #closed(frame: CloseFrame): void {
    const error = serverError(frame.error, frame.reason, frame.retryAfterMs)
    this.#need({ kind: 'disconnect', isDead: false })
    if (this.#phase === OPENING ? this.#opening.refused(frame.error) : this.#opening.revoked(frame.error)) {
      if (this.#opening.canAuthenticate) this.#retry(error, frame.retryAfterMs)
      else this.#stop(error)
      return
    }
    if (errorClass(frame.error) !== 'again') {
      this.#stop(error)
      return
    }
    this.#reconnect.redirect(frame.error === ERROR.goToHost ? frame.host : null)
    this.#retry(error, frame.retryAfterMs)
  }

  /** The peer broke the protocol: say so and try again, more and more slowly if it goes on. */
  #fault(code: number, reason: string): void {
    this.#reconnect.faulted(this.#nowMs)
    this.#reconnect.redirect(null)
    this.#hangUp(code, reason)
    this.#retry(serverError(code, reason, 0), 0)
  }

  /** The connection is gone, or given up. `isOurs`: we end it. */
  #lose(error: ClientError, isOurs: boolean): void {
    if (isOurs) this.#need({ kind: 'disconnect', isDead: true })
    // A host that we were sent to and that does not answer is not insisted on.
    this.#reconnect.redirect(null)
    this.#retry(error, 0)
  }

  /** Another connection would fail the same way. */
  #giveUp(code: number, error: ClientError): void {
    this.#hangUp(code, '')
    this.#stop(error)
  }

  #hangUp(code: number, reason: string): void {
    this.#push(encodeClose(code, 0, '', reason))
    this.#need({ kind: 'disconnect', isDead: false })
  }

  #retry(error: ClientError, retryAfterMs: number): void {
    this.#forgetConnection()
    if (!this.#options.reconnects) {
      this.#stop(error)
      return
    }
    const waitMs = this.#reconnect.lost(this.#nowMs, retryAfterMs, this.#options.random())
    this.#phaseDueMs = this.#nowMs + waitMs
    this.#setPhase(WAITING)
    this.#event({ kind: 'disconnected', error, server: this.#server, retryInMs: waitMs })
  }

  #stop(error: ClientError | null): void {
    this.#forgetConnection()
    this.#phaseDueMs = Infinity
    this.#setPhase(STOPPED)
    this.#event({ kind: 'stopped', error })
  }

  #forgetConnection(): void {
    this.#asking.lost()
    this.#ephemeral.lost()
    this.#sessionEpoch = 0
  }
}

function stopped(): ClientError {
  return localError('stopped', 'the client has stopped')
}

/** The class of an error; of one that this version does not know, by its range. */
function errorClass(code: number): string {
  const info = ERRORS.get(code)
  if (info !== undefined) return info.class
  return code >= 100 && code < 200 ? 'again' : 'fault'
}
