/** Reads what is committed of a queue, wherever it stands: in rows of the store, or in the journal alone and so in memory. */
import type { Engine, Entry } from '../../storage/engine.js'
import { readEntries } from './entry-reader.js'
import type { UserState } from './user-state.js'

export interface QueuePage {
  readonly rows: readonly Entry[]
  /** Up to here nothing but these can be read: where there are none, the entries are gone. */
  readonly to: number
}

/**
 * One page of the entries from `first` to `last`, which is not behind what is committed; as `readEntries` gives it, never a row behind a gap
 * that may hold another one.
 */
export async function readQueue(engine: Engine, user: UserState, first: number, last: number, bytesMax: number): Promise<QueuePage> {
  const held = user.journaled?.find((run) => run.last >= first)
  if (held === undefined) return { rows: await readEntries(engine, user.keys, first, last, user.committedTail, bytesMax), to: last }
  if (held.first <= first) return { rows: [[user.keys.entry(held.last), held.frames.view()]], to: held.last }
  // A row never holds entries of both.
  const to = Math.min(last, held.first - 1)
  return { rows: await readEntries(engine, user.keys, first, to, held.first - 1, bytesMax), to }
}
