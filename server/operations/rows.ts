/** Rows of the log as operations write them, see shard/log-run.ts; and reading what an operation is done to. */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf } from '../../protocol/expiry.js'
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import { ValueWriter } from '../../storage/value.js'
import { isErased, readLogRun, rewrittenRun, VERSION_OPERATION } from '../shard/log-run.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { TargetRow } from './accept.js'
import type { OperationKind } from './decide.js'
import { decodeState, UNTOUCHED } from './message-state.js'

export interface OperationRow {
  readonly from: string
  readonly device: number
  readonly outboxEpoch: number
  readonly clientId: number
  readonly previousSeq: number
  readonly timeMs: number
  readonly target: number
  readonly kind: OperationKind
}

export function encodeOperationRow(row: OperationRow): Uint8Array {
  return new ValueWriter().uint(VERSION_OPERATION).string(row.from).uint(row.device).uint(row.outboxEpoch).uint(row.clientId)
    .uint(row.previousSeq).time(row.timeMs).uint(row.target).uint(row.kind).take()
}

/** The row with one message's text and extensions taken out; its neighbours stay as they are. [OPS-7] */
export function withoutText(row: Uint8Array, last: number, seq: number): Uint8Array {
  return rewrittenRun(readLogRun(row, last), (record) => record.seq === seq ? { text: EMPTY_BYTES, extensions: EMPTY_BYTES } : record)
}

/** null: there is no such message on disk. [OPS-3] */
export async function readTarget(engine: Engine, conversation: ConversationState, seq: number): Promise<TargetRow | null> {
  if (seq <= conversation.trimmedTo || seq > conversation.committedTail) return null
  const [rows, stateRow] = await Promise.all([
    engine.range({ ...conversation.keys.logRange(seq), limit: 1 }),
    engine.get(conversation.keys.state(seq)),
  ])
  const found = rows[0]
  if (found === undefined) return null
  const [key, row] = found
  const last = numberAt(key)
  const record = readLogRun(row, last).find((each) => each.seq === seq)
  if (record === undefined || record.change !== null || record.operation !== null) return null
  const state = stateRow === undefined ? UNTOUCHED : decodeState(stateRow)
  // Gone, and not by an operation: nothing is left to do anything to.
  if (isErased(record) && state.deletion === null && expiryOf(record.extensions) === 0) return null
  return { record, state, row, last }
}
