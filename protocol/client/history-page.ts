/** Pages of history where operations stand between the messages. */
import type { HistoryPage, HistoryRequest } from './query-elements.js'

/** Pages that hold nothing but operations, taken in one go. */
const PAGES_MAX = 20

/** Goes on, in the direction asked for, until a page has a message, so that who pages by messages never meets an empty one in between. */
export async function wholePage(request: HistoryRequest, ask: (request: HistoryRequest) => Promise<HistoryPage>): Promise<HistoryPage> {
  const isForward = request.after !== undefined || request.sinceMs !== undefined
  let page = await ask(request)
  for (let count = 1; count < PAGES_MAX && page.more && page.messages.length === 0 && page.first > 0; count++) {
    const next = await ask({ ...request, ...isForward ? { after: page.last } : { before: page.first } })
    // A page without progress would go on for ever.
    if (next.first === 0 || (isForward ? next.last <= page.last : next.first >= page.first)) return { ...page, more: next.more }
    page = isForward ? joined(page, next) : joined(next, page)
  }
  return page
}

/** `more` and `tail` are those of the page that was asked for last: of the two the one with messages, or the farther one. */
function joined(lower: HistoryPage, upper: HistoryPage): HistoryPage {
  const last = lower.messages.length > 0 || upper.messages.length === 0 ? lower : upper
  return {
    messages: [...lower.messages, ...upper.messages], operations: [...lower.operations, ...upper.operations],
    first: lower.first, last: upper.last, more: last.more, tail: Math.max(lower.tail, upper.tail),
  }
}
