/** Takes what has expired out of the log: a row with what is left of its messages, and nothing of what operations made of them. [DIS-4] */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf, isExpired, withExpiry } from '../../protocol/expiry.js'
import type { Engine } from '../../storage/engine.js'
import { numberAt, searchKeys } from '../../storage/keyspace.js'
import { lowerUnread } from '../operations/accept.js'
import { decodeState } from '../operations/message-state.js'
import { segmentEnd } from '../search/segment.js'
import { isErased, type LogRecord, readLogRun, rewrittenRun } from '../shard/log-run.js'
import type { ConversationState } from '../shard/state.js'
import type { Route, Transaction } from '../shard/transaction.js'

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

/** In the conversation's turn; the row is as it is on disk. What of it has not expired stays. Returns the seqs of what is gone. */
export function eraseExpired(transaction: Transaction, route: Route, { last, records, states }: ExpiredRow, nowMs: number): ReadonlySet<number> {
  const { conversation } = route
  const { keys } = conversation
  const gone = records.filter((record) => isDue(record, nowMs))
  const seqs = new Set(gone.map(({ seq }) => seq))
  if (gone.length === 0) return seqs
  transaction.batch.put(keys.log(last), rewrittenRun(records, (record) => seqs.has(record.seq) ? remains(record) : record))
  for (const seq of states) if (seqs.has(seq)) transaction.batch.delete(keys.state(seq))
  for (const record of gone) lowerUnread(conversation, record)
  // In the index of searches words would stay: that part of it is made anew.
  for (const end of new Set(gone.map(({ seq }) => segmentEnd(seq)))) transaction.batch.delete(searchKeys(conversation.name).segment(end))
  // It holds unread as of now: what is behind it is counted from the log, which does not say who had read what.
  conversation.isCheckpointDue = true
  transaction.markDirty(route)
  return seqs
}

function isDue(record: LogRecord, nowMs: number): boolean {
  return isExpired(expiryOf(record.extensions), nowMs) && !isErased(record)
}

function remains({ extensions }: LogRecord): Pick<LogRecord, 'text' | 'extensions'> {
  return { text: EMPTY_BYTES, extensions: withExpiry(EMPTY_BYTES, expiryOf(extensions)) }
}
