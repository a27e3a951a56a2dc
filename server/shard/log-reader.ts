/** Questions to a conversation's log: was this client id accepted, how many messages of others, one message. */
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { isErased, type LogRecord, readLogRun } from './log-run.js'
import type { ConversationState } from './conversation-state.js'
import type { Member } from './member.js'
import type { Writer } from './writer.js'

/** Records of one outbox looked at for a client id: as many as a client may have unanswered, and a good deal more. */
const RETRY_DEPTH_MAX = 8192
const PAGE_BYTES = 256 * 1024
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
export async function runWith(engine: Engine, conversation: ConversationState, seq: number): Promise<LogRecord[]> {
  const row = (await engine.range({ ...conversation.keys.logRange(seq), limit: 1 }))[0]
  return row === undefined ? [] : readLogRun(row[1], numberAt(row[0]))
}

async function recordAt(engine: Engine, conversation: ConversationState, seq: number): Promise<LogRecord | null> {
  return (await runWith(engine, conversation, seq)).find((record) => record.seq === seq) ?? null
}

/** Who wrote the messages from `first` to `last`, all committed; changes, operations and deleted ones are none. Read in pages: never more than one page in memory. */
export async function eachSender(
  engine: Engine, conversation: ConversationState, first: number, last: number, visit: (from: string, seq: number) => void,
): Promise<void> {
  let from = Math.max(first, conversation.trimmedTo + 1)
  while (from <= last) {
    const page = await engine.range({ ...conversation.keys.logRange(from), limit: Math.min(COUNT_ROWS, last - from + 1), bytesMax: PAGE_BYTES })
    for (const [key, row] of page) {
      for (const record of readLogRun(row, numberAt(key))) if (record.seq >= from && record.seq <= last && countsAsUnread(record)) visit(record.from, record.seq)
    }
    const end = page.at(-1)
    if (end === undefined) return
    from = numberAt(end[0]) + 1
  }
}

/** [GRP-21, OPS-14] */
function countsAsUnread(record: LogRecord): boolean {
  return record.change === null && record.operation === null && !isErased(record)
}

/**
 * What remains unread when the member has read up to `seq`: counted on the shorter side, so that reading a long backlog one by one
 * costs one record each. Everything has to be committed. [RCP-8]
 */
export async function unreadAbove(engine: Engine, conversation: ConversationState, member: Member, seq: number): Promise<number> {
  let count = 0
  const visit = (from: string, at: number): void => {
    if (from !== member.user && !conversation.hides(member.user, at)) count++
  }
  // What a block hides at the end may be long, and counts for nothing.
  const tail = conversation.visible(member.user, conversation.tail)
  if (tail - seq <= seq - Math.max(member.read, conversation.trimmedTo)) {
    await eachSender(engine, conversation, seq + 1, tail, visit)
    return count
  }
  const { unread } = member
  await eachSender(engine, conversation, member.read + 1, seq, visit)
  return Math.max(0, unread - count)
}

/** One committed message; null where there is none. */
export async function readMessage(engine: Engine, conversation: ConversationState, seq: number): Promise<LogRecord | null> {
  if (seq <= conversation.trimmedTo || seq > conversation.committedTail) return null
  return recordAt(engine, conversation, seq)
}
