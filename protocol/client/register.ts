/**
 * Makes an account on a server that takes registrations: one connection, from hello to registered; or another, where one leads to no
 * answer. The password stays here; the server gets the verifier that it will check logins against. [INV-3]
 */
import { asError } from '../as-error.js'
import { normalizeUser } from '../address.js'
import { backOffMs } from '../back-off.js'
import { FrameDecoder } from '../frame-decoder.js'
import { encodeClose, encodeHello, encodeRegister } from '../generated/frames.js'
import type { CloseFrame, FeaturesFrame } from '../generated/frames.js'
import { ERROR, FRAME, PROTOCOL_VERSION } from '../generated/registry.js'
import { preparePassword } from '../password.js'
import { decodeRegistrationOffer } from '../registration.js'
import { deriveVerifier, isIterationCount, SCRAM_SALT_BYTES } from '../scram.js'
import type { ScramVerifier } from '../scram.js'
import { ClientError, localError, serverError } from './client-error.js'
import type { Platform } from './driver.js'
import { inOwnOrder, REDIRECTS_MAX } from './reconnect.js'
import { formatHost, isExposed, parseServers, redirectTo } from './server-url.js'
import type { ServerAddress } from './server-url.js'
import type { Transport, TransportOptions } from './transport.js'

export interface RegisterOptions extends TransportOptions {
  /** `tcp://`, `tls://`, `ws://` or `wss://`, host and port; the port may be left out. Several of one service, as for a client, are tried in turn. */
  readonly server: string | readonly string[]
  /** The name wanted. */
  readonly user: string
  readonly password: string
  /** The code, where the server asks for one; as typed. */
  readonly invite?: string
  readonly agent?: string
  /** For the whole of one attempt; Infinity: no limit. Default 15,000. */
  readonly timeoutMs?: number
  /** For all attempts, with the pauses between them: a server that is silent gets its share of what is left. Default: no limit. */
  readonly totalTimeoutMs?: number
  /** Attempts with each server, where the connection is lost before the answer: the same is asked again, and does nothing twice. Default 3. [INV-7] */
  readonly attempts?: number
  /** As for a client. [INV-14] */
  readonly allowPlaintext?: boolean
}

/**
 * Resolves with the user's name as the server spells it, once the account is on stable storage; a Client logs in with it as usual.
 * Rejects with the ClientError of the server (registration-closed, invite-invalid, name-taken, malformed-registration,
 * too-many-attempts …) or of its own (no-password, plaintext-refused, server-unproven, connect-failed, timeout).
 */
export async function registerAccount(options: RegisterOptions, platform: Platform): Promise<string> {
  const user = normalizeUser(options.user)
  if (user === null) throw new TypeError(`not a user name: ${options.user}`)
  if (preparePassword(options.password) === null) throw localError('no-password', 'the password is empty, too long or has a control character')
  const { attempts = 3, totalTimeoutMs = Infinity } = options
  const endMs = platform.nowMs() + totalTimeoutMs
  const registration = new Registration({ ...options, user }, platform)
  let servers = inOwnOrder(parseServers(options.server), platform.random)
  for (let round = 1; ; round++) {
    const outcome = await registration.askEach(servers, endMs)
    if (outcome.kind === 'registered') return outcome.user
    servers = outcome.worthAsking
    const leftMs = endMs - platform.nowMs()
    if (servers.length === 0 || round >= attempts || leftMs <= 0) throw outcome.error
    // Servers of one service are in the same trouble: who has asked them all waits.
    const delayMs = Math.min(leftMs, backOffMs(round - 1, 0, platform.random()))
    await new Promise<void>((resolve) => { platform.setTimer(resolve, delayMs) })
  }
}

/** Whether another server, or this one later, may answer otherwise; but not who is to wait as it was told. [INV-11] */
function isPassing(error: Error): boolean {
  return error instanceof ClientError && error.isRetryable && error.code !== ERROR.tooManyAttempts
}

type RoundOutcome =
  | { readonly kind: 'registered'; readonly user: string }
  /** The last server's error, and those that gave no answer at all. */
  | { readonly kind: 'unanswered'; readonly error: Error; readonly worthAsking: ServerAddress[] }

type Outcome =
  | { readonly kind: 'registered'; readonly user: string }
  | { readonly kind: 'failed'; readonly error: Error }
  /** `sentTo`: the server named another, as `host:port`. */
  | { readonly kind: 'lost'; readonly reason: string; readonly cause: unknown; readonly sentTo: string | null }

class Registration {
  readonly #options: RegisterOptions
  readonly #platform: Platform
  readonly #salt: Uint8Array
  /** The same in every attempt: that is how the server knows a repetition. [INV-7] */
  #verifier: ScramVerifier | null = null
  /** The server has said close on this connection: nothing more is said there. [CLS-2] */
  #isClosed = false

  constructor(options: RegisterOptions, platform: Platform) {
    this.#options = options
    this.#platform = platform
    this.#salt = platform.crypto.randomBytes(SCRAM_SALT_BYTES)
  }

  /** One after the other, each for its share of the time that is left. Rejects where no other server would say otherwise. */
  async askEach(servers: readonly ServerAddress[], endMs: number): Promise<RoundOutcome> {
    const worthAsking: ServerAddress[] = []
    let error: Error | null = null
    for (const [at, server] of servers.entries()) {
      const nowMs = this.#platform.nowMs()
      const outcome = await this.#ask(server, nowMs + (endMs - nowMs) / (servers.length - at))
      if (outcome.kind === 'registered') return outcome
      if (outcome.kind === 'lost') worthAsking.push(server)
      // What ails one server need not ail the next.
      else if (!isPassing(outcome.error)) throw outcome.error
      error = outcome.kind === 'lost' ? localError('connect-failed', outcome.reason, outcome.cause) : outcome.error
    }
    return { kind: 'unanswered', error: error!, worthAsking }
  }

  /** A server, and the hosts that it sends on to. [CLS-7] */
  async #ask(server: ServerAddress, endMs: number): Promise<Outcome> {
    let address = server
    for (let redirects = 0; ; redirects++) {
      const outcome = await this.#attempt(address, Math.min(this.#options.timeoutMs ?? 15_000, endMs - this.#platform.nowMs()))
      const host = outcome.kind === 'lost' && redirects < REDIRECTS_MAX ? outcome.sentTo : null
      const next = host === null ? null : redirectTo(server, host)
      if (next === null) return outcome
      address = next
    }
  }

  async #attempt(address: ServerAddress, timeoutMs: number): Promise<Outcome> {
    if (isExposed(address) && this.#options.allowPlaintext !== true) {
      const message = `not without encryption to ${formatHost(address)}: use tls:// or wss://, or allow plaintext`
      return { kind: 'failed', error: localError('plaintext-refused', message) }
    }
    this.#isClosed = false
    const abort = new AbortController()
    let transport: Transport | null = null
    let timer: unknown = null
    try {
      return await new Promise<Outcome>((resolve) => {
        const giveUp = (): void => { resolve({ kind: 'failed', error: localError('timeout', `no answer from ${formatHost(address)} in time`) }) }
        if (timeoutMs !== Infinity) timer = this.#platform.setTimer(giveUp, Math.max(0, timeoutMs))
        this.#connect(address, resolve, abort.signal, (opened) => { transport = opened })
      })
    } finally {
      this.#platform.clearTimer(timer)
      abort.abort()
      const open = transport as Transport | null
      if (!this.#isClosed) open?.write([encodeClose(ERROR.closed, 0, '', '')])
      void open?.close(ERROR.closed)
    }
  }

  #connect(address: ServerAddress, finish: (outcome: Outcome) => void, signal: AbortSignal, opened: (transport: Transport) => void): void {
    const decoder = new FrameDecoder()
    let transport: Transport | null = null
    const lose = (cause: unknown): void => {
      finish({ kind: 'lost', reason: cause instanceof Error ? cause.message : 'the connection ended', cause: cause ?? undefined, sentTo: null })
    }
    const fail = (error: unknown): void => {
      finish({ kind: 'failed', error: asError(error) })
    }
    let isAnswered = false
    const onData = (chunk: Uint8Array): void => {
      decoder.push(chunk)
      for (let frame = decoder.next(); frame !== null; frame = decoder.next()) {
        if (typeof frame === 'number') {
          fail(serverError(frame, 'the server sent what is no frame', 0))
          return
        }
        if (frame.type === FRAME.features && !isAnswered) {
          isAnswered = true
          this.#answer(frame).then((bytes) => { transport?.write([bytes]) }, fail)
        } else if (frame.type === FRAME.registered) {
          finish({ kind: 'registered', user: frame.user })
        } else if (frame.type === FRAME.close) {
          finish(this.#closed(frame))
        } else if (frame.type !== FRAME.ping && frame.type !== FRAME.pong) {
          fail(serverError(ERROR.unexpectedFrame, `frame ${String(frame.type)} out of turn`, 0))
          return
        }
      }
    }
    const handlers = { onData, onEnd: lose }
    this.#platform.connect(address, this.#options.ca === undefined ? {} : { ca: this.#options.ca }, handlers, signal).then((made) => {
      transport = made
      opened(made)
      made.write([encodeHello([PROTOCOL_VERSION], this.#options.agent ?? 'chatd-client')])
    }, lose)
  }

  /** The register frame that fits the offer. */
  async #answer(features: FeaturesFrame): Promise<Uint8Array> {
    const offer = decodeRegistrationOffer(features.extensions)
    if (offer === null) {
      throw serverError(features.mechanisms.length === 0 ? ERROR.encryptionRequired : ERROR.registrationClosed, '', 0)
    }
    const { user, password, invite = '' } = this.#options
    if (offer.mode === 'invite' && invite === '') throw serverError(ERROR.inviteInvalid, 'the server asks for an invite code', 0)
    // [SCR-5]
    if (!isIterationCount(offer.iterations)) throw localError('server-unproven', 'the server asks for too few or too many SCRAM iterations')
    if (this.#verifier?.iterations !== offer.iterations) {
      this.#verifier = await deriveVerifier(password, this.#salt, offer.iterations, this.#platform.crypto)
    }
    const { salt, iterations, storedKey, serverKey } = this.#verifier
    return encodeRegister(user, invite, salt, iterations, storedKey, serverKey)
  }

  #closed({ error, host, reason, retryAfterMs }: CloseFrame): Outcome {
    this.#isClosed = true
    if (error !== ERROR.goToHost) return { kind: 'failed', error: serverError(error, reason, retryAfterMs) }
    return { kind: 'lost', reason: `sent on to ${host}`, cause: undefined, sentTo: host }
  }
}
