/** Takes what has expired out of the log: a row with what is left of its messages, and nothing of what operations made of them. [DIS-4] */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf, isExpired, withExpiry } from '../../protocol/expiry.js'
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { searchKeys } from '../../storage/search-keys.js'
import { decodeState } from '../operations/message-state.js'
import { segmentEnd } from '../search/segment.js'
import { isErased, type LogRecord, readLogRun, rewrittenRun } from '../shard/log-run.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Member } from '../shard/member.js'
import type { Transaction } from '../shard/transaction.js'

/** A row of the log that holds messages to be erased. */
export interface ExpiredRow {
  /** Seq of its last message: what its key says. */
  readonly last: number
  readonly records: readonly LogRecord[]
  /** Seqs of those that operations have made something of; but for deleted ones, whose state stays. */
  readonly states: readonly number[]
}

/** null: it is gone. Rejects with StorageError. */
export async function readExpired(engine: Engine, { keys }: ConversationState, last: number): Promise<ExpiredRow | null> {
  const row = await engine.get(keys.log(last))
  if (row === undefined) return null
  const records = readLogRun(row, last)
  const first = records[0]?.seq ?? last
  const states = await engine.range({ ...keys.states(first, last + 1), limit: records.length })
  return { last, records, states: states.filter(([, state]) => decodeState(state).deletion === null).map(([key]) => numberAt(key)) }
}

/** In the conversation's turn; the row is as it is on disk. What of it has not expired stays. Returns what is gone, as it was. */
export function eraseExpired(
  transaction: Transaction, { keys, name, trimmedTo }: ConversationState, { last, records, states }: ExpiredRow, nowMs: number,
): readonly LogRecord[] {
  // Retention has taken it, and removes what is left of it on the disk.
  if (last <= trimmedTo) return []
  const gone = records.filter((record) => isDue(record, nowMs))
  if (gone.length === 0) return gone
  const seqs = new Set(gone.map(({ seq }) => seq))
  transaction.batch.put(keys.log(last), rewrittenRun(records, (record) => seqs.has(record.seq) ? remains(record) : record))
  for (const seq of states) if (seqs.has(seq)) transaction.batch.delete(keys.state(seq))
  // In the index of searches words would stay: that part of it is made anew.
  for (const end of new Set(gone.map(({ seq }) => segmentEnd(seq)))) transaction.batch.delete(searchKeys(name).segment(end))
  return gone
}

/** For whom how many of these were unread. */
export function unreadAmong(conversation: ConversationState, gone: readonly LogRecord[]): Map<Member, number> {
  const unread = new Map<Member, number>()
  for (const member of conversation.members) {
    // What retention has taken counts for nobody any more.
    const count = gone.filter(({ from, seq }) => from !== member.user && seq > Math.max(member.read, conversation.trimmedTo) && !conversation.hides(member.user, seq)).length
    if (count > 0) unread.set(member, count)
  }
  return unread
}

function isDue(record: LogRecord, nowMs: number): boolean {
  return isExpired(expiryOf(record.extensions), nowMs) && !isErased(record)
}

function remains({ extensions }: LogRecord): Pick<LogRecord, 'text' | 'extensions'> {
  return { text: EMPTY_BYTES, extensions: withExpiry(EMPTY_BYTES, expiryOf(extensions)) }
}
