/**
 * The opening of a connection, from hello to welcome, and what it agrees on for the connections after it: the token, the outbox epoch,
 * and how many stanzas the server takes. Lives as long as the core; each connection goes through it from `begin`.
 *
 *     hello [auth bind stanzas…] ─▶ features ─▶ (auth ─▶ challenge ─▶ response) ─▶ authenticated ─▶ (bind) ─▶ welcome
 *
 * With a token all of ours goes out in one flight; with a password each frame waits for the one before it.
 */
import { EMPTY_BYTES } from '../bytes.js'
import { encodeExtensions } from '../extensions.js'
import { encodeAuth, encodeBind, encodeHello, encodeResponse } from '../generated/frames.js'
import type { AuthenticatedFrame, FeaturesFrame, Frame, WelcomeFrame } from '../generated/frames.js'
import { ERROR, EXTENSION, FRAME, LIMIT, PROTOCOL_VERSION } from '../generated/registry.js'
import { encodeLoginToken } from '../login-token.js'
import { serverError } from './client-error.js'
import type { ClientError } from './client-error.js'
import { encodeStanza } from './core-frames.js'
import type { CoreNeed, CoreOptions } from './core-types.js'
import type { Inbox } from './inbox.js'
import type { Outbox } from './outbox.js'
import type { ClientState, StorageChange } from './state.js'

// Which frame is due, or which step of the shell.
const AWAIT_FEATURES = 0
/** The shell works on SCRAM: nothing but ping and close may come. */
const SCRAM_STARTS = 1
const AWAIT_CHALLENGE = 2
const SCRAM_ANSWERS = 3
const AWAIT_AUTHENTICATED = 4
const SCRAM_VERIFIES = 5
const AWAIT_WELCOME = 6

/** Stanzas of the first flight: far below what a server takes before it has authenticated us. [OPN-5] */
const FLIGHT_BYTES_MAX = LIMIT.openBytesMax / 2
const NO_QUEUE = encodeExtensions([{ key: EXTENSION.noQueue, value: EMPTY_BYTES }])

/** What the opening has the core do. */
export interface OpeningHost {
  push(frame: Uint8Array): void
  need(need: CoreNeed): void
  /** The peer broke the protocol. The connection has ended when this returns, as with `giveUp`. */
  fault(code: number, reason: string): void
  /** Another connection would fail the same way: hang up with `code`, and stop. */
  giveUp(code: number, error: ClientError): void
  /** The session is open; what is agreed on is noted. */
  /** Bind is out: what belongs into the same flight. */
  binding(): void
  opened(welcome: WelcomeFrame): void
}

/** What becomes true when the batch that was filled with it is stored. */
export interface Agreement {
  /** undefined: unchanged. */
  readonly token: Uint8Array | null | undefined
  readonly outboxEpoch: number
}

export class Opening {
  readonly #options: CoreOptions
  readonly #outbox: Outbox
  readonly #inbox: Inbox
  readonly #host: OpeningHost

  #step = AWAIT_FEATURES
  /** Durable. */
  #token: Uint8Array | null
  #newToken: Uint8Array | null | undefined = undefined
  #isTokenRefused = false
  /** Whether the present connection authenticates by token. */
  #usesToken = false
  #canBind = false
  #hasIdentity: boolean
  /** Durable. */
  #outboxEpoch: number
  #newOutboxEpoch: number
  #unacknowledgedMax: number
  #isFlightRefused = false
  #changes: StorageChange[] = []

  constructor(options: CoreOptions, state: ClientState, outbox: Outbox, inbox: Inbox, host: OpeningHost) {
    this.#options = options
    this.#outbox = outbox
    this.#inbox = inbox
    this.#host = host
    this.#token = state.token
    this.#hasIdentity = state.user !== ''
    this.#outboxEpoch = state.outboxEpoch
    this.#newOutboxEpoch = state.outboxEpoch
    this.#unacknowledgedMax = state.unacknowledgedMax
  }

  /** Whether there is anything to authenticate with. */
  get canAuthenticate(): boolean {
    return this.#options.hasPassword || (this.#token !== null && !this.#isTokenRefused)
  }

  /** The epoch that is stored; 0: none. */
  get outboxEpoch(): number {
    return this.#outboxEpoch
  }

  /** Of the last session, until the next welcome. */
  get unacknowledgedMax(): number {
    return this.#unacknowledgedMax
  }

  /** The transport is open: our first frames. `canBind`: it has a channel binding to offer. [SCR-2] */
  begin(canBind: boolean): void {
    this.#canBind = canBind
    this.#step = AWAIT_FEATURES
    const hello = encodeHello([PROTOCOL_VERSION], this.#options.agent)
    this.#host.push(hello)
    this.#usesToken = this.#token !== null && !this.#isTokenRefused
    if (this.#token === null || !this.#usesToken) return
    const { user, device } = this.#options
    const auth = encodeAuth('TOKEN', encodeLoginToken(user, device, this.#token))
    this.#host.push(auth)
    const bind = this.#encodeBind()
    this.#host.push(bind)
    this.#host.binding()
    this.#sendFirstFlight(hello.length + auth.length + bind.length)
  }

  /** With a token and a known epoch the outbox goes out behind bind, without waiting. [OPN-3] */
  #sendFirstFlight(bytesBefore: number): void {
    if (this.#outboxEpoch === 0) return
    const stanzasMax = this.#isFlightRefused ? 0 : Math.min(LIMIT.openStanzasMax, this.#unacknowledgedMax)
    let bytes = bytesBefore
    while (this.#outbox.flyingCount < stanzasMax) {
      const entry = this.#outbox.next()
      if (entry === undefined) return
      const frame = encodeStanza(entry)
      bytes += frame.length
      if (bytes > FLIGHT_BYTES_MAX || frame.length > LIMIT.openFrameBytesMax) return
      this.#outbox.sent(entry)
      this.#host.push(frame)
    }
  }

  /** A frame other than ping, pong and close came. */
  received(frame: Frame): void {
    if (frame.type === FRAME.features && this.#step === AWAIT_FEATURES) {
      this.#features(frame)
    } else if (frame.type === FRAME.challenge && this.#step === AWAIT_CHALLENGE) {
      this.#step = SCRAM_ANSWERS
      this.#host.need({ kind: 'scramChallenge', data: frame.data.slice() })
    } else if (frame.type === FRAME.authenticated && this.#step === AWAIT_AUTHENTICATED) {
      this.#authenticated(frame)
    } else if (frame.type === FRAME.welcome && this.#step === AWAIT_WELCOME) {
      this.#agree(frame)
      this.#host.opened(frame)
    } else {
      this.#host.fault(ERROR.unexpectedFrame, `frame ${frame.type} out of turn`)
    }
  }

  /** client-first or client-final: what `scramStart` and `scramChallenge` asked for. */
  scramData(mechanism: string, data: Uint8Array): void {
    if (this.#step === SCRAM_STARTS) {
      this.#host.push(encodeAuth(mechanism, data))
      this.#step = AWAIT_CHALLENGE
    } else if (this.#step === SCRAM_ANSWERS) {
      this.#host.push(encodeResponse(data))
      this.#step = AWAIT_AUTHENTICATED
    }
  }

  /** The server has proved that it knows the password. [SCR-4] */
  scramVerified(): void {
    if (this.#step !== SCRAM_VERIFIES) return
    this.#step = AWAIT_WELCOME
    this.#host.push(this.#encodeBind())
    this.#host.binding()
  }

  /** The server has closed with `code` before welcome. true: for a reason that the next opening avoids, if there `canAuthenticate`. */
  refused(code: number): boolean {
    if (this.#usesToken && isTokenRefusal(code)) {
      this.#dropToken(code)
      return true
    }
    if (code !== ERROR.tooManyUnacknowledged || this.#step !== AWAIT_WELCOME || this.#isFlightRefused) return false
    // Its limit has fallen since we were here last: wait for welcome to say how much it takes now.
    this.#isFlightRefused = true
    return true
  }

  /** The server has closed the session with `code`. true: since our token is valid no longer, which with a password can be helped. [TOK-4] */
  revoked(code: number): boolean {
    if (code === ERROR.tokenInvalid) this.#dropToken(code)
    return code === ERROR.tokenInvalid
  }

  /** What has to be stored, and what holds once it is. */
  drain(): { readonly changes: readonly StorageChange[]; readonly agreement: Agreement } {
    const drained = { changes: this.#changes, agreement: { token: this.#newToken, outboxEpoch: this.#newOutboxEpoch } }
    this.#changes = []
    this.#newToken = undefined
    return drained
  }

  /** It is stored. [OPN-9] [OPN-11] */
  stored(agreement: Agreement): void {
    if (agreement.token !== undefined) this.#token = agreement.token
    this.#outboxEpoch = agreement.outboxEpoch
  }

  #encodeBind(): Uint8Array {
    const { device, deviceName, window, receives } = this.#options
    const { epoch, cursor } = this.#inbox
    if (receives) return encodeBind(device, deviceName, epoch, cursor, this.#outboxEpoch, window)
    // A server that does not know the extension is to send as little as it can.
    return encodeBind(device, deviceName, epoch, cursor, this.#outboxEpoch, 1, NO_QUEUE)
  }

  #features(frame: FeaturesFrame): void {
    if (frame.version !== PROTOCOL_VERSION) {
      const code = ERROR.unsupportedVersion
      this.#host.giveUp(code, serverError(code, `the server chose version ${frame.version}`, 0))
      return
    }
    if (this.#usesToken) {
      this.#step = AWAIT_AUTHENTICATED
      return
    }
    const isBound = this.#canBind && frame.mechanisms.includes('SCRAM-SHA-256-PLUS') && frame.channelBindings.includes('tls-exporter')
    if (!isBound && !frame.mechanisms.includes('SCRAM-SHA-256')) {
      const code = frame.mechanisms.length === 0 ? ERROR.encryptionRequired : ERROR.unsupportedMechanism
      this.#host.giveUp(ERROR.closed, serverError(code, 'the server offers no mechanism that this client can use', 0))
      return
    }
    this.#step = SCRAM_STARTS
    this.#host.need({ kind: 'scramStart', binding: isBound ? 'bound' : this.#canBind ? 'unoffered' : 'none' })
  }

  #authenticated(frame: AuthenticatedFrame): void {
    if (frame.user !== this.#options.user) {
      this.#host.fault(ERROR.unexpectedFrame, 'authenticated as somebody else')
    } else if (this.#usesToken) {
      this.#step = AWAIT_WELCOME
    } else {
      this.#step = SCRAM_VERIFIES
      this.#host.need({ kind: 'scramVerify', data: frame.data.slice() })
    }
  }

  #agree(frame: WelcomeFrame): void {
    if (!this.#hasIdentity) {
      this.#hasIdentity = true
      this.#changes.push({ kind: 'identity', user: this.#options.user, device: this.#options.device })
    }
    if (frame.token.length > 0) {
      this.#newToken = frame.token.slice()
      this.#changes.push({ kind: 'token', token: this.#newToken })
    }
    if (frame.outboxEpoch !== this.#newOutboxEpoch) {
      this.#newOutboxEpoch = frame.outboxEpoch
      this.#changes.push({ kind: 'outboxEpoch', outboxEpoch: frame.outboxEpoch })
    }
    if (frame.unacknowledgedMax !== this.#unacknowledgedMax) {
      this.#unacknowledgedMax = frame.unacknowledgedMax
      this.#changes.push({ kind: 'limits', unacknowledgedMax: frame.unacknowledgedMax })
    }
    this.#isFlightRefused = false
  }

  #dropToken(code: number): void {
    this.#isTokenRefused = true
    if (code !== ERROR.tokenInvalid) return
    this.#token = null
    this.#newToken = null
    this.#isTokenRefused = false
    this.#changes.push({ kind: 'token', token: null })
  }
}

function isTokenRefusal(code: number): boolean {
  return code === ERROR.tokenInvalid || code === ERROR.unsupportedMechanism
}
