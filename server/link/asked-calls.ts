/** The asking end of calls over a link, whatever that is for: their numbers, what of them is under way, and for how long. */
import { ERROR, ERRORS, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { RouterError } from '../router/router.js'
import { decodeValue, encodeValue } from './call-codec.js'
import type { LinkConnection } from './link-connection.js'
import { appendCall } from './link-frames.js'

/** The link ended before the answer came. */
export class LinkLostError extends RouterError {
  /** Whether the other node may have got the call, and carried it out. */
  readonly wasSent: boolean

  constructor(wasSent: boolean) {
    super(ERROR.unavailable, 'the node in charge can\'t be reached', { retryAfterMs: 1000 })
    this.wasSent = wasSent
  }
}

interface WaitingCall {
  readonly sentMs: number
  readonly bytes: number
  readonly resolve: (value: unknown) => void
  readonly reject: (error: RouterError) => void
}

export class AskedCalls {
  readonly #link: LinkConnection
  readonly #waiting = new Map<number, WaitingCall>()
  #bytes = 0
  #lastCall = 0
  #isLooking = false

  constructor(link: LinkConnection) {
    this.#link = link
  }

  /** Rejects with RouterError; LinkLostError where there is no answer. */
  ask(name: string, args: readonly unknown[]): Promise<unknown> {
    const bytes = encodeValue(args)
    return this.send(bytes.length, (call) => appendCall(this.#link.beginSend(), call, name, bytes))
  }

  /**
   * As `ask`, with a frame of its own.
   * @param bytes of what is asked
   * @param append appends the frame; called in this turn or not at all
   * @param received called with the answer before anything behind it on the link is looked at
   */
  send(bytes: number, append: (call: number) => void, received?: (value: unknown) => void): Promise<unknown> {
    const { limits, clock } = this.#link.environment
    if (this.#link.hasEnded) return Promise.reject(new LinkLostError(false))
    if (this.#waiting.size >= limits.callsMax || this.#bytes + bytes > limits.callBytesMax || bytes > limits.frameBytesMax / 2) {
      return Promise.reject(new RouterError(ERROR.resourceLimit, 'too much is asked over the link at once', { retryAfterMs: 1000 }))
    }
    return new Promise((resolve, reject) => {
      const call = ++this.#lastCall
      const answered = received === undefined ? resolve : (value: unknown): void => {
        received(value)
        resolve(value)
      }
      this.#waiting.set(call, { sentMs: clock.monotonicMs(), bytes, resolve: answered, reject })
      this.#bytes += bytes
      append(call)
      this.#link.endSend()
      this.#lookLater()
    })
  }

  #take(call: number): WaitingCall | undefined {
    const waiting = this.#waiting.get(call)
    if (waiting === undefined) return undefined
    this.#waiting.delete(call)
    this.#bytes -= waiting.bytes
    return waiting
  }

  /** One look for all calls now and then: the oldest come first. */
  #lookLater(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    const { scheduler, clock, limits } = this.#link.environment
    scheduler.after(limits.heartbeatMs, () => {
      this.#isLooking = false
      const nowMs = clock.monotonicMs()
      for (const [call, { sentMs }] of this.#waiting) {
        if (nowMs - sentMs < limits.callTimeoutMs) break
        this.#take(call)?.reject(new LinkLostError(true))
      }
      if (this.#waiting.size > 0) this.#lookLater()
    })
  }

  /** A frame with an answer has come. One that does not decode fails the reader. */
  answered(reader: Reader): void {
    const waiting = this.#take(reader.uint())
    const bytes = reader.rest()
    if (waiting === undefined) return
    let value: unknown
    try {
      value = decodeValue(bytes)
    } catch {
      reader.fail()
      waiting.reject(new LinkLostError(true))
      return
    }
    waiting.resolve(value)
  }

  /** The frame `failed` has come. */
  failed(reader: Reader): void {
    const waiting = this.#take(reader.uint())
    const code = reader.uint() as ErrorCode | 0
    const retryAfterMs = reader.uint()
    const message = reader.string()
    if (code !== 0 && !ERRORS.has(code)) reader.fail()
    // A fault of the other node, which has logged it.
    if (reader.failed || code === 0) waiting?.reject(new RouterError(ERROR.unavailable, 'a fault of the node in charge'))
    else waiting?.reject(new RouterError(code, message, { retryAfterMs }))
  }

  /** The link has ended. */
  end(): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#bytes = 0
    for (const { reject } of waiting) reject(new LinkLostError(true))
  }
}
