/**
 * A page of a search over a user's conversations, newest first: one search in each of them, and the one that may have the newest message
 * goes a step down, until enough is found or the page has cost what a page may. [SCH-3]
 */
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { readableBy } from '../groups/access.js'
import { RouterError } from '../router/router.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { conversationAddress } from '../shard/conversation-state.js'
import { ConversationSearch, isBehind, type SearchTerms } from './conversation-search.js'
import { Heap } from './heap.js'
import type { Indexer } from './indexer.js'
import type { SearchPage, SearchPosition, SearchRequest, SearchResult } from './search-router.js'
import { parseWords } from './words.js'

/** Conversations opened at once. */
const OPENED_AT_ONCE = 16
/** Reads of a conversation that is not in memory. */
const LOAD_ROWS = 4

/** See SearchRouter. `names`: in these conversations alone, by their names in the store; without, in all of the user's. */
export async function search(shard: Shard, user: string, request: SearchRequest, names?: readonly string[]): Promise<SearchPage> {
  const { indexer } = shard
  if (indexer === null) throw new RouterError(ERROR.noSearch, 'messages are not searched here') // [SCH-7]
  const words = parseWords(request.text)
  if (words === null) {
    throw new RouterError(ERROR.badRequest, `search for 1 to ${String(LIMIT.searchWordsMax)} words, ${String(LIMIT.searchBytesMax)} bytes at most`)
  }
  const { from, sinceMs = 0, untilMs = Infinity, after } = request
  const terms = { user, words, from, sinceMs, untilMs, after }
  return indexer.searching.run(user, () => searchPage(shard, indexer, request, terms, names))
}

async function searchPage(shard: Shard, indexer: Indexer, request: SearchRequest, terms: SearchTerms, names?: readonly string[]): Promise<SearchPage> {
  const { searchRowsMax } = shard.environment.limits
  const opened = await openAll(shard, indexer, request.conversation, terms, names)
  const heap = new Heap<ConversationSearch>((one, other) => isBehind(other, one))
  let rowsRead = opened.rowsRead
  for (const each of opened.searches) {
    rowsRead += each.rowsRead
    if (!each.isDone) heap.push(each)
  }
  const rowsMax = rowsRead + searchRowsMax
  const results: SearchResult[] = []
  const limit = Math.min(request.limit, LIMIT.searchPageMax)
  let next: SearchPosition | null = null
  const page = (goOn: SearchPosition | null): SearchPage => {
    indexer.searched(rowsRead)
    return { results, more: goOn !== null, next: goOn, rowsRead: Math.ceil(rowsRead) }
  }
  while (results.length < limit) {
    const first = heap.first
    if (first === undefined) return page(null)
    const message = first.take()
    if (message !== null) {
      next = { timeMs: message.timeMs, conversation: first.conversation, seq: message.seq }
      results.push({ conversation: first.conversation, message })
    } else if (rowsRead >= rowsMax) {
      // All before this place has been looked at, and nothing at it.
      return page({ timeMs: first.timeMs, conversation: first.conversation, seq: first.seq + 1 })
    } else {
      const rowsBefore = first.rowsRead
      await first.step()
      rowsRead += first.rowsRead - rowsBefore
    }
    heap.replaceFirst(first.isDone ? null : first)
  }
  return page(heap.size > 0 ? next : null)
}

interface Opened {
  readonly searches: ConversationSearch[]
  readonly rowsRead: number
}

async function openAll(
  shard: Shard, indexer: Indexer, address: string | undefined, terms: SearchTerms, given?: readonly string[],
): Promise<Opened> {
  const { user } = terms
  const names = given ?? (address === undefined ? await shard.conversationNames(await shard.user(user)) : [conversationName(user, address)])
  const searches: ConversationSearch[] = []
  let rowsRead = names.length
  for (let at = 0; at < names.length; at += OPENED_AT_ONCE) {
    const page = names.slice(at, at + OPENED_AT_ONCE)
    rowsRead += LOAD_ROWS * page.filter((name) => shard.conversations.get(name) === undefined).length
    const opened = await Promise.all(page.map((name) => openOne(shard, indexer, name, terms)))
    for (const each of opened) if (each !== null) searches.push(each)
  }
  // [SCH-5]
  if (address !== undefined && searches.length === 0) throw new RouterError(ERROR.noSuchConversation, 'there is no such conversation')
  return { searches, rowsRead }
}

/** null: the user has never been in it, or all of it is hidden from the user. [SCH-1] [PRF-14] */
async function openOne(shard: Shard, indexer: Indexer, name: string, terms: SearchTerms): Promise<ConversationSearch | null> {
  const state = await shard.conversation(name)
  if (!state.exists || readableBy(state, terms.user).length === 0 || state.isHiddenFrom(terms.user)) return null
  const opened = new ConversationSearch(shard, indexer, state, conversationAddress(state, terms.user), terms)
  await opened.begin()
  return opened
}
