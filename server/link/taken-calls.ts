/** The answering end of calls over a link, whatever that is for: how many at once, what is said of those that fail. */
import { asError } from '../../protocol/as-error.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { HttpError } from '../blobs/http-error.js'
import { RouterError } from '../router/router.js'
import { decodeValue, encodeValue } from './call-codec.js'
import type { LinkConnection } from './link-connection.js'
import { appendAnswer, appendFailed, LINK, LINK_CLOSE } from './link-frames.js'

export class TakenCalls {
  readonly #link: LinkConnection
  #count = 0
  #bytes = 0

  constructor(link: LinkConnection) {
    this.#link = link
  }

  /** The frame `call` has come. `perform`: what the call of this name comes to; null: there is none. What is thrown is told. */
  take(reader: Reader, perform: (name: string, args: readonly unknown[]) => Promise<unknown> | null): void {
    const call = reader.uint()
    const name = reader.string()
    const bytes = reader.rest()
    if (reader.failed) return
    const args = readValue(bytes)
    if (!Array.isArray(args)) {
      this.#link.close(LINK_CLOSE.malformed)
      return
    }
    this.settle(call, bytes.length, LINK.result, () => {
      const performed = perform(name, args)
      if (performed === null) throw new RouterError(ERROR.unavailable, `there is no call ${name} here`)
      return performed
    })
  }

  /** Answers a call with a frame of this type once `perform` has, within the limits of the link. */
  settle(call: number, bytes: number, type: number, perform: () => Promise<unknown>): void {
    const { limits: { callsMax, callBytesMax }, log } = this.#link.environment
    if (this.#count >= callsMax || this.#bytes + bytes > callBytesMax) {
      this.#fail(call, new RouterError(ERROR.resourceLimit, 'too many calls at once', { retryAfterMs: 1000 }))
      return
    }
    this.#count++
    this.#bytes += bytes
    const done = (): void => {
      this.#count--
      this.#bytes -= bytes
    }
    Promise.resolve().then(perform).then((value) => {
      done()
      this.#answer(call, type, value)
    }, (error: unknown) => {
      done()
      this.#fail(call, error)
    }).catch((error: unknown) => log.error({ error: asError(error) }, 'link-call-failed'))
  }

  #answer(call: number, type: number, value: unknown): void {
    if (this.#link.hasEnded) return
    const bytes = encodeValue(value)
    if (bytes.length > this.#link.environment.limits.frameBytesMax / 2) {
      this.#fail(call, new RouterError(ERROR.resourceLimit, 'the answer is too large for a link'))
      return
    }
    appendAnswer(this.#link.beginSend(), type, call, bytes)
    this.#link.endSend()
  }

  #fail(call: number, error: unknown): void {
    if (this.#link.hasEnded) return
    const isRefusal = error instanceof RouterError || error instanceof HttpError
    if (!isRefusal) this.#link.environment.log.error({ error: asError(error) }, 'link-call-failed')
    const code: ErrorCode | 0 = isRefusal ? error.code : 0
    const retryAfterMs = error instanceof RouterError ? Math.ceil(error.retryAfterMs) : 0
    appendFailed(this.#link.beginSend(), call, code, retryAfterMs, isRefusal ? error.message.replaceAll('\0', '') : '')
    this.#link.endSend()
  }
}

/** undefined: the bytes are no value. */
export function readValue(bytes: Uint8Array): unknown {
  try {
    return decodeValue(bytes)
  } catch {
    return undefined
  }
}
