/** Questions to a conversation's log: was this client id accepted, how many messages of others, a page of history. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/keyspace.js'
import type { HistoryPage, HistoryRequest, StoredMessage } from '../router/router.js'
import { decodeRecord } from './records.js'
import type { LogRecord } from './records.js'
import type { ConversationState, Member, Writer } from './state.js'

/** Records of one outbox looked at for a client id: as many as a client may have unanswered, and a good deal more. */
const RETRY_DEPTH_MAX = 8192
const PAGE_RECORDS = 512
const PAGE_BYTES = 256 * 1024

export interface Accepted extends LogRecord {
  readonly seq: number
}

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
  async find(engine: Engine, conversation: ConversationState, clientId: number): Promise<Accepted | null> {
    const known = this.#seqs.get(clientId)
    if (known !== undefined && known > conversation.trimmedTo) {
      const row = await engine.get(conversation.keys.log(known))
      return row === undefined ? null : { ...decodeRecord(row), seq: known }
    }
    while (this.#lowestClientId > clientId && this.#nextSeq > conversation.trimmedTo && this.#seqs.size < RETRY_DEPTH_MAX) {
      const seq = this.#nextSeq
      const row = await engine.get(conversation.keys.log(seq))
      if (row === undefined) return null
      const record = decodeRecord(row)
      this.#seqs.set(record.clientId, seq)
      this.#lowestClientId = record.clientId
      this.#nextSeq = record.previousSeq
      if (record.clientId === clientId) return { ...record, seq }
    }
    return null
  }
}

/** Messages from `first` to `last`, all committed, as pages of who wrote them: never more than one page in memory. */
export async function eachSender(
  engine: Engine, conversation: ConversationState, first: number, last: number, visit: (from: string, seq: number) => void,
): Promise<void> {
  let from = Math.max(first, conversation.trimmedTo + 1)
  while (from <= last) {
    const page = await engine.range({ ...conversation.keys.logRange(from, last + 1), limit: PAGE_RECORDS, bytesMax: PAGE_BYTES })
    for (const [key, row] of page) visit(decodeRecord(row).from, numberAt(key))
    const end = page[page.length - 1]
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
  const row = await engine.get(conversation.keys.log(seq))
  return row === undefined ? null : toMessage(seq, row)
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
  const page = await engine.range({ ...conversation.keys.logRange(first, end), limit: request.limit, bytesMax: PAGE_BYTES, reverse: !isForward })
  const messages = page.map(([key, row]) => toMessage(numberAt(key), row))
  if (!isForward) messages.reverse()
  const reached = isForward ? messages.at(-1)?.seq ?? end - 1 : messages[0]?.seq ?? first
  return { messages, more: isForward ? reached < end - 1 : reached > first, tail }
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

function toMessage(seq: number, row: Uint8Array): StoredMessage {
  const record = decodeRecord(row)
  return { seq, from: record.from, timeMs: record.timeMs, text: record.text, extensions: record.extensions }
}
