/** Before any queue is read: what the last life has left in the journal is given rows of its own. */
import type { Engine } from '../../storage/engine.js'
import { journal } from '../../storage/shard-keys.js'
import type { ShardEnvironment } from './environment.js'
import { isDamage, readable } from './entry-reader.js'
import { type JournaledRun, readJournalRow } from './journal-row.js'
import { loadUser } from './loader.js'
import type { UserState } from './state.js'

/** Users read from the store at once. */
const LOADS_AT_ONCE = 32

/** Ends early where `isOver`. Rejects with StorageError where the store can't be read or written; then nothing is lost. */
export async function recoverJournal(engine: Engine, log: ShardEnvironment['log'], isOver: () => boolean): Promise<void> {
  for (;;) {
    const [entry] = await engine.range({ ...journal(), limit: 1 })
    if (entry === undefined || isOver()) return
    const [key, row] = entry
    const batch = engine.batch()
    batch.delete(key)
    const runs = readRuns(row, log)
    const users = await load(engine, runs)
    for (const { user, run } of runs) {
      const state = users.get(user)
      if (state?.exists === true && run.last > state.trimmedTo) batch.put(state.keys.entry(run.last), run.frames.view())
    }
    await engine.commit(batch)
  }
}

/** None of a damaged row: who has been given a number that the queue does not know is told to begin anew. */
function readRuns(row: Uint8Array, log: ShardEnvironment['log']): JournaledRun[] {
  try {
    return readJournalRow(row)
  } catch (error) {
    if (!isDamage(error)) throw error
    log.error({ err: error instanceof Error ? error : null }, 'a row of the journal of queues can\'t be read, what it held is lost')
    return []
  }
}

async function load(engine: Engine, runs: readonly JournaledRun[]): Promise<Map<string, UserState | null>> {
  const users = new Map<string, UserState | null>(runs.map(({ user }) => [user, null]))
  const names = [...users.keys()]
  for (let at = 0; at < names.length; at += LOADS_AT_ONCE) {
    // One whose own rows are damaged keeps nobody else waiting.
    await Promise.all(names.slice(at, at + LOADS_AT_ONCE).map(async (name) => users.set(name, await readable(loadUser(engine, name)))))
  }
  return users
}
