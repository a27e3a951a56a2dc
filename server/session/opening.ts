/**
 * From the first byte to welcome: hello, authentication, bind. A small state machine; where an answer has to be awaited the
 * connection handles no further frame, so that the frames of one flight keep their order. [OPN-4]
 *
 *     HELLO ─hello→ AUTH ─auth(SCRAM)→ RESPONSE ─response→ BIND ─bind→ (session)
 *                   │ ↑ └──auth(TOKEN)────────────────────┘
 *                   └─┘ register, once
 */
import { asError } from '../../protocol/as-error.js'
import { normalizeDevice } from '../../protocol/address.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { findExtension } from '../../protocol/extensions.js'
import {
  type AuthFrame, type BindFrame, encodeAuthenticated, encodeChallenge, encodeFeatures, encodeWelcome, type Frame, type HelloFrame,
  type RegisterFrame, type ResponseFrame,
} from '../../protocol/generated/frames.js'
import { CHANNEL_BINDINGS, ERROR, type ErrorCode, EXTENSION, FRAME, LIMIT, PROTOCOL_VERSION, RESUME } from '../../protocol/generated/registry.js'
import { decodeLoginToken } from '../../protocol/login-token.js'
import { deriveFakeVerifier } from '../../protocol/scram.js'
import { ScramServer } from '../../protocol/scram-server.js'
import { answerRegister } from './registering.js'
import { type Connection, HOLD } from '../connection/connection.js'
import type { ConnectionEnvironment } from '../connection/connections.js'
import { OPENING_STEP, type OpeningStep } from '../connection/opening-line.js'
import { type Attached, type AttachRequest, RouterError } from '../router/router.js'
import { shorten } from './labels.js'
import { NODE_CRYPTO, sha256 } from './node-crypto.js'
import { randomPiece } from './random-pool.js'
import { Session } from './session.js'
import { shownUser, TOKEN } from './shown-user.js'

const EXPECT_HELLO = 0
const EXPECT_AUTH = 1
const EXPECT_RESPONSE = 2
const EXPECT_BIND = 3
const ENDED = 4

const SCRAM = 'SCRAM-SHA-256'
const SCRAM_PLUS = 'SCRAM-SHA-256-PLUS'

export class Opening {
  readonly #connection: Connection
  readonly #environment: ConnectionEnvironment
  #state: number
  #agent: string
  #mechanism: string
  #bindingData: Uint8Array | null
  #exchange: ScramServer | null
  #isDisabled: boolean
  /** Of the verifier in the challenge. */
  #verifierSalt: Uint8Array | null
  #user: string
  /** With TOKEN: the device it is for, and its hash. */
  #tokenDevice: string
  #tokenHash: Uint8Array | null
  #hasRegistered: boolean
  /** That is being attached. */
  #session: Session | null

  constructor(connection: Connection, environment: ConnectionEnvironment) {
    this.#connection = connection
    this.#environment = environment
    this.#state = EXPECT_HELLO
    this.#agent = ''
    this.#mechanism = ''
    this.#bindingData = null
    this.#exchange = null
    this.#isDisabled = false
    this.#verifierSalt = null
    this.#user = ''
    this.#tokenDevice = ''
    this.#tokenHash = null
    this.#hasRegistered = false
    this.#session = null
  }

  /** One frame, in order, and each step once. [FRM-10] [OPN-1] [OPN-19] */
  handle(frame: Frame): void {
    if (this.#state === EXPECT_HELLO && frame.type === FRAME.hello) this.#hello(frame)
    else if (this.#state === EXPECT_AUTH && frame.type === FRAME.auth) this.#auth(frame)
    else if (this.#state === EXPECT_AUTH && frame.type === FRAME.register && !this.#hasRegistered) this.#register(frame)
    else if (this.#state === EXPECT_RESPONSE && frame.type === FRAME.response) this.#await(this.#response(frame))
    else if (this.#state === EXPECT_BIND && frame.type === FRAME.bind) this.#await(this.#bind(frame))
    else this.#connection.close(ERROR.unexpectedFrame)
  }

  /** The connection ended; what is still awaited is thrown away. */
  end(): void {
    this.#state = ENDED
    this.#connection.connections.openings.leave(this)
    if (this.#session !== null) this.#environment.router.abandon(this.#session)
    this.#exchange = null
  }

  #hello(frame: HelloFrame): void {
    // The first version of the client's list that we speak; we speak one. [OPN-2]
    if (!frame.versions.includes(PROTOCOL_VERSION)) {
      this.#connection.close(ERROR.unsupportedVersion)
      return
    }
    this.#agent = shorten(frame.agent, LIMIT.labelBytesMax)
    this.#bindingData = this.#connection.transport.channelBinding()
    const { limits } = this.#environment.config
    const elapsedMs = this.#environment.clock.monotonicMs() - this.#connection.transport.acceptedMs
    this.#connection.send(encodeFeatures(
      PROTOCOL_VERSION, this.#mechanisms(), this.#bindingData === null ? [] : CHANNEL_BINDINGS, limits.openFrameBytesMax,
      Math.max(0, Math.floor(limits.openTimeoutMs - elapsedMs)),
      this.#needsEncryption() ? EMPTY_BYTES : this.#connection.connections.registrations.offerBytes,
    ))
    this.#state = EXPECT_AUTH
  }

  #mechanisms(): readonly string[] {
    if (this.#needsEncryption()) return []
    return this.#bindingData === null ? [SCRAM, TOKEN] : [SCRAM_PLUS, SCRAM, TOKEN]
  }

  #needsEncryption(): boolean {
    return this.#environment.config.auth.requireEncryption && !this.#connection.transport.isEncrypted
  }

  /** In the place of auth, which follows it here or elsewhere. [INV-2] */
  #register(frame: RegisterFrame): void {
    this.#hasRegistered = true
    this.#await(answerRegister(this.#connection, this.#environment, frame))
  }

  #auth(frame: AuthFrame): void {
    const connection = this.#connection
    if (this.#needsEncryption()) { // [OPN-12]
      connection.close(ERROR.encryptionRequired)
      return
    }
    if (!this.#mechanisms().includes(frame.mechanism)) {
      connection.close(ERROR.unsupportedMechanism)
      return
    }
    // Before anything is computed for it.
    const host = this.#environment.redirects?.hostFor(connection.transport.scheme, () => shownUser(frame)) ?? null
    if (host !== null) {
      connection.close(ERROR.goToHost, 0, '', host) // [CLS-7]
      return
    }
    const waitMs = this.#environment.admission.authenticationWaitMs(connection.transport.remoteAddress)
    if (waitMs > 0) {
      connection.close(ERROR.tooManyAttempts, waitMs)
      return
    }
    this.#mechanism = frame.mechanism
    if (frame.mechanism === TOKEN) this.#await(this.#token(frame.data))
    else this.#scram(frame)
  }

  #scram(frame: AuthFrame): void {
    const exchange = new ScramServer({ isPlus: frame.mechanism === SCRAM_PLUS, bindingData: this.#bindingData, crypto: NODE_CRYPTO })
    const refusal = exchange.start(frame.data)
    if (refusal === 0) this.#await(this.#challenge(exchange))
    else this.#refuse(refusal)
  }

  async #challenge(exchange: ScramServer): Promise<void> {
    const { router, secret } = this.#environment
    const { user } = exchange
    const account = user === null ? null : await this.#inTurn(user, OPENING_STEP.authenticate, () => router.account(user))
    const verifier = account?.verifier
      ?? await deriveFakeVerifier(exchange.user ?? exchange.name, secret.key, secret.iterations, NODE_CRYPTO)
    if (this.#state !== EXPECT_AUTH) return
    this.#exchange = exchange
    this.#verifierSalt = verifier.salt
    this.#isDisabled = account?.disabled === true
    this.#user = account?.user ?? ''
    this.#connection.send(encodeChallenge(exchange.challenge(verifier)))
    this.#state = EXPECT_RESPONSE
  }

  async #response(frame: ResponseFrame): Promise<void> {
    const exchange = this.#exchange
    this.#exchange = null
    const result = exchange === null ? ERROR.notAuthorized : await exchange.finish(frame.data)
    if (this.#state !== EXPECT_RESPONSE) return
    if (typeof result === 'number') this.#refuse(result)
    else if (this.#user === '') this.#refuse(ERROR.notAuthorized)
    else if (this.#isDisabled) this.#refuse(ERROR.accountDisabled)
    else this.#authenticated(result)
  }

  /** [TOK-1] */
  async #token(data: Uint8Array): Promise<void> {
    const shown = decodeLoginToken(data)
    if (shown === null) {
      this.#refuse(ERROR.tokenInvalid)
      return
    }
    const { user, device, token } = shown
    const hash = sha256(token)
    const check = await this.#inTurn(user, OPENING_STEP.authenticate, () => this.#environment.router.checkToken(user, device, hash))
    if (this.#state !== EXPECT_AUTH) return
    if (check !== 'valid') {
      this.#refuse(check === 'disabled' ? ERROR.accountDisabled : ERROR.tokenInvalid)
      return
    }
    this.#user = user
    this.#tokenDevice = device
    this.#tokenHash = hash
    this.#authenticated(EMPTY_BYTES)
  }

  #authenticated(data: Uint8Array): void {
    this.#environment.counters.authenticated(this.#mechanism, 'ok')
    this.#connection.authenticated()
    this.#connection.send(encodeAuthenticated(this.#user, data))
    this.#state = EXPECT_BIND
  }

  #refuse(error: ErrorCode): void {
    const { counters, admission, log } = this.#environment
    const address = this.#connection.transport.remoteAddress
    counters.authenticated(this.#mechanism, 'refused')
    admission.authenticationFailed(address)
    log.warn({ session: this.#connection.id, address, mechanism: this.#mechanism, code: error }, 'authentication-refused')
    this.#connection.close(error)
  }

  async #bind(frame: BindFrame): Promise<void> {
    const device = normalizeDevice(frame.device)
    if (device === null) {
      this.#connection.close(ERROR.malformedDevice)
      return
    }
    if (this.#tokenHash !== null && device !== this.#tokenDevice) { // [TOK-5]
      this.#connection.close(ERROR.notAuthorized, 0, 'the token belongs to another device')
      return
    }
    const waitMs = this.#connection.connections.rates.faultWaitMs(this.#user, device)
    if (waitMs > 0) {
      this.#connection.close(ERROR.tooManyAttempts, waitMs)
      return
    }
    const { router } = this.#environment
    const token = randomPiece(LIMIT.tokenBytes)
    const session = new Session(this.#connection, this.#environment, this.#user, device)
    this.#session = session
    const request: AttachRequest = {
      user: this.#user,
      device,
      deviceName: shorten(frame.deviceName, LIMIT.labelBytesMax),
      queueEpoch: frame.queueEpoch,
      cursor: frame.cursor,
      outboxEpoch: frame.outboxEpoch,
      window: frame.window,
      ...(findExtension(frame.extensions, EXTENSION.noQueue) === null ? {} : { noQueue: true }),
      usedTokenHash: this.#tokenHash,
      ...(this.#tokenHash === null && this.#verifierSalt !== null ? { verifierSalt: this.#verifierSalt } : {}),
      freshTokenHash: sha256(token),
    }
    const attached = await this.#inTurn(this.#user, OPENING_STEP.bind, () => router.attach(request, session)).finally(() => { this.#session = null })
    if (this.#state !== EXPECT_BIND) {
      if (!session.isEnded) router.detach(attached.attachment)
      return
    }
    this.#welcome(session, attached, token)
  }

  #welcome(session: Session, attached: Attached, token: Uint8Array): void {
    const { limits } = this.#environment.config
    const { clock, counters, log, router } = this.#environment
    const connection = this.#connection
    const timeMs = clock.nowMs()
    session.start(attached.attachment, timeMs)
    connection.send(encodeWelcome(
      connection.id, timeMs, attached.resume, attached.queueEpoch, attached.cursor, attached.pending, attached.outboxEpoch, attached.window,
      limits.unacknowledgedMax, limits.frameBytesMax, limits.keepAliveMs, attached.tokenIssued ? token : EMPTY_BYTES,
    ))
    this.#state = ENDED
    connection.opened(session)
    router.start(attached.attachment)
    counters.opened++
    if (attached.resume === RESUME.resumed) counters.resumed++
    if (attached.resume === RESUME.tooOld) counters.tooOld++
    log.info({
      session: connection.id,
      user: session.user,
      device: session.device,
      address: connection.transport.remoteAddress,
      transport: connection.transport.scheme,
      agent: this.#agent,
      mechanism: this.#mechanism,
      resume: attached.resume,
      pending: attached.pending,
    }, 'session-opened')
  }

  /** What the user's shard has to do for it. */
  #inTurn<T>(user: string, step: OpeningStep, perform: () => Promise<T>): Promise<T> {
    return this.#connection.connections.openings.pass(this.#environment.router.shardOf(user), this, step, perform)
  }

  /** Holds the connection's frames until the step is done. */
  #await(step: Promise<void>): void {
    const connection = this.#connection
    connection.hold(HOLD.control)
    step.catch((error: unknown) => this.#failed(error)).finally(() => connection.release(HOLD.control))
      .catch((error: unknown) => this.#failed(error))
  }

  #failed(error: unknown): void {
    if (error instanceof RouterError) {
      this.#connection.close(streamError(error.code), error.retryAfterMs)
      return
    }
    this.#environment.log.error({ session: this.#connection.id, error: asError(error) }, 'opening-failed')
    this.#connection.close(ERROR.internalError)
  }
}

/** What a router's refusal of a whole session closes the connection with. */
function streamError(code: ErrorCode): ErrorCode {
  if (code < 300) return code
  if (code === ERROR.noSuchUser) return ERROR.accountRemoved
  return code === ERROR.unavailable || code === ERROR.resourceLimit ? ERROR.storageUnavailable : ERROR.internalError
}
