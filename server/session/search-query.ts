/** The query `search`: words and what narrows them, and the page that answers it. */
import { normalizeConversation, normalizeUser } from '../../protocol/address.js'
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { Config } from '../config/settings.js'
import { type Router, RouterError } from '../router/router.js'
import { fitting, messageElement } from './query-answers.js'
import { optionalUint } from './query-fields.js'
import type { SearchPage, SearchPosition } from '../search/search-router.js'
import type { Clock } from '../clock.js'
import type { TokenBucket } from './token-bucket.js'

const PAGE_DEFAULT = 20
/** Rows of the store that cost as much as a query. */
const ROWS_PER_QUERY = 100

export interface SearchContext {
  readonly user: string
  readonly router: Router
  readonly config: Config
  readonly clock: Clock
  /** The device's rate of queries. */
  readonly rate: TokenBucket
}

export async function searchQuery({ user, router, config, clock, rate }: SearchContext, query: Element): Promise<Element> {
  const { attributes } = query
  const conversation = optional(attributes.get('with'), normalizeConversation, ERROR.malformedAddress, 'with is no user or group')
  const from = optional(attributes.get('from'), normalizeUser, ERROR.malformedAddress, 'from is no user')
  const after = optional(attributes.get('after'), readPosition, ERROR.badRequest, 'after is no place that a search has named')
  const sinceMs = optionalUint(query, 'since')
  const untilMs = optionalUint(query, 'until')
  const limit = optionalUint(query, 'limit') ?? PAGE_DEFAULT
  if (limit === 0) throw new RouterError(ERROR.badRequest, 'limit is 0')
  const page = await atItsCost({ config, clock, rate }, () => router.search(user, {
    text: attributes.get('words') ?? '',
    limit: Math.min(limit, LIMIT.searchPageMax),
    ...conversation === undefined ? {} : { conversation },
    ...from === undefined ? {} : { from },
    ...after === undefined ? {} : { after },
    ...sinceMs === null ? {} : { sinceMs },
    ...untilMs === null ? {} : { untilMs },
  }))
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

/**
 * Work beyond that of a query counts as more of them, and the next ones wait for it. It is taken beforehand, as much as a page may cost,
 * and what was not needed is given back: so it is paid for also by who does not wait for the answer.
 */
async function atItsCost({ config, clock, rate }: Pick<SearchContext, 'config' | 'clock' | 'rate'>, work: () => Promise<SearchPage>): Promise<SearchPage> {
  const taken = Math.floor(config.search.rowsMax / ROWS_PER_QUERY)
  rate.take(taken, clock)
  let cost = 0
  try {
    const page = await work()
    cost = Math.floor(page.rowsRead / ROWS_PER_QUERY)
    return page
  } finally {
    if (cost > taken) rate.take(cost - taken, clock)
    else rate.giveBack(taken - cost)
  }
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
