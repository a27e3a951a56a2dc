/** The query `search`: words and what narrows them, and the page that answers it. */
import { normalizeConversation, normalizeUser } from '../../protocol/address.js'
import { element, type Element, uintAttribute } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { Config } from '../config/settings.js'
import { type Router, RouterError } from '../router/router.js'
import { fitting, messageElement } from './query-answers.js'
import type { SearchPosition } from '../search/search-router.js'

const PAGE_DEFAULT = 20
/** Rows of the store that cost as much as a query. */
const ROWS_PER_QUERY = 100

export interface SearchContext {
  readonly user: string
  readonly router: Router
  readonly config: Config
  /** Takes from the device's rate of queries what a search costs beyond one of them. */
  readonly charge: (queries: number) => void
}

export async function searchQuery({ user, router, config, charge }: SearchContext, query: Element): Promise<Element> {
  const { attributes } = query
  const conversation = optional(attributes.get('with'), normalizeConversation, ERROR.malformedAddress, 'with is no user or group')
  const from = optional(attributes.get('from'), normalizeUser, ERROR.malformedAddress, 'from is no user')
  const after = optional(attributes.get('after'), readPosition, ERROR.badRequest, 'after is no place that a search has named')
  const sinceMs = optionalUint(query, 'since')
  const untilMs = optionalUint(query, 'until')
  const limit = optionalUint(query, 'limit') ?? PAGE_DEFAULT
  if (limit === 0) throw new RouterError(ERROR.badRequest, 'limit is 0')
  const page = await router.search(user, {
    text: attributes.get('words') ?? '',
    limit: Math.min(limit, LIMIT.searchPageMax),
    ...conversation === undefined ? {} : { conversation },
    ...from === undefined ? {} : { from },
    ...after === undefined ? {} : { after },
    ...sinceMs === undefined ? {} : { sinceMs },
    ...untilMs === undefined ? {} : { untilMs },
  })
  charge(Math.floor(page.rowsRead / ROWS_PER_QUERY))
  const all = page.results.map(({ conversation: address, message }) => {
    const shown = messageElement('message', message)
    return element('message', { with: address, ...Object.fromEntries(shown.attributes) }, ...shown.children)
  })
  const kept = fitting(all, config.limits.frameBytesMax)
  const last = page.results[kept.length - 1]
  const isCut = kept.length < all.length && last !== undefined
  const next = isCut ? { timeMs: last.message.timeMs, conversation: last.conversation, seq: last.message.seq } : page.next
  return element('search', { more: String(isCut || page.more), next: next === null ? undefined : writePosition(next) }, ...kept)
}

function writePosition({ timeMs, conversation, seq }: SearchPosition): string {
  return `${String(timeMs)}/${String(seq)}/${conversation}`
}

function readPosition(text: string): SearchPosition | null {
  const [time = '', seq = '', conversation = '', ...rest] = text.split('/')
  if (rest.length > 0 || !/^\d{1,15}$/.test(time) || !/^\d{1,15}$/.test(seq)) return null
  const address = normalizeConversation(conversation)
  return address === null ? null : { timeMs: Number(time), seq: Number(seq), conversation: address }
}

function optional<T>(text: string | undefined, read: (text: string) => T | null, code: typeof ERROR.badRequest | typeof ERROR.malformedAddress, reason: string): T | undefined {
  if (text === undefined) return undefined
  const value = read(text)
  if (value === null) throw new RouterError(code, reason)
  return value
}

function optionalUint(query: Element, name: string): number | undefined {
  if (!query.attributes.has(name)) return undefined
  const value = uintAttribute(query, name)
  if (value === null) throw new RouterError(ERROR.badRequest, `${name} is no number`)
  return value
}
