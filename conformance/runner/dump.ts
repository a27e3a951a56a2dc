/** What the client's user would see, as its adapter tells it, against what the case expects. */
import { isDeepStrictEqual } from 'node:util'
import type { ExpectedDump, ExpectedMessage } from './case.js'
import type { Variables } from './variables.js'

interface DumpedMessage {
  readonly conversation?: string
  readonly seq?: number
  readonly from?: string
  readonly text?: string
  readonly edited?: boolean
  readonly deleted?: boolean
  readonly incomplete?: boolean
  readonly change?: boolean
  readonly reactions?: Readonly<Record<string, readonly string[]>>
}

/** An answer to `dump`. */
export type Dump = Readonly<Record<string, unknown>>

function messageOf(message: DumpedMessage): ExpectedMessage {
  const { seq = 0, from = '', text = '', edited, deleted, incomplete, change, reactions } = message
  const more = {
    ...(edited === true ? { edited } : {}),
    ...(deleted === true ? { deleted } : {}),
    ...(incomplete === true ? { incomplete } : {}),
    ...(change === true ? { change } : {}),
    ...(reactions !== undefined && Object.keys(reactions).length > 0 ? { reactions } : {}),
  }
  return Object.keys(more).length === 0 ? [seq, from, text] : [seq, from, text, more]
}

/** By conversation, in the order in which they are shown. */
function messagesOf(dump: Dump): Record<string, ExpectedMessage[]> {
  const found = new Map<string, ExpectedMessage[]>()
  const messages = Array.isArray(dump['messages']) ? dump['messages'] as DumpedMessage[] : []
  for (const message of messages) {
    const conversation = message.conversation ?? ''
    const lines = found.get(conversation) ?? []
    found.set(conversation, lines)
    lines.push(messageOf(message))
  }
  return Object.fromEntries(found)
}

function namesOf(dump: Dump, key: string, fields: readonly string[]): string[][] {
  const items = Array.isArray(dump[key]) ? dump[key] as Record<string, unknown>[] : []
  return items.map((item) => fields.map((field) => String(item[field] as string | number)))
}

/** The part of a dump that the case speaks of, in the case's form. */
function partOf(key: keyof ExpectedDump, expected: ExpectedDump, dump: Dump): unknown {
  switch (key) {
    case 'messages': return messagesOf(dump)
    case 'outbox': return namesOf(dump, key, ['to', 'text'])
    case 'refused': return namesOf(dump, key, ['to', 'text', 'error'])
    case 'typing': return namesOf(dump, key, ['conversation', 'from'])
    case 'files': return dump[key] ?? {}
    case 'state':
    case 'error': return dump[key] ?? ''
    default: {
      const found = (dump[key] ?? {}) as Readonly<Record<string, unknown>>
      return Object.fromEntries(Object.entries(expected[key] ?? {}).map(([name, wanted]) => [name, pick(found[name], wanted)]))
    }
  }
}

function pick(found: unknown, wanted: unknown): unknown {
  if (typeof wanted !== 'object' || wanted === null) return found ?? null
  const record = (found ?? {}) as Readonly<Record<string, unknown>>
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, record[key] ?? 0]))
}

/** The first difference, or null. */
export function dumpMismatch(expected: ExpectedDump, dump: Dump, variables: Variables): { readonly expected: string; readonly came: string } | null {
  for (const key of Object.keys(expected) as (keyof ExpectedDump)[]) {
    const wanted = variables.fillAll(expected[key])
    const found = partOf(key, expected, dump)
    // A state may be one of several: `online|waiting`.
    if (key === 'state' && String(wanted).split('|').includes(String(found))) continue
    if (!isDeepStrictEqual(wanted, found)) return { expected: `${key} ${shown(wanted)}`, came: `${key} ${shown(found)}` }
  }
  return null
}

/** What is wrong with messages that should be so many, in each conversation 1, 2, 3; null: nothing. */
export function denseMismatch(messages: unknown, count: number): string | null {
  const list = Array.isArray(messages) ? messages as DumpedMessage[] : []
  const seqs = new Map<string, number>()
  for (const { conversation = '', seq = 0 } of list) {
    const before = seqs.get(conversation) ?? 0
    if (seq !== before + 1) return `in ${conversation} ${String(seq)} behind ${String(before)}`
    seqs.set(conversation, seq)
  }
  return list.length === count ? null : `${String(list.length)} messages`
}

const shownCharactersMax = 1500

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text
}
