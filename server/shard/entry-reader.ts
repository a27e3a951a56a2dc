/** Reads a queue's entries, also past rows that are damaged: one of them must not hold up the rest. [QUE-14] */
import { StorageError } from '../../storage/engine.js'
import type { Engine, Entry } from '../../storage/engine.js'
import type { UserKeys } from '../../storage/keyspace.js'

/** Entries read one by one where a page as a whole can't be read. */
const SINGLES_MAX = 64

/** Whether reading failed for what stands in the row, so that neither trying again nor opening the store anew can help. */
export function isDamage(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'corrupt'
}

/**
 * One page of the entries from `first` to `last`, ascending; damaged and missing ones are left out. Empty: there is none to be read up
 * to `last`. Rejects with StorageError, never 'corrupt'.
 */
export async function readEntries(engine: Engine, keys: UserKeys, first: number, last: number, bytesMax: number): Promise<Entry[]> {
  try {
    return await engine.range({ ...keys.entries(first, last + 1), limit: last - first + 1, bytesMax })
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
  const entries: Entry[] = []
  let bytes = 0
  for (let index = first; index <= last && bytes < bytesMax; index++) {
    const key = keys.entry(index)
    try {
      const frame = await engine.get(key)
      if (frame === undefined) continue
      entries.push([key, frame])
      bytes += frame.length
    } catch (error) {
      if (!isDamage(error)) throw error
    }
  }
  return entries
}
