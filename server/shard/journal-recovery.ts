/** Before any queue is read: what the last life has left in the journal is given rows of its own. */
import type { Engine, Entry } from '../../storage/engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { journal, journaledAt, journalKey } from '../../storage/shard-keys.js'
import { isDamage, readable } from './entry-reader.js'
import type { ShardEnvironment } from './environment.js'
import { type JournaledRun, readJournalRow } from './journal-row.js'
import { loadUser } from './loader.js'
import type { UserState } from './user-state.js'

/** Of one page, which is one commit. */
const PAGE_ROWS = 64
const PAGE_BYTES = 1 << 20
/** Users read from the store at once. */
const LOADS_AT_ONCE = 32

type Log = ShardEnvironment['log']

/** Ends early where `isOver`. Rejects with StorageError where the store can't be read or written; then nothing is lost. */
export async function recoverJournal(engine: Engine, log: Log, isOver: () => boolean): Promise<void> {
  const users = new Map<string, UserState | null>()
  for (let next = 0; ;) {
    const { rows, lost } = await readPage(engine, next)
    if (isOver() || (rows.length === 0 && lost === null)) return
    const runs = rows.flatMap(([, row]) => readRuns(row, log))
    await load(engine, runs, users)
    const batch = engine.batch()
    for (const { user, run } of runs) if (isOf(users.get(user) ?? null, run.last)) batch.put(userKeys(user).entry(run.last), run.frames.view())
    for (const [key] of rows) batch.delete(key)
    if (lost !== null) {
      log.error({ commits: `${String(next)} to ${String(lost)}` }, 'a row of the journal of queues can\'t be read, what it held is lost')
      await readable(engine.trim({ gte: journalKey(next), lt: journalKey(lost + 1) }))
    }
    if (batch.size > 0) await engine.commit(batch)
    // Not from the beginning again: what is gone from there is walked over by a read for long.
    next = 1 + (lost ?? journaledAt(rows.at(-1)![0]))
  }
}

/** Whether the entry may still be of use to the user; of one that can't be read at present nobody knows. */
function isOf(user: UserState | null, index: number): boolean {
  return user === null || (user.exists && index > user.trimmedTo)
}

/** What follows from this commit on. Where the next row is damaged there is none but the number of its commit; what lies before it may go, too. */
async function readPage(engine: Engine, first: number): Promise<{ rows: readonly Entry[], lost: number | null }> {
  const rows = await readable(engine.range({ ...journal(first), limit: PAGE_ROWS, bytesMax: PAGE_BYTES })) ??
    // As long as the first one is whole, one by one.
    await readable(engine.range({ ...journal(first), limit: 1 }))
  return rows === null ? { rows: [], lost: await lastLost(engine, first) } : { rows, lost: null }
}

/** The last commit of those from this one on behind which the journal can be read again: found in steps that double, and then halve. */
async function lastLost(engine: Engine, first: number): Promise<number> {
  const isLost = async (commit: number): Promise<boolean> => await readable(engine.range({ ...journal(commit + 1), limit: 1 })) === null
  let lost = first - 1
  let step = 1
  while (await isLost(lost + step)) {
    lost += step
    step *= 2
  }
  let whole = lost + step
  while (whole - lost > 1) {
    const middle = Math.floor((lost + whole) / 2)
    if (await isLost(middle)) lost = middle
    else whole = middle
  }
  return whole
}

/** None of a row that does not say what it should. Whoever got numbers by it alone is told too old, unless they have been given again by then. */
function readRuns(row: Uint8Array, log: Log): JournaledRun[] {
  try {
    return readJournalRow(row)
  } catch (error) {
    if (!isDamage(error)) throw error
    log.error({ err: error instanceof Error ? error : null }, 'a row of the journal of queues can\'t be read, what it held is lost')
    return []
  }
}

async function load(engine: Engine, runs: readonly JournaledRun[], users: Map<string, UserState | null>): Promise<void> {
  const names = [...new Set(runs.map(({ user }) => user))].filter((name) => !users.has(name))
  for (let at = 0; at < names.length; at += LOADS_AT_ONCE) {
    // One whose own rows are damaged keeps nobody else waiting.
    await Promise.all(names.slice(at, at + LOADS_AT_ONCE).map(async (name) => users.set(name, await readable(loadUser(engine, name)))))
  }
}
