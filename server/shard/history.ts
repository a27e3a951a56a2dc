/** Pages of a conversation's history. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/keyspace.js'
import { tailWithin } from '../groups/access.js'
import type { Interval } from '../groups/group-state.js'
import type { HistoryPage, HistoryRequest } from '../router/router.js'
import { isDamage, readable } from './entry-reader.js'
import { readMessage, runWith } from './log-reader.js'
import { type LogRecord, readLogRun, RUN_RECORDS_MAX } from './log-run.js'
import type { ConversationState } from './state.js'

const PAGE_BYTES = 256 * 1024
/** Rows of the log read at once: few, since one may hold many messages, or a single one. */
const HISTORY_ROWS = 16

/**
 * A page of what is committed and lies in the intervals, ascending; paged forwards by `after` or `since`, else backwards from the end.
 * A page ends with an interval. [HIS-1, HIS-2, GRP-9]
 */
export async function readHistory(
  engine: Engine, conversation: ConversationState, request: HistoryRequest, intervals: readonly Interval[],
): Promise<HistoryPage> {
  const tail = tailWithin(intervals, conversation.committedTail)
  let first = Math.max(conversation.trimmedTo, request.after ?? 0) + 1
  let end = Math.min(tail + 1, request.before ?? tail + 1)
  if (request.sinceMs !== undefined) first = Math.max(first, await seqAtTime(engine, conversation, request.sinceMs))
  if (request.untilMs !== undefined) end = Math.min(end, await seqAtTime(engine, conversation, request.untilMs))
  const isForward = request.after !== undefined || request.sinceMs !== undefined
  const within = intervals.filter(({ from, to }) => from < end && to >= first)
  const interval = isForward ? within[0] : within.at(-1)
  if (first >= end || request.limit === 0 || interval === undefined) return { messages: [], more: first < end && interval !== undefined, tail }
  first = Math.max(first, interval.from)
  end = Math.min(end, interval.to + 1)
  const range = { first, end, limit: request.limit }
  const messages = await (isForward ? readForwards : readBackwards)(engine, conversation, range)
  const reached = isForward ? messages.at(-1)?.seq ?? end - 1 : messages[0]?.seq ?? first
  return { messages, more: within.length > 1 || (isForward ? reached < end - 1 : reached > first), tail }
}

interface Stretch {
  readonly first: number
  /** Behind the last. */
  readonly end: number
  readonly limit: number
}

async function readForwards(engine: Engine, conversation: ConversationState, { first, end, limit }: Stretch): Promise<LogRecord[]> {
  const page = new Page(limit)
  for (let from = first; from < end && !page.isFull;) {
    const rows = await rowsIn(engine, conversation, from, end, false)
    for (const record of rows.records) if (record.seq >= first && record.seq < end) page.add(record)
    from = rows.next
  }
  return page.records
}

async function readBackwards(engine: Engine, conversation: ConversationState, { first, end, limit }: Stretch): Promise<LogRecord[]> {
  const page = new Page(limit)
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
  return page.records.reverse()
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
