/** The rows of a range one page behind the other, so that memory does not grow with them. */
import type { Engine, Entry, KeyRange } from './engine.js'

const PAGE_ROWS = 4096
const PAGE_BYTES = 4 << 20

/** In the order of their keys; none is empty. Rejects with StorageError. */
export async function* pagesOf(engine: Engine, { gte, lt }: KeyRange): AsyncGenerator<readonly Entry[]> {
  for (let next = gte; ;) {
    const page = await engine.range({ gte: next, lt, limit: PAGE_ROWS, bytesMax: PAGE_BYTES })
    const last = page.at(-1)
    if (last === undefined) return
    yield page
    next = Buffer.concat([last[0], Buffer.of(0)])
  }
}
