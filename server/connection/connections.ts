/**
 * All connections of the server, and the few timers they share: one sweep a second finds those that open, answer, acknowledge or close
 * too slowly; none has a timer of its own.
 */
import { encodeClose } from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Desk } from '../blobs/blob-desk.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Transport, TransportHandler } from '../listeners/transport.js'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import type { Router } from '../router/router.js'
import { Registrations } from '../session/registrations.js'
import { DeviceRates } from '../session/rates.js'
import { randomPiece } from '../session/random-pool.js'
import type { ServerSecret } from '../session/server-secret.js'
import type { Admission } from './admission.js'
import { Connection, HOLD } from './connection.js'
import { leaveInTurn } from './leave-in-turn.js'
import { OpeningLines } from './opening-line.js'
import { DeadlineQueue } from './deadline-queue.js'
import { Flusher } from './flusher.js'
import type { Redirects } from './redirects.js'
import { FRAMES_BY_TAKER, TurnQueue } from './turn-queue.js'

/** What connections, openings and sessions need from the outside. */
export interface ConnectionEnvironment {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
  readonly router: Router
  readonly admission: Admission
  readonly secret: ServerSecret
  /** null: no blobs are kept. */
  readonly blobs: Desk | null
  /** Not given: clients are served where they have come to. */
  readonly redirects?: Redirects
}

export const SWEEP_MS = 1000
/** Twelve characters: no two sessions of a log share one, and nobody can count them. */
const SESSION_ID_BYTES = 9
/** How exactly a client that is too fast is slowed down. */
const THROTTLE_MS = 20
/** Frames that one connection within its rate may handle before it waits for its turn, too: a hundred must not make a turn long. */
export const FRAMES_AT_ONCE = 32
/** Closed for want of room: come back after this, and a random part of it. */
const CROWDED_RETRY_MS = 5000

export class Connections {
  readonly environment: ConnectionEnvironment
  readonly flusher = new Flusher()
  readonly rates: DeviceRates
  readonly registrations: Registrations
  readonly openings: OpeningLines
  readonly #opening = new Set<Connection>()
  readonly #open = new Set<Connection>()
  readonly #checks: DeadlineQueue<Connection>
  readonly #closing: DeadlineQueue<Connection | Refused>
  readonly #throttled = new Map<Connection, number>()
  #throttleTimer: NodeJS.Timeout | null = null
  readonly #turns = new TurnQueue<Connection>()
  /** The one that was let in from the queue, and the frames it may still handle. */
  #served: Connection | null = null
  #servedLeft = 0
  #isTurnScheduled = false
  readonly #runTurn = (): void => {
    this.#isTurnScheduled = false
    this.#releaseWaiting()
  }
  #isAwaitingRoom = false
  readonly #onRoom = (): void => {
    this.#isAwaitingRoom = false
    this.#releaseNext()
    this.#releaseWaiting()
  }
  #isDraining = false
  #onQuiet: (() => void) | null = null

  constructor(environment: ConnectionEnvironment) {
    this.environment = environment
    this.rates = new DeviceRates(environment.config.rate, environment.clock)
    this.registrations = new Registrations(environment.config, environment.clock)
    this.openings = new OpeningLines(environment.config.limits.openingsAtOnce, environment.router.shards)
    const { keepAliveMs, closeTimeoutMs } = environment.config.limits
    this.#checks = new DeadlineQueue(keepAliveMs / 8)
    this.#closing = new DeadlineQueue(closeTimeoutMs)
  }

  /** Connections that have not ended, and those that are closing. */
  get size(): number {
    return this.#opening.size + this.#open.size + this.#closing.size
  }

  /** Takes a transport from a listener; refuses it where there are too many. */
  accept(transport: Transport): void {
    const { clock, counters, admission, log } = this.environment
    counters.accepted[transport.scheme]++
    counters.connections[transport.scheme]++
    const verdict = this.#isDraining ? ERROR.shuttingDown : admission.beginOpening(transport.remoteAddress)
    if (verdict !== 0) {
      const refused = new Refused(transport, this)
      this.#closing.set(refused, clock.monotonicMs())
      refused.refuse(verdict)
      return
    }
    const connection = new Connection(transport, this, randomPiece(SESSION_ID_BYTES).toString('base64url'), clock.monotonicMs())
    this.#opening.add(connection)
    transport.start(connection)
    log.debug({ session: connection.id, transport: transport.scheme, address: transport.remoteAddress }, 'connection-accepted')
  }

  /** @internal A refused transport is gone. */
  refusedGone(refused: Refused, transport: Transport): void {
    this.environment.counters.connections[transport.scheme]--
    this.#closing.delete(refused)
    this.#tellIfQuiet()
  }

  // What connections tell of themselves.

  authenticated(connection: Connection): void {
    this.environment.admission.endOpening(connection.transport.remoteAddress)
  }

  opened(connection: Connection): void {
    this.#opening.delete(connection)
    this.#open.add(connection)
    this.#checks.set(connection, this.environment.clock.monotonicMs())
    this.environment.counters.sessions++
  }

  ended(connection: Connection, error: ErrorCode, by: 'server' | 'client', reason: string): void {
    const { counters, log, clock, admission } = this.environment
    counters.closed(error, by)
    if (!connection.isAuthenticated) admission.endOpening(connection.transport.remoteAddress)
    if (this.#open.delete(connection)) counters.sessions--
    this.#opening.delete(connection)
    this.#checks.delete(connection)
    this.#throttled.delete(connection)
    const session = connection.session
    const info = ERRORS.get(error)
    if (by === 'server' && info?.class === 'fault') session?.rates.fault(clock)
    log.info({
      session: connection.id,
      user: session?.user,
      device: session?.device,
      address: connection.transport.remoteAddress,
      transport: connection.transport.scheme,
      code: error,
      reason: info?.name,
      by,
      detail: reason === '' ? undefined : reason,
      seconds: Math.round((clock.monotonicMs() - connection.transport.acceptedMs) / 1000),
    }, 'connection-ended')
  }

  closing(connection: Connection): void {
    this.#closing.set(connection, this.environment.clock.monotonicMs())
  }

  gone(connection: Connection): void {
    this.environment.counters.connections[connection.transport.scheme]--
    this.#closing.delete(connection)
    this.#tellIfQuiet()
  }

  // Turns

  /** Frames that it may handle now; 0: it has to wait for its turn. */
  grant(connection: Connection): number {
    // Entered before what these frames cause, so that the answers and the commit of this turn take what those who wait add to it.
    this.#scheduleTurn()
    if (connection === this.#served) return this.#servedLeft
    return connection.session?.isAboveRate === true ? 0 : FRAMES_AT_ONCE
  }

  /** It has handled so many. */
  spend(connection: Connection, frames: number): void {
    if (connection === this.#served) this.#servedLeft -= frames
    this.#turns.spend(frames)
  }

  /** Releases the connection after the others had their turn, and once the router has room for more. */
  waitForTurn(connection: Connection): void {
    this.#turns.wait(connection)
    this.#scheduleTurn()
  }

  /** The check phase comes behind all input that is there: those who wait get what it leaves of the turn. */
  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    setImmediate(this.#runTurn)
  }

  #releaseWaiting(): void {
    const { router } = this.environment
    while (!router.isCrowded && this.#releaseNext());
    this.#turns.endTurn()
    if (this.#turns.isEmpty) return
    if (!router.isCrowded) this.#scheduleTurn()
    else if (!this.#isAwaitingRoom) {
      this.#isAwaitingRoom = true
      router.whenRoom(this.#onRoom)
    }
  }

  #releaseNext(): boolean {
    const connection = this.#turns.next()
    if (connection === undefined) return false
    this.#served = connection
    this.#servedLeft = FRAMES_BY_TAKER
    connection.release(HOLD.turn)
    this.#served = null
    return true
  }

  /** Releases the connection's hold for its rate after `waitMs`. */
  throttle(connection: Connection, waitMs: number): void {
    this.environment.counters.throttled++
    this.#throttled.set(connection, this.environment.clock.monotonicMs() + waitMs)
    this.#throttleTimer ??= setInterval(() => this.#releaseThrottled(), THROTTLE_MS)
  }

  #releaseThrottled(): void {
    const now = this.environment.clock.monotonicMs()
    for (const [connection, untilMs] of this.#throttled) {
      if (untilMs > now) continue
      this.#throttled.delete(connection)
      connection.release(HOLD.rate)
    }
    if (this.#throttled.size > 0 || this.#throttleTimer === null) return
    clearInterval(this.#throttleTimer)
    this.#throttleTimer = null
  }

  /** Looks after what time has done; to be called every SWEEP_MS. */
  sweep(): void {
    const { clock, config, admission } = this.environment
    const now = clock.monotonicMs()
    for (const connection of this.#opening) {
      // [OPN-6]
      if (now - connection.transport.acceptedMs >= config.limits.openTimeoutMs) connection.close(ERROR.openTimeout)
    }
    for (const connection of this.#checks.passed(now)) {
      connection.session?.check(now)
      if (connection.isAlive) this.#checks.set(connection, now)
    }
    for (const connection of this.#closing.passed(now)) connection.transport.destroy() // [CLS-3]
    admission.sweep()
    this.rates.sweep()
    this.registrations.sweep()
  }

  /**
   * Lets those with a session go in turn, within `drainJitterMs`, where others serve them: each is told to come back at once. For who takes no
   * more clients, before `drain`; whoever has no answer within half of `drainTimeoutMs` from then is left to that.
   */
  leave(): Promise<void> {
    const { clock, config: { limits: { drainJitterMs, drainTimeoutMs } } } = this.environment
    const giveUpMs = drainJitterMs + drainTimeoutMs / 2
    return leaveInTurn([...this.#open], { withinMs: drainJitterMs, giveUpMs, monotonicMs: () => clock.monotonicMs() })
  }

  /**
   * Stops: nothing new is read, what has been handed to the shards is answered, then every client is told to come back after a random
   * part of `drainJitterMs`. Resolves when all are gone, at the latest after `drainTimeoutMs`.
   */
  async drain(): Promise<void> {
    const { config } = this.environment
    this.#isDraining = true
    const beginMs = performance.now()
    const giveUpMs = beginMs + config.limits.drainTimeoutMs
    // The answers get half of the time, so that the clients' part is never left without any.
    const closeMs = beginMs + config.limits.drainTimeoutMs / 2
    for (const connection of [...this.#open]) connection.hold(HOLD.control)
    while (performance.now() < closeMs && [...this.#open].some((connection) => connection.session?.isWaiting === true)) await delay(10)
    for (const connection of [...this.#open, ...this.#opening]) {
      connection.close(ERROR.shuttingDown, Math.floor(Math.random() * config.limits.drainJitterMs))
    }
    const quiet = new Promise<void>((resolve) => { this.#onQuiet = resolve })
    this.#tellIfQuiet()
    await Promise.race([quiet, delay(Math.max(0, giveUpMs - performance.now()))])
    for (const connection of this.#closing.passed(Infinity)) connection.transport.destroy()
    if (this.#throttleTimer !== null) clearInterval(this.#throttleTimer)
  }

  #tellIfQuiet(): void {
    if (this.size === 0) this.#onQuiet?.()
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms).unref() })
}

/** A transport that is told why it can't stay, and nothing else. */
class Refused implements TransportHandler {
  readonly transport: Transport
  readonly #connections: Connections

  constructor(transport: Transport, connections: Connections) {
    this.transport = transport
    this.#connections = connections
  }

  refuse(error: ErrorCode): void {
    const { counters, log } = this.#connections.environment
    counters.closed(error, 'server')
    log.debug({ address: this.transport.remoteAddress, code: error, reason: ERRORS.get(error)?.name }, 'connection-refused')
    this.transport.start(this)
    const retryAfterMs = CROWDED_RETRY_MS + Math.floor(Math.random() * CROWDED_RETRY_MS)
    this.transport.write(encodeClose(error, retryAfterMs, '', ERRORS.get(error)?.doc ?? ''))
    this.transport.end(error)
  }

  received(): void {}
  drained(): void {}
  failed(): void {}
  peerEnded(): void {}
  gone(): void {
    this.#connections.refusedGone(this, this.transport)
  }
}
