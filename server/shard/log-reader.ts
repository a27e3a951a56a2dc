/** Questions to a conversation's log: was this client id accepted, how many messages of others, a page of history. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/keyspace.js'
import type { HistoryPage, HistoryRequest, StoredMessage } from '../router/router.js'
import { type LogRecord, readLogRun } from './log-run.js'
import type { ConversationState, Member, Writer } from './state.js'

/** Records of one outbox looked at for a client id: as many as a client may have unanswered, and a good deal more. */
const RETRY_DEPTH_MAX = 8192
const PAGE_BYTES = 256 * 1024
/** Rows of the log read at once where a page of history is gathered: few, since one may hold many messages, or a single one. */
const HISTORY_ROWS = 16
const COUNT_ROWS = 512

/** An outbox's messages in a conversation, as far back as they have been looked at. */
export class Acceptances {
  readonly writer: Writer
  /** The writer's last message when the search began: what came later is not in here. */
  readonly lastSeq: number
  readonly #seqs = new Map<number, number>()
  #nextSeq: number
  #lowestClientId = Infinity

  constructor(writer: Writer) {
    this.writer = writer
    this.lastSeq = this.#nextSeq = writer.lastSeq
  }

  /**
   * The message accepted under this client id, or null. Each record names the one before it from the same outbox, and their client
   * ids rise, so the search ends where they fall below. [MSG-3, MSG-5]
   */
  async find(engine: Engine, conversation: ConversationState, clientId: number): Promise<LogRecord | null> {
    const known = this.#seqs.get(clientId)
    if (known !== undefined && known > conversation.trimmedTo) return recordAt(engine, conversation, known)
    while (this.#lowestClientId > clientId && this.#nextSeq > conversation.trimmedTo && this.#seqs.size < RETRY_DEPTH_MAX) {
      const run = await runWith(engine, conversation, this.#nextSeq)
      const found = this.#lookBackIn(run, clientId)
      if (found !== undefined) return found
    }
    return null
  }

  /** The record, null where there can be none, undefined where the search goes on in an earlier run. */
  #lookBackIn(run: readonly LogRecord[], clientId: number): LogRecord | null | undefined {
    const first = run[0]?.seq ?? 0
    while (this.#lowestClientId > clientId) {
      const record = run[this.#nextSeq - first]
      if (record === undefined) return run.length > 0 && this.#nextSeq < first ? undefined : null
      this.#seqs.set(record.clientId, record.seq)
      this.#lowestClientId = record.clientId
      this.#nextSeq = record.previousSeq
      if (record.clientId === clientId) return record
    }
    return null
  }
}

/** The run that holds the message; empty where there is none. */
async function runWith(engine: Engine, conversation: ConversationState, seq: number): Promise<LogRecord[]> {
  const row = (await engine.range({ ...conversation.keys.logRange(seq), limit: 1 }))[0]
  return row === undefined ? [] : readLogRun(row[1], numberAt(row[0]))
}

async function recordAt(engine: Engine, conversation: ConversationState, seq: number): Promise<LogRecord | null> {
  return (await runWith(engine, conversation, seq)).find((record) => record.seq === seq) ?? null
}

/** Messages from `first` to `last`, all committed, as pages of who wrote them: never more than one page in memory. */
export async function eachSender(
  engine: Engine, conversation: ConversationState, first: number, last: number, visit: (from: string, seq: number) => void,
): Promise<void> {
  let from = Math.max(first, conversation.trimmedTo + 1)
  while (from <= last) {
    const page = await engine.range({ ...conversation.keys.logRange(from), limit: Math.min(COUNT_ROWS, last - from + 1), bytesMax: PAGE_BYTES })
    for (const [key, row] of page) {
      for (const record of readLogRun(row, numberAt(key))) if (record.seq >= from && record.seq <= last) visit(record.from, record.seq)
    }
    const end = page.at(-1)
    if (end === undefined) return
    from = numberAt(end[0]) + 1
  }
}

/**
 * What remains unread when the member has read up to `seq`: counted on the shorter side, so that reading a long backlog one by one
 * costs one record each. Everything has to be committed. [RCP-8]
 */
export async function unreadAbove(engine: Engine, conversation: ConversationState, member: Member, seq: number): Promise<number> {
  let count = 0
  const visit = (from: string): void => {
    if (from !== member.user) count++
  }
  const { tail } = conversation
  if (tail - seq <= seq - Math.max(member.read, conversation.trimmedTo)) {
    await eachSender(engine, conversation, seq + 1, tail, visit)
    return count
  }
  const { unread } = member
  await eachSender(engine, conversation, member.read + 1, seq, visit)
  return Math.max(0, unread - count)
}

/** One committed message; null where there is none. */
export async function readMessage(engine: Engine, conversation: ConversationState, seq: number): Promise<StoredMessage | null> {
  if (seq <= conversation.trimmedTo || seq > conversation.committedTail) return null
  return recordAt(engine, conversation, seq)
}

/** A page of what is committed, ascending; paged forwards by `after` or `since`, else backwards from the end. [HIS-1, HIS-2] */
export async function readHistory(engine: Engine, conversation: ConversationState, request: HistoryRequest): Promise<HistoryPage> {
  const tail = conversation.committedTail
  let first = Math.max(conversation.trimmedTo, request.after ?? 0) + 1
  let end = Math.min(tail + 1, request.before ?? tail + 1)
  if (request.sinceMs !== undefined) first = Math.max(first, await seqAtTime(engine, conversation, request.sinceMs))
  if (request.untilMs !== undefined) end = Math.min(end, await seqAtTime(engine, conversation, request.untilMs))
  const isForward = request.after !== undefined || request.sinceMs !== undefined
  if (first >= end || request.limit === 0) return { messages: [], more: first < end, tail }
  const range = { first, end, limit: request.limit }
  const messages = await (isForward ? readForwards : readBackwards)(engine, conversation, range)
  const reached = isForward ? messages.at(-1)?.seq ?? end - 1 : messages[0]?.seq ?? first
  return { messages, more: isForward ? reached < end - 1 : reached > first, tail }
}

interface Stretch {
  readonly first: number
  /** Behind the last. */
  readonly end: number
  readonly limit: number
}

async function readForwards(engine: Engine, conversation: ConversationState, { first, end, limit }: Stretch): Promise<LogRecord[]> {
  const page = new Page(limit)
  let from = first
  while (from < end && !page.isFull) {
    const rows = await engine.range({ ...conversation.keys.logRange(from), limit: Math.min(HISTORY_ROWS, end - from), bytesMax: PAGE_BYTES })
    for (const [key, row] of rows) {
      from = numberAt(key) + 1
      for (const record of readLogRun(row, from - 1)) if (record.seq >= first && record.seq < end) page.add(record)
    }
    if (rows.length === 0) break
  }
  return page.records
}

/** From the end down: the run that holds the last message may reach beyond it, so that one is looked for by itself. */
async function readBackwards(engine: Engine, conversation: ConversationState, { first, end, limit }: Stretch): Promise<LogRecord[]> {
  const page = new Page(limit)
  let run = await runWith(engine, conversation, end - 1)
  let to = run.at(-1)?.seq ?? end
  for (;;) {
    for (const record of run.reverse()) if (record.seq >= first && record.seq < end) page.add(record)
    if (to <= first || page.isFull) break
    const rows = await engine.range({ ...conversation.keys.logRange(first, to), limit: HISTORY_ROWS, bytesMax: PAGE_BYTES, reverse: true })
    const lowest = rows.at(-1)
    if (lowest === undefined) break
    run = rows.reverse().flatMap(([key, row]) => readLogRun(row, numberAt(key)))
    to = numberAt(lowest[0])
  }
  return page.records.reverse()
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
