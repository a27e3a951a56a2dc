/** Every error of the registry with the frames that carry it, and errors of a later version. */
import { frameBytes, frameSpec, toHex } from './reference-encoder.js'
import type { JsonFields } from './reference-encoder.js'
import { registry } from './registry.js'

export interface ErrorFrameCase {
  readonly frame: string
  readonly hex: string
  readonly fields: JsonFields
  readonly xml: string
}

export interface ErrorCase {
  readonly name: string
  readonly code: number
  readonly scope: string
  readonly class: string
  readonly retryable: boolean
  /** Of errors that close: the close code of a WebSocket. [CLS-6] */
  readonly webSocketCode?: number
  readonly frames: readonly ErrorFrameCase[]
}

function carried(frame: string, fields: JsonFields, xml: string): ErrorFrameCase {
  return { frame, hex: toHex(frameBytes(frameSpec(frame), fields)), fields, xml }
}

/** `text`: the error as the XML form has it, which is its number where it has no name. */
function framesOf(code: number, text: string, scope: string, isRetryable: boolean): ErrorFrameCase[] {
  const retryAfterMs = isRetryable ? 1500 : 0
  const retry = `retryAfterMs="${retryAfterMs}"`
  if (scope === 'stream') {
    const host = text === 'go-to-host' ? 'b.example:5323' : ''
    return [carried('close', { error: code, retryAfterMs, host, reason: 'Because.' }, `<close error="${text}" ${retry} host="${host}" reason="Because."/>`)]
  }
  return [
    carried('refuse', { clientId: 7, error: code, retryAfterMs, reason: '' }, `<refuse id="7" error="${text}" ${retry} reason=""/>`),
    carried('fail', { id: 1, error: code, retryAfterMs, reason: '' }, `<iq type="error" id="1" error="${text}" ${retry} reason=""/>`),
    carried('decline', { frame: 53, names: ['bob'], error: code, retryAfterMs, reason: '' }, `<decline frame="53" error="${text}" ${retry} reason=""><name>bob</name></decline>`),
  ]
}

function errorCase(code: number, name: string, text: string, scope: string, errorClass: string, isRetryable: boolean): ErrorCase {
  const webSocket = scope === 'stream' ? { webSocketCode: 4000 + code } : {}
  return { name, code, scope, class: errorClass, retryable: isRetryable, ...webSocket, frames: framesOf(code, text, scope, isRetryable) }
}

export const errorCases: readonly ErrorCase[] = registry.errors.map(({ code, name, scope, class: errorClass, retryable }) => (
  errorCase(code, name, name, scope, errorClass, retryable)
))

/** By the table of ranges in spec/errors.md: first, last, class, where. */
const ranges = [
  [100, 199, 'again', 'stream', true], [200, 219, 'fault', 'stream', false], [220, 239, 'credentials', 'stream', false],
  [240, 299, 'ended', 'stream', false], [300, 399, 'retry', 'stanza', true], [400, 499, 'refused', 'stanza', false],
] as const

/** The last free number of each range: a client acts by the range. */
export const unknownErrorCases: readonly ErrorCase[] = ranges.map(([first, last, errorClass, scope, isRetryable]) => {
  const taken = new Set(registry.errors.map(({ code }) => code))
  let code: number = last
  while (code > first && taken.has(code)) code--
  return errorCase(code, `an unknown error of class ${errorClass}`, String(code), scope, errorClass, isRetryable)
})
