/** Pages of a conversation's history. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { tailWithin } from '../groups/access.js'
import type { Interval } from '../groups/group-state.js'
import { withPresent } from '../operations/present.js'
import type { HistoryPage, HistoryRequest, StoredMessage } from '../router/router.js'
import { isDamage, readable } from './entry-reader.js'
import { readMessage, runWith } from './log-reader.js'
import { type LogRecord, readLogRun, RUN_RECORDS_MAX } from './log-run.js'
import type { ConversationState } from './conversation-state.js'

const PAGE_BYTES = 256 * 1024
/** Rows of the log read at once: few, since one may hold many messages, or a single one. */
const HISTORY_ROWS = 16

/**
 * A page of what is committed and lies in the intervals, ascending; paged forwards by `after` or `since`, else backwards from the end.
 * What lies between the intervals is passed over, without reading it. [HIS-1, HIS-2, GRP-9, PRF-10]
 */
export async function readHistory(
  engine: Engine, conversation: ConversationState, request: HistoryRequest, intervals: readonly Interval[], viewer: string,
  nowMs: number,
): Promise<HistoryPage> {
  const tail = tailWithin(intervals, conversation.committedTail)
  let first = Math.max(conversation.trimmedTo, request.after ?? 0) + 1
  let end = Math.min(tail + 1, request.before ?? tail + 1)
  if (request.sinceMs !== undefined) first = Math.max(first, await seqAtTime(engine, conversation, request.sinceMs))
  if (request.untilMs !== undefined) end = Math.min(end, await seqAtTime(engine, conversation, request.untilMs))
  const isForward = request.after !== undefined || request.sinceMs !== undefined
  if (first >= end || request.limit === 0) return { messages: [], more: first < end && within(intervals, first, end).length > 0, tail }
  const stretches = within(intervals, first, end)
  const page = new Page(request.limit)
  if (!isForward) stretches.reverse()
  const shown = (): Promise<StoredMessage[]> => withPresent(engine, conversation, page.ascending(isForward), intervals, viewer, nowMs)
  for (const stretch of stretches) {
    if (page.isFull) return { messages: await shown(), more: true, tail }
    await (isForward ? readForwards : readBackwards)(engine, conversation, stretch, page)
    const reached = page.records.at(-1)?.seq ?? (isForward ? stretch.end - 1 : stretch.first)
    const isWhole = isForward ? reached >= stretch.end - 1 : reached <= stretch.first
    if (page.isFull && !isWhole) return { messages: await shown(), more: true, tail }
  }
  return { messages: await shown(), more: false, tail }
}

/** The parts of the intervals that lie from `first` up to, without, `end`. */
function within(intervals: readonly Interval[], first: number, end: number): Stretch[] {
  return intervals.filter(({ from, to }) => from < end && to >= first)
    .map(({ from, to }) => ({ first: Math.max(from, first), end: Math.min(to + 1, end) }))
}

interface Stretch {
  readonly first: number
  /** Behind the last. */
  readonly end: number
}

async function readForwards(engine: Engine, conversation: ConversationState, { first, end }: Stretch, page: Page): Promise<void> {
  for (let from = first; from < end && !page.isFull;) {
    const rows = await rowsIn(engine, conversation, from, end, false)
    for (const record of rows.records) if (record.seq >= first && record.seq < end) page.add(record)
    from = rows.next
  }
}

async function readBackwards(engine: Engine, conversation: ConversationState, { first, end }: Stretch, page: Page): Promise<void> {
  // The run that holds the last message may reach beyond it, so that one is looked for by itself.
  let records = await readable(runWith(engine, conversation, end - 1)) ?? []
  let to = records[0]?.seq ?? end
  for (;;) {
    for (const record of records.reverse()) if (record.seq >= first && record.seq < end) page.add(record)
    if (to <= first || page.isFull) break
    const rows = await rowsIn(engine, conversation, first, to, true)
    records = rows.records
    to = rows.next
  }
}

interface Rows {
  /** Ascending. */
  readonly records: LogRecord[]
  /** Where to go on: from here upwards, or below this downwards. */
  readonly next: number
}

/**
 * Some rows whose last message lies from `first` up to, without, `end`, from either side. A damaged row is left out: it must not hide
 * the messages around it. The first row upwards may begin before `first`, and the last reach beyond `end`.
 */
async function rowsIn(engine: Engine, conversation: ConversationState, first: number, end: number, isBackward: boolean): Promise<Rows> {
  const { keys } = conversation
  const range = isBackward ? keys.logRange(first, end) : keys.logRange(first)
  const rows = await readable(engine.range({ ...range, limit: Math.min(HISTORY_ROWS, end - first), bytesMax: PAGE_BYTES, reverse: isBackward }))
  if (rows === null) return singlesIn(engine, conversation, first, end, isBackward)
  const last = rows.at(-1)
  if (last === undefined) return { records: [], next: isBackward ? first : end }
  if (isBackward) rows.reverse()
  return { records: rows.flatMap(([key, row]) => decoded(row, numberAt(key))), next: numberAt(last[0]) + (isBackward ? 0 : 1) }
}

/** Where a page as a whole can't be read: row by row, as many as there may be messages in one. */
async function singlesIn(engine: Engine, conversation: ConversationState, first: number, end: number, isBackward: boolean): Promise<Rows> {
  const from = isBackward ? Math.max(first, end - RUN_RECORDS_MAX) : first
  const to = isBackward ? end : first + RUN_RECORDS_MAX
  const records: LogRecord[] = []
  for (let seq = from; seq < to; seq++) {
    const row = await readable(engine.get(conversation.keys.log(seq)))
    if (row !== null && row !== undefined) records.push(...decoded(row, seq))
  }
  return { records, next: isBackward ? from : to }
}

function decoded(row: Uint8Array, last: number): LogRecord[] {
  try {
    return readLogRun(row, last)
  } catch (error) {
    if (isDamage(error)) return []
    throw error
  }
}

/** Messages of one answer, as many as were asked for and as fit. */
class Page {
  readonly records: LogRecord[] = []
  readonly #limit: number
  #bytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The records as they are shown; the page is used up. */
  ascending(isForward: boolean): LogRecord[] {
    return isForward ? this.records : this.records.reverse()
  }

  get isFull(): boolean {
    return this.records.length >= this.#limit || this.#bytes >= PAGE_BYTES
  }

  add(record: LogRecord): void {
    if (this.isFull) return
    this.records.push(record)
    this.#bytes += record.text.length + record.extensions.length
  }
}

/** The first seq that is kept and whose time is at or after this; times never fall along the log, so halving finds it. [MSG-14] */
export async function seqAtTime(engine: Engine, conversation: ConversationState, timeMs: number): Promise<number> {
  let low = conversation.trimmedTo + 1
  let high = conversation.committedTail + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const message = await readMessage(engine, conversation, middle)
    if (message !== null && message.timeMs >= timeMs) high = middle
    else low = middle + 1
  }
  return low
}
