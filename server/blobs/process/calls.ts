/** Calls from one process to another over its message channel: a promise for each, and errors that keep their kind and code. */
import { asError } from '../../../protocol/as-error.js'
import type { ErrorCode } from '../../../protocol/generated/registry.js'
import { ERROR } from '../../../protocol/generated/registry.js'
import { BlobError, type BlobErrorCode } from '../../../storage/blobs/blob-store.js'
import { RouterError } from '../../router/router.js'
import { HttpError } from '../http-error.js'

/** What goes over the channel for a call; values as the structured clone algorithm takes them. */
export type CallMessage =
  | { readonly kind: 'call', readonly id: number, readonly name: string, readonly given: readonly unknown[] }
  | { readonly kind: 'result', readonly id: number, readonly value: unknown }
  | { readonly kind: 'failure', readonly id: number, readonly error: SentError }

/** An error on its way: which class, with what that class says. */
export interface SentError {
  readonly type: 'router' | 'blob' | 'http' | 'error'
  readonly message: string
  readonly stack: string
  readonly code: string | number
  readonly status: number
  readonly retryAfterMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly cause: SentError | null
}

type Handler = (...given: never[]) => Promise<unknown>
type Waiting = { readonly resolve: (value: never) => void, readonly reject: (error: Error) => void }

/** One end of the channel. `handlers`: what the other end may call. */
export class Calls {
  readonly #send: (message: CallMessage) => void
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #end: Error | null = null

  constructor(send: (message: CallMessage) => void, handlers: Readonly<Record<string, Handler>>) {
    this.#send = send
    this.#handlers = new Map(Object.entries(handlers))
  }

  /** Rejects with what the other end's handler rejects with, and with the error of `end`. */
  call<T>(name: string, ...given: readonly unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#end !== null) {
        reject(this.#end)
        return
      }
      const id = ++this.#lastId
      this.#waiting.set(id, { resolve, reject })
      this.#send({ kind: 'call', id, name, given })
    })
  }

  received(message: CallMessage): void {
    if (message.kind === 'call') {
      void this.#answer(message.id, message.name, message.given)
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'result') waiting?.resolve(message.value as never)
    else waiting?.reject(errorFrom(message.error))
  }

  /** The other end is gone: what waits for it, and what comes later, fails with this. */
  end(error: Error): void {
    this.#end = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  async #answer(id: number, name: string, given: readonly unknown[]): Promise<void> {
    try {
      const handler = this.#handlers.get(name)
      if (handler === undefined) throw new TypeError(`there is no call ${name}`)
      const value = await handler(...given as never[])
      if (this.#end === null) this.#send({ kind: 'result', id, value })
    } catch (error) {
      if (this.#end === null) this.#send({ kind: 'failure', id, error: sentError(error) })
    }
  }
}

export function sentError(error: unknown): SentError {
  const { message, stack = '', cause } = asError(error)
  const sent: SentError = { type: 'error', message, stack, code: codeOf(error), status: 0, retryAfterMs: 0, headers: {}, cause: cause instanceof Error ? sentError(cause) : null }
  if (error instanceof RouterError) return { ...sent, type: 'router', retryAfterMs: error.retryAfterMs }
  if (error instanceof BlobError) return { ...sent, type: 'blob' }
  if (error instanceof HttpError) return { ...sent, type: 'http', status: error.status, headers: error.headers }
  return sent
}

export function errorFrom(sent: SentError): Error {
  const error = withoutStack(sent)
  if (sent.stack !== '') error.stack = sent.stack
  return error
}

function withoutStack({ type, message, code, status, retryAfterMs, headers, cause }: SentError): Error {
  const options = cause === null ? {} : { cause: errorFrom(cause) }
  switch (type) {
    case 'router': return new RouterError(numberOf(code), message, { ...options, retryAfterMs })
    case 'blob': return new BlobError(String(code) as BlobErrorCode, message, options)
    case 'http': return new HttpError(status, numberOf(code), message, { ...options, headers })
    case 'error': return code === '' ? new Error(message, options) : Object.assign(new Error(message, options), { code })
  }
}

function codeOf(error: unknown): string | number {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' || typeof code === 'number' ? code : ''
}

function numberOf(code: string | number): ErrorCode {
  return typeof code === 'number' ? code as ErrorCode : ERROR.internalError
}
