import { StorageError } from './engine.js'
import type { Engine } from './engine.js'
import { everything } from './owner-keys.js'
import { pagesOf } from './pages.js'
import { shardMetaKey } from './shard-keys.js'

/** A row that stands in the destination while it is incomplete; `openEngine` refuses a store that has it. */
export const COPY_MARK_NAME = 'copy-incomplete'
export const COPY_MARK = shardMetaKey(COPY_MARK_NAME)

/**
 * Copies every row into an empty engine, a page for each commit; resolves with the number of rows. Nobody may write to either engine
 * meanwhile. Rejects with 'not-empty' when the destination has rows; a copy that was interrupted can't be opened, nor resumed.
 */
export async function copyData(from: Engine, to: Engine): Promise<number> {
  if ((await to.range({ ...everything(), limit: 1 })).length > 0) {
    throw new StorageError('not-empty', 'the store to copy to holds data already; give a new directory')
  }
  const start = to.batch()
  start.put(COPY_MARK, new Uint8Array(0))
  await to.commit(start)
  let copied = 0
  for await (const page of pagesOf(from, everything())) {
    const batch = to.batch()
    for (const [key, value] of page) batch.put(key, value)
    await to.commit(batch)
    copied += page.length
  }
  const end = to.batch()
  end.delete(COPY_MARK)
  await to.commit(end)
  return copied
}
