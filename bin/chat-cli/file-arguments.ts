/** The command lines of what sends and fetches: `chat send`, `chat fetch`, `chat blobs`. Each throws a ChatFailure (usage). Pure. */
import { LIMIT } from '../../protocol/generated/registry.js'
import type { AccountOptions, Values } from './argument-values.js'
import { accountOptions, refuseMore, text, timeoutMs } from './argument-values.js'
import { usageFailure } from './failure.js'

export interface SendCommand {
  readonly kind: 'send'
  readonly account: AccountOptions
  readonly to: string
  /** null: the lines of stdin; with files it may be empty */
  readonly text: string | null
  /** Paths. */
  readonly files: readonly string[]
  /** Whether pictures leave without what the camera wrote into them. */
  readonly strip: boolean
  readonly timeoutMs: number | null
  readonly json: boolean
}

export interface FetchCommand {
  readonly kind: 'fetch'
  readonly account: AccountOptions
  readonly conversation: string
  readonly seq: number
  /** Which file of the message, from 1; null: all. */
  readonly number: number | null
  /** As in SaveOptions. */
  readonly out: string | null
  readonly thumbnail: boolean
  readonly timeoutMs: number | null
  readonly json: boolean
}

export interface BlobsCommand {
  readonly kind: 'blobs'
  readonly account: AccountOptions
  readonly timeoutMs: number | null
  readonly json: boolean
}

export function sendCommand(values: Values, positionals: readonly string[]): SendCommand {
  const account = accountOptions(values, 'send')
  const files = filesOf(values)
  const [to, message = files.length === 0 ? undefined : ''] = positionals
  if (to === undefined || message === undefined) throw usageFailure('say whom to send what: TO TEXT, TO - for the lines of stdin, or --file FILE TO [TEXT]', 'send')
  if (positionals.length > 2) throw usageFailure('the text is more than one argument: put it in quotes', 'send')
  if (files.length > 0 && message === '-') throw usageFailure('files go with one text, not with the lines of stdin', 'send')
  if (files.length === 0 && values['strip'] === true) throw usageFailure('--strip goes with --file', 'send')
  return {
    kind: 'send', account, to, text: message === '-' ? null : message, files, strip: values['strip'] === true,
    timeoutMs: timeoutMs(values, 'send'), json: values['json'] === true,
  }
}

function filesOf(values: Readonly<Record<string, unknown>>): readonly string[] {
  const files = (values['file'] ?? []) as readonly string[]
  if (files.includes('')) throw usageFailure('--file is empty', 'send')
  if (files.length > LIMIT.attachmentsMax) throw usageFailure(`a message carries ${LIMIT.attachmentsMax} files at most, not ${files.length}`, 'send')
  return files
}

export function fetchCommand(values: Values, positionals: readonly string[]): FetchCommand {
  const account = accountOptions(values, 'fetch')
  const [conversation, seq, number, ...more] = positionals
  refuseMore(more, 'fetch')
  if (conversation === undefined || seq === undefined) throw usageFailure('say whose conversation and which message: NAME NUMBER', 'fetch')
  const out = text(values, 'out')
  return {
    kind: 'fetch', account, conversation, seq: positionOf(seq, 'message'), number: number === undefined ? null : positionOf(number, 'file'), out,
    thumbnail: values['thumbnail'] === true, timeoutMs: timeoutMs(values, 'fetch'), json: values['json'] === true,
  }
}

function positionOf(word: string, what: string): number {
  const number = /^[1-9]\d*$/.test(word) ? Number(word) : 0
  if (!Number.isSafeInteger(number) || number < 1) throw usageFailure(`'${word}' is no number of a ${what}`, 'fetch')
  return number
}

export function blobsCommand(values: Values, positionals: readonly string[]): BlobsCommand {
  refuseMore(positionals, 'blobs')
  return { kind: 'blobs', account: accountOptions(values, 'blobs'), timeoutMs: timeoutMs(values, 'blobs'), json: values['json'] === true }
}
