/** Reads a queue's runs of entries, also past rows that are damaged: one of them must not hold up the rest. [QUE-14] */
import { StorageError } from '../../storage/engine.js'
import type { Engine, Entry } from '../../storage/engine.js'
import type { UserKeys } from '../../storage/user-keys.js'

/** Rows read one by one where a page as a whole can't be read. */
const SINGLES_MAX = 64

/** Whether reading failed for what stands in the row, so that neither trying again nor opening the store anew can help. */
export function isDamage(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'corrupt'
}

/** null: what was read is damaged. Rejects with any other error. */
export async function readable<T>(read: Promise<T>): Promise<T | null> {
  try {
    return await read
  } catch (error) {
    if (isDamage(error)) return null
    throw error
  }
}

/**
 * One page of the rows that hold the entries from `first` on, ascending; the first may hold some before it. What is committed ends at
 * `tail`, and there a row ends. Where a row is damaged they are read one by one up to `last`, and those that can't be are left out.
 * Empty: there is none to be read up to `last`. Rejects with StorageError, never 'corrupt'.
 */
export async function readEntries(
  engine: Engine, keys: UserKeys, first: number, last: number, tail: number, bytesMax: number,
): Promise<Entry[]> {
  try {
    return await engine.range({ ...keys.entries(first, tail + 1), limit: last - first + 1, bytesMax })
  } catch (error) {
    if (!isDamage(error)) throw error
  }
  let from = first
  while (from <= last) {
    const to = Math.min(last, from + SINGLES_MAX - 1)
    const entries = await readSingly(engine, keys, from, to, bytesMax)
    if (entries.length > 0) return entries
    from = to + 1
  }
  return []
}

async function readSingly(engine: Engine, keys: UserKeys, first: number, last: number, bytesMax: number): Promise<Entry[]> {
  const rows: Entry[] = []
  let bytes = 0
  for (let index = first; index <= last && bytes < bytesMax; index++) {
    const key = keys.entry(index)
    try {
      const row = await engine.get(key)
      if (row === undefined) continue
      rows.push([key, row])
      bytes += row.length
    } catch (error) {
      if (!isDamage(error)) throw error
    }
  }
  return rows
}
