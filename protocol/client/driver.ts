/**
 * Drives a ClientCore in the real world: one transport, one storage, one timer. All that happens in one turn of the event loop becomes
 * one output of the core: one write to the socket, one batch to the storage.
 */
import { FrameDecoder } from '../frame-decoder.js'
import { ERROR, LIMIT } from '../generated/registry.js'
import { ScramClient } from '../scram-client.js'
import type { ScramFailure } from '../scram-client.js'
import type { ScramCrypto } from '../scram.js'
import type { BlobPlatform } from './blob-platform.js'
import { ClientError, localError } from './client-error.js'
import type { ClientCore } from './core.js'
import type { CoreEvent, CoreNeed, Message } from './core-types.js'
import type { ServerAddress } from './server-url.js'
import type { ClientStorage, StorageChange } from './state.js'
import type { Connect, Transport, TransportOptions } from './transport.js'

/** What differs between Node and browsers, and what a test replaces. */
export interface Platform {
  readonly connect: Connect
  readonly crypto: ScramCrypto
  /** For files: HTTP, hashing, paths. */
  readonly blobs: BlobPlatform
  /** Milliseconds of a clock that never runs backwards. */
  readonly nowMs: () => number
  readonly setTimer: (callback: () => void, delayMs: number) => unknown
  readonly clearTimer: (timer: unknown) => void
  /** From 0 up to, not including, 1. */
  readonly random: () => number
}

/** The parts of a platform that Node and browsers share. */
export const commonPlatform: Omit<Platform, 'connect' | 'crypto' | 'blobs'> = {
  nowMs: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => { clearTimeout(timer as NodeJS.Timeout) },
  random: () => Math.random(),
}

export interface DriverOptions {
  readonly platform: Platform
  readonly storage: ClientStorage
  readonly transport: TransportOptions
  readonly user: string
  readonly password: string | (() => string | Promise<string>) | null
  readonly onEvent: (event: CoreEvent) => void
  /** Hands a message to the application; null if it has it already, else a promise that resolves when it has. */
  readonly onMessage: (message: Message) => Promise<void> | null
}

interface Connection {
  readonly abort: AbortController
  readonly decoder: FrameDecoder
  /** What it told before the core knew that it is open: a server that turns us away speaks first, maybe in the same turn. */
  readonly early: (() => void)[]
}

/** setTimeout takes no more; the core is asked again then. */
const TIMER_MS_MAX = 2 ** 31 - 1

const SCRAM_FAILURES: Readonly<Record<ScramFailure, string>> = {
  malformed: 'the server sent a SCRAM challenge that makes no sense',
  nonce: 'the server answered another SCRAM exchange than ours',
  iterations: 'the server asks for too few or too many SCRAM iterations',
  password: 'the password is empty, too long or has a control character',
}

export class Driver {
  readonly #core: ClientCore
  readonly #options: DriverOptions
  #transport: Transport | null = null
  /** The connection that callbacks may speak for; null after it was ended. */
  #connection: Connection | null = null
  #closing: Promise<void> = Promise.resolve()
  #address: ServerAddress | null = null
  #scram: ScramClient | null = null
  #timer: unknown = null
  #timerDueMs = Infinity
  #isAwake = false
  /** No more messages are given out. */
  #isPaused = false
  #handling: Promise<void> | null = null
  #applying: Promise<void> | null = null

  constructor(core: ClientCore, options: DriverOptions) {
    this.#core = core
    this.#options = options
  }

  get nowMs(): number {
    return this.#options.platform.nowMs()
  }

  /** Where it connected to last; null: not yet. */
  get address(): ServerAddress | null {
    return this.#address
  }

  /** The core was given an input: carries out what follows, once, when the present code has run to its end. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    queueMicrotask(() => {
      this.#isAwake = false
      this.#turn()
    })
  }

  /** Resolves when no message is in the application's hands. */
  async handled(): Promise<void> {
    while (this.#handling !== null && !this.#isPaused) await this.#handling
  }

  /** Gives out no more messages; resolves when the one being handled, and `others`, are done, and all that can be stored is. */
  async settle(handlingMsMax: number, others: Promise<void> = Promise.resolve()): Promise<void> {
    this.#isPaused = true
    await this.#within(Promise.all([this.#handling, others]), handlingMsMax)
    do {
      this.#turn()
      await this.#applying
    } while (this.#applying !== null)
  }

  /** After the core has stopped: resolves when the transport is gone and nothing is being written. */
  async ended(): Promise<void> {
    this.#turn()
    await this.#applying
    await this.#closing
  }

  #turn(): void {
    const core = this.#core
    this.#giveOut()
    const output = core.take()
    if (output.frames.length > 0) this.#transport?.write(output.frames)
    if (output.changes.length > 0) this.#applying = this.#apply(output.changes)
    for (const need of output.needs) this.#carryOut(need)
    this.#setTimer(output.dueMs)
    for (const event of output.events) this.#options.onEvent(event)
  }

  #giveOut(): void {
    if (this.#isPaused || this.#handling !== null) return
    for (let message = this.#core.nextMessage(); message !== null; message = this.#core.nextMessage()) {
      let handling: Promise<void> | null
      try {
        handling = this.#options.onMessage(message)
      } catch (error) {
        this.#handlerFailed(error)
        return
      }
      if (handling !== null) {
        this.#handling = this.#awaitHandlers(handling)
        return
      }
      this.#core.handled()
    }
  }

  async #awaitHandlers(handling: Promise<void>): Promise<void> {
    try {
      await handling
      this.#core.handled()
      this.#handling = null
    } catch (error) {
      this.#handlerFailed(error)
    }
    this.wake()
  }

  /** `#handling` stays as it is: the queue stops here. */
  #handlerFailed(cause: unknown): void {
    this.#isPaused = true
    this.#core.fail(this.nowMs, localError('handler-failed', 'a handler of a message failed; the message is not acknowledged', cause))
    this.wake()
  }

  async #apply(changes: readonly StorageChange[]): Promise<void> {
    try {
      await this.#options.storage.apply(changes)
      this.#applying = null
      this.#core.stored(this.nowMs)
    } catch (error) {
      this.#applying = null
      this.#isPaused = true
      // The core keeps the batch as under way for ever: nothing that depends on it will happen.
      const isOurs = error instanceof ClientError
      this.#core.fail(this.nowMs, isOurs ? error : localError('storage-failed', 'the storage could not write', error))
    }
    this.wake()
  }

  #carryOut(need: CoreNeed): void {
    switch (need.kind) {
      case 'connect': void this.#connect(need.address); return
      case 'disconnect': this.#disconnect(need.isDead); return
      case 'scramStart': void this.#startScram(need.binding); return
      case 'scramChallenge': void this.#answerScram(need.data); return
      case 'scramVerify': this.#verifyScram(need.data); return
    }
  }

  async #connect(address: ServerAddress): Promise<void> {
    const connection: Connection = { abort: new AbortController(), decoder: new FrameDecoder(), early: [] }
    this.#address = address
    this.#connection = connection
    const handlers = {
      onData: (chunk: Uint8Array, isMessage: boolean) => {
        if (this.#connection !== connection) return
        if (this.#transport !== null) {
          this.#received(connection.decoder, chunk, isMessage)
          return
        }
        const kept = Uint8Array.from(chunk)
        connection.early.push(() => { this.#received(connection.decoder, kept, isMessage) })
      },
      onEnd: (cause: Error | null) => {
        if (this.#connection !== connection) return
        if (this.#transport !== null) this.#ended(cause)
        else connection.early.push(() => { this.#ended(cause) })
      },
    }
    try {
      // What was closed before may still hold the place of our device for a moment; the server takes the newer one. [OPN-7]
      const transport = await this.#options.platform.connect(address, this.#options.transport, handlers, connection.abort.signal)
      if (this.#connection !== connection) {
        transport.drop()
        return
      }
      this.#transport = transport
      this.#core.connected(this.nowMs, transport.channelBinding !== null)
      for (const tell of connection.early.splice(0)) tell()
      this.wake()
    } catch (error) {
      if (this.#connection === connection) this.#ended(error)
    }
  }

  #received(decoder: FrameDecoder, chunk: Uint8Array, isMessage: boolean): void {
    const core = this.#core
    const nowMs = this.nowMs
    // A WebSocket's own limit is fixed before welcome can tell another one, and a browser's has none. [FRM-20]
    if (isMessage && chunk.length > Math.max(LIMIT.frameBytesMax, core.frameBytesMax) + LIMIT.uintBytesMax) {
      core.malformed(nowMs, ERROR.frameTooLarge)
      this.wake()
      return
    }
    decoder.push(chunk)
    for (;;) {
      decoder.frameBytesMax = core.frameBytesMax
      const frame = decoder.next()
      if (frame === null) break
      if (typeof frame === 'number') {
        core.malformed(nowMs, frame)
        break
      }
      core.received(nowMs, frame)
    }
    if (isMessage && decoder.isWithinFrame) core.malformed(nowMs, ERROR.malformedFrame)
    this.wake()
  }

  #ended(cause: unknown): void {
    this.#connection = null
    this.#transport = null
    const reason = cause instanceof Error ? cause.message : 'the connection ended'
    this.#core.ended(this.nowMs, localError('connect-failed', reason, cause ?? undefined))
    this.wake()
  }

  #disconnect(isDead: boolean): void {
    const transport = this.#transport
    this.#connection?.abort.abort()
    this.#connection = null
    this.#transport = null
    this.#scram = null
    if (transport === null) return
    if (isDead) transport.drop()
    else this.#closing = transport.close(ERROR.closed)
  }

  async #startScram(binding: 'none' | 'unoffered' | 'bound'): Promise<void> {
    const connection = this.#connection
    const { password, user, platform } = this.#options
    try {
      const secret = typeof password === 'function' ? await password() : password
      if (this.#connection !== connection) return
      const exporter = this.#transport?.channelBinding ?? null
      if (secret === null || (binding === 'bound' && exporter === null)) throw new TypeError('nothing to authenticate with')
      const bound = binding === 'bound' ? exporter ?? 'none' : binding
      this.#scram = new ScramClient({ user, password: secret, binding: bound, crypto: platform.crypto })
      this.#core.scramData(this.nowMs, this.#scram.mechanism, this.#scram.first())
    } catch (error) {
      if (this.#connection !== connection) return
      this.#core.scramFailed(this.nowMs, localError('no-password', 'the password could not be had', error))
    }
    this.wake()
  }

  async #answerScram(challenge: Uint8Array): Promise<void> {
    const connection = this.#connection
    const scram = this.#scram
    if (scram === null) return
    try {
      const data = await scram.final(challenge)
      if (this.#connection !== connection) return
      if (typeof data !== 'string') this.#core.scramData(this.nowMs, scram.mechanism, data)
      else this.#core.scramFailed(this.nowMs, localError(data === 'password' ? 'no-password' : 'server-unproven', SCRAM_FAILURES[data]))
    } catch (error) {
      if (this.#connection !== connection) return
      this.#core.scramFailed(this.nowMs, localError('server-unproven', 'the SCRAM exchange failed', error))
    }
    this.wake()
  }

  #verifyScram(data: Uint8Array): void {
    if (this.#scram?.verify(data)) {
      this.#core.scramVerified(this.nowMs)
    } else {
      const message = 'the server could not prove that it knows the password'
      this.#core.scramFailed(this.nowMs, localError('server-unproven', message))
    }
    this.#scram = null
    this.wake()
  }

  /** A timer that fires too early does no harm, and costs less than a new one each turn. */
  #setTimer(dueMs: number): void {
    const { platform } = this.#options
    if (this.#timer !== null) {
      if (this.#timerDueMs <= dueMs && dueMs !== Infinity) return
      platform.clearTimer(this.#timer)
      this.#timer = null
    }
    if (dueMs === Infinity) return
    this.#timerDueMs = dueMs
    const delayMs = Math.min(Math.max(Math.ceil(dueMs - this.nowMs), 0), TIMER_MS_MAX)
    this.#timer = platform.setTimer(() => {
      this.#timer = null
      this.#core.tick(this.nowMs)
      this.wake()
    }, delayMs)
  }

  async #within(promise: Promise<unknown>, delayMs: number): Promise<void> {
    const { platform } = this.#options
    let timer: unknown = null
    await Promise.race([promise, new Promise<void>((resolve) => { timer = platform.setTimer(resolve, delayMs) })])
    platform.clearTimer(timer)
  }
}
