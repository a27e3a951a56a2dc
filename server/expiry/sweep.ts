/**
 * Erases what has expired: reads what is due from the list of what expires when, which is ordered by time, a page at a time with pauses
 * between, and erases it, some conversations at once. While nothing is to expire it sleeps: a message that will wakes it.
 *
 *     due rows ─▶ by conversation: shard.alone (rows rewritten, list shortened, committed) ─▶ the next page
 */
import { expiries, expiriesUpTo, expiryAt } from '../../storage/shard-keys.js'
import { releaseCarried } from '../holdings/carried.js'
import { takeUnread } from '../shard/conversation.js'
import type { Shard } from '../shard/shard.js'
import { eraseExpired, type ExpiredRow, readExpired, unreadAmong } from './erase.js'

/** After the start: what expired while the server was down can wait a moment. */
const FIRST_SWEEP_MS = 1000
/** Rows of one page, and the pause behind it where there are more. */
const PAGE_ROWS = 256
const PAGE_PAUSE_MS = 20
/** Each waits for commits: together they share them. */
const CONVERSATIONS_AT_ONCE = 16

interface DueRow {
  readonly key: Uint8Array
  readonly last: number
}

export class ExpirySweep {
  readonly #shard: Shard
  #isAwake = false
  /** The sweep goes on behind this key; null: at the beginning. What could not be erased is passed over until the next sweep. */
  #after: Uint8Array | null = null
  readonly #run = (): void => {
    this.#isAwake = false
    // While the store is away it sleeps: it is started again when the store is back.
    if (!this.#shard.isAvailable) return
    this.#isAwake = true
    this.#step().catch((error: unknown) => {
      this.#isAwake = false
      if (!this.#shard.isAvailable) return
      this.#shard.environment.log.warn({ err: error }, 'what has expired can\'t be erased yet')
      this.wake()
    })
  }

  constructor(shard: Shard) {
    this.#shard = shard
  }

  /** At the beginning, and when the store is back. */
  start(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    this.#after = null
    this.#later(FIRST_SWEEP_MS)
  }

  /** Something will expire. Hot: called for each message that will. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    this.#later(this.#shard.environment.limits.expirySweepMs)
  }

  #later(pauseMs: number): void {
    if (!this.#shard.isClosed) this.#shard.environment.scheduler.after(pauseMs, this.#run)
  }

  async #step(): Promise<void> {
    const { engine, nowMs } = this.#shard
    const page = await this.#shard.reading(engine.range({ ...expiriesUpTo(nowMs, this.#after), limit: PAGE_ROWS }))
    const conversations = [...byConversation(page.map(([key]) => key))]
    for (let at = 0; at < conversations.length; at += CONVERSATIONS_AT_ONCE) {
      await Promise.all(conversations.slice(at, at + CONVERSATIONS_AT_ONCE).map(([conversation, rows]) => this.#erase(conversation, rows, nowMs)))
    }
    if (page.length === PAGE_ROWS) {
      this.#after = page.at(-1)?.[0] ?? null
      this.#later(PAGE_PAUSE_MS)
    } else {
      this.#after = null
      await this.#sleep()
    }
  }

  /** For good only where nothing is listed, and nothing that will be is on its way to the disk. */
  async #sleep(): Promise<void> {
    this.#isAwake = false
    await this.#shard.committed()
    const listed = await this.#shard.reading(this.#shard.engine.range({ ...expiries(), limit: 1 }))
    if (listed.length > 0) this.wake()
  }

  /**
   * A conversation that can't be read must not hold up the others: it comes again in the next sweep. `nowMs`: when the rows were found
   * to be due; a clock that is set back meanwhile must not leave anything unlisted.
   */
  async #erase(conversation: string, due: readonly DueRow[], nowMs: number): Promise<void> {
    const shard = this.#shard
    let rows: readonly ExpiredRow[] = []
    await shard.alone(conversation, {
      read: async (state) => {
        const read = await Promise.all(due.map(({ last }) => readExpired(shard.engine, state, last)))
        rows = read.filter((row) => row !== null)
      },
      run: (state) => {
        const { transaction } = shard
        transaction.touch(state)
        const gone = rows.flatMap((row) => eraseExpired(transaction, state, row, nowMs))
        for (const record of gone) {
          shard.indexer?.textChanged(state, record.seq)
          releaseCarried(shard, state, record)
        }
        takeUnread(transaction, state, unreadAmong(state, gone))
        for (const { key } of due) transaction.batch.delete(key)
        shard.schedule()
      },
    })
  }
}

function byConversation(keys: readonly Uint8Array[]): Map<string, DueRow[]> {
  const found = new Map<string, DueRow[]>()
  for (const key of keys) {
    const { conversation, last } = expiryAt(key)
    const rows = found.get(conversation)
    if (rows === undefined) found.set(conversation, [{ key, last }])
    else rows.push({ key, last })
  }
  return found
}
