/** The one error class of the client. Match on `symbol` or `code`, never on the text. */
import { ERRORS } from '../generated/registry.js'

/**
 * What goes wrong without a frame of the server:
 * - `closed`: the client was closed, or stopped for another reason, before the answer came; the outbox still holds what was sent
 * - `stopped`: asked of a client that has stopped; `cause` says why it did
 * - `storage-failed`: the storage could not be opened, or a write to it failed; nothing was acknowledged on the strength of it; `cause`
 *   has the error of the file system or the database
 * - `storage-locked`, `storage-damaged`: another client uses the storage, or what it holds makes no sense
 * - `wrong-state`: the storage belongs to another user or device
 * - `handler-failed`: a handler of `message` or `tooOld` threw or rejected; `cause` has its error
 * - `timeout`: a query was not answered in time
 * - `connect-failed`: the server can't be reached (only with `reconnect: false`, or as the cause of a later error)
 * - `outbox-full`, `queries-full`: a bound of the client is reached
 * - `no-password`: the token is not valid and no password was given
 * - `plaintext-refused`: a plain transport to a host that is not loopback, by URL or go-to-host, without `allowPlaintext` [TOK-8]
 * - `server-unproven`: the server could not prove that it knows the password, or its SCRAM parameters are out of bounds [SCR-4] [SCR-5]
 * - `bad-answer`: the server's answer to a query makes no sense
 * - `file-failed`: the file to upload can't be read, or that of a download not be written; `cause` has the error of the file system
 * - `file-changed`: the file was changed while it was uploaded
 * - `file-exists`: there is a file under the name of a download that must not replace one
 * - `file-locked`: another download to the same name is under way
 * - `empty-file`: what has no bytes is not uploaded
 * - `damaged-blob`: what was downloaded, again and again, does not have the hash that it should have [BLB-21]
 */
export type LocalErrorSymbol =
  | 'closed' | 'stopped' | 'storage-failed' | 'storage-locked' | 'storage-damaged' | 'wrong-state' | 'handler-failed' | 'timeout'
  | 'connect-failed' | 'outbox-full' | 'queries-full' | 'no-password' | 'plaintext-refused' | 'server-unproven' | 'bad-answer'
  | 'file-failed' | 'file-changed' | 'file-exists' | 'file-locked' | 'empty-file' | 'damaged-blob'

export class ClientError extends Error {
  override readonly name = 'ClientError'
  /** Code of the registry; 0 for an error of the client itself. */
  readonly code: number
  /** Name in the registry, or a LocalErrorSymbol; `unknown` for a code this version does not know. */
  readonly symbol: string
  /** Whether the same request may succeed later. */
  readonly isRetryable: boolean
  /** With a retryable error of the server: wait at least this long. */
  readonly retryAfterMs: number
  /** What the server said beyond the sentence of the code, for people and logs; '' for nothing. */
  readonly reason: string

  constructor(
    code: number, symbol: string, message: string,
    options: { readonly isRetryable?: boolean; readonly retryAfterMs?: number; readonly reason?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.symbol = symbol
    this.isRetryable = options.isRetryable ?? false
    this.retryAfterMs = options.retryAfterMs ?? 0
    this.reason = options.reason ?? ''
  }
}

/** An error of the client itself. */
export function localError(symbol: LocalErrorSymbol, message: string, cause?: unknown): ClientError {
  return new ClientError(0, symbol, message, { cause, isRetryable: symbol === 'timeout' || symbol === 'connect-failed' })
}

/** An error that the server named by its code. `reason` may be empty. */
export function serverError(code: number, reason: string, retryAfterMs: number): ClientError {
  const info = ERRORS.get(code)
  const sentence = info?.doc ?? 'The server refused for a reason this version does not know.'
  const message = reason === '' || bare(reason) === bare(sentence) ? sentence : `${sentence} (${reason})`
  return new ClientError(code, info?.name ?? 'unknown', message, { isRetryable: isRetryable(code), retryAfterMs, reason })
}

/** Whether the same may succeed later; of a code that this version does not know, by its range. */
export function isRetryable(code: number): boolean {
  return ERRORS.get(code)?.retryable ?? ((code >= 100 && code < 200) || (code >= 300 && code < 400))
}

/** What a sentence says, however it begins and ends. */
function bare(sentence: string): string {
  return sentence.toLowerCase().replace(/\.$/, '')
}
