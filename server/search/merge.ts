/** One page of results from the pages of several shards, each of which has looked in some of the user's conversations. Pure. */
import { isBehind } from './conversation-search.js'
import type { SearchPage, SearchPosition, SearchResult } from './search-router.js'

/**
 * Newest first, no more than `limit`. A shard that has more to look at says up to where it has looked: what lies behind that in other
 * shards comes with a later page, since something of its own may come before.
 */
export function mergePages(pages: readonly SearchPage[], limit: number): SearchPage {
  const results = pages.flatMap((page) => page.results).sort((one, other) => (isBehind(placeOf(one), placeOf(other)) ? 1 : -1))
  let horizon: SearchPosition | null = null
  for (const { next } of pages) if (next !== null && (horizon === null || isBehind(horizon, next))) horizon = next
  const known = results.filter((result) => horizon === null || !isBehind(placeOf(result), horizon))
  const shown = known.slice(0, limit)
  const last = shown.at(-1)
  const isCut = shown.length < known.length && last !== undefined
  const next = isCut ? placeOf(last) : horizon
  return { results: shown, more: next !== null, next, rowsRead: pages.reduce((sum, page) => sum + page.rowsRead, 0) }
}

function placeOf({ conversation, message }: SearchResult): SearchPosition {
  return { timeMs: message.timeMs, conversation, seq: message.seq }
}
