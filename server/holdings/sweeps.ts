/**
 * What happens to blobs by itself: holds and uploads end by their time, what has ended is released, what nobody holds is erased in the
 * store. Each is a list of the store, so that nothing is forgotten by a crash, and each row leaves its list in the transaction that has
 * carried it out.
 *
 *     ends ──────▶ holdings ─┐
 *     releases ──▶ holdings ─┴─▶ (no holding left: blob and keys go) ──▶ erases ──▶ committed ──▶ the store
 */
import { asError } from '../../protocol/as-error.js'
import {
  endAt, ends, endsUpTo, eraseAt, erases, erasesUpTo, releaseAt, releaseKey, releases,
} from '../../storage/blob-keys.js'
import type { Entry, KeyRange } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { numberAt } from '../../storage/owner-keys.js'
import type { ObjectEraser } from '../blobs/blob-router.js'
import { isInternal } from '../shard/conversation-walk.js'
import { isDamage } from '../shard/entry-reader.js'
import type { Shard } from '../shard/shard.js'
import { type Held, holding } from './held.js'
import type { BlobList, HeldBlob } from './ledger.js'
import { ListSweep, type ListWork } from './list-sweep.js'
import { listedLoan, loanAt } from './homes.js'
import { RouterError } from '../router/router.js'
import { decodeReference, LISTED } from './rows.js'
import { TOTALS } from './states.js'

/** References released in one transaction. */
const REFERENCES_AT_ONCE = 64
const ERASES_AT_ONCE = 8
const ENDS_AT_ONCE = 16
/** A shard that is asked about a loan and says nothing holds up the rest for no longer, however many loans it has. */
const LOAN_ANSWER_MS = 15_000
const LOOK_MIN_MS = 1000

export class BlobSweeps {
  readonly #sweeps: Readonly<Record<BlobList, ListSweep>>

  constructor(shard: Shard, eraser: ObjectEraser) {
    this.#sweeps = {
      ends: new ListSweep(shard, new EndWork(shard)),
      releases: new ListSweep(shard, new ReleaseWork(shard)),
      erases: new ListSweep(shard, new EraseWork(shard, eraser)),
    }
  }

  start(): void {
    for (const sweep of Object.values(this.#sweeps)) sweep.start()
  }

  wake(list: BlobList, dueMs: number): void {
    this.#sweeps[list].wake(dueMs)
  }
}

/** Holds and uploads whose time is over. [BLB-14] */
class EndWork implements ListWork {
  readonly what = 'ending holds and uploads'
  readonly #shard: Shard

  constructor(shard: Shard) {
    this.#shard = shard
  }

  due(after: Uint8Array | null): KeyRange {
    return endsUpTo(this.#shard.nowMs, after)
  }

  async carryOut(page: readonly Entry[], isCurrent: () => boolean): Promise<boolean> {
    const failed = await failuresAmong(page, ENDS_AT_ONCE, ([key]) => holding(this.#shard, async (held) => {
      const change = await this.#end(held, key)
      held.check()
      if (!isCurrent()) return
      change()
      this.#shard.transaction.batch.delete(key)
    }), this.#shard, this.what)
    await this.#shard.committed()
    return failed === 0
  }

  /** What has to be done once all are in memory: a row whose time has changed since says nothing. */
  async #end(held: Held, key: Uint8Array): Promise<() => void> {
    const { timeMs, kind, name } = endAt(key)
    const { ledger, users, blobStates: { uploads, totals } } = this.#shard
    if (kind === 'loan') return this.#endLoan(held, name, timeMs)
    if (kind === 'hold') {
      const slash = name.indexOf('/')
      const blob = await held.blob(name.slice(0, slash), name.slice(slash + 1))
      return () => { if (blob.holding.row?.heldUntilMs === timeMs) ledger.endHold(blob) }
    }
    const state = await held.state(uploads, name)
    const owner = state.row?.upload.user
    if (owner === undefined) return () => undefined
    const [user, total] = await Promise.all([held.state(users, owner), held.state(totals, TOTALS)])
    return () => {
      if (state.row?.upload.expiresMs === timeMs) ledger.endUpload(user, state, state.row, total, this.#shard.nowMs)
    }
  }

  /** What a shard was to take: it says itself whether that is still so. Nobody else may end it, however long that takes. */
  async #endLoan(held: Held, name: string, timeMs: number): Promise<() => void> {
    const { blob, shard } = loanAt(name)
    const home = await held.home(blob)
    const loan = home === null ? null : listedLoan(home.state, shard, timeMs)
    if (home === null || loan === null) return () => undefined
    const { homes } = this.#shard.ledger
    const isAwaited = await this.#isAwaited(shard, blob)
    return () => {
      if (listedLoan(home.state, shard, timeMs)?.number !== loan.number) return
      if (isAwaited) homes.prolong(home, loan)
      else homes.endLoan(home, loan)
    }
  }

  /** Who can't be asked at present may be about to take it. */
  async #isAwaited(shard: number, blob: string): Promise<boolean> {
    const { channels } = this.#shard
    if (channels?.isReached(shard) !== true) return true
    return channels.askInTime(LOAN_ANSWER_MS, shard, 'awaitsLoan', blob).catch((error: unknown) => {
      if (error instanceof RouterError) return true
      throw error
    })
  }

  waitMs(): Promise<number | null> {
    return untilFirst(this.#shard, ends(), (key) => endAt(key).timeMs)
  }
}

/** What messages and pictures carried that are over. [BLB-13] */
class ReleaseWork implements ListWork {
  readonly what = 'releasing blobs'
  readonly #shard: Shard

  constructor(shard: Shard) {
    this.#shard = shard
  }

  due(after: Uint8Array | null): KeyRange {
    return releases(after)
  }

  async carryOut(page: readonly Entry[], isCurrent: () => boolean): Promise<boolean> {
    const failed = await failuresAmong(page, 1, async ([key]) => {
      for (let listed: Uint8Array | null = key; listed !== null && isCurrent();) listed = await this.#release(listed, isCurrent)
    }, this.#shard, this.what)
    return failed === 0
  }

  /**
   * References and their rows go in one transaction, so each is lowered once: nobody else takes them away. Returns what is listed in its
   * place where there are more; null: it is done.
   */
  #release(listed: Uint8Array, isCurrent: () => boolean): Promise<Uint8Array | null> {
    const { conversation, kind, first, last } = releaseAt(listed)
    const keys = conversationKeys(conversation)
    const range = kind === 'picture' ? keys.pictureReferences(first, last + 1) : keys.references(first, last + 1)
    return holding(this.#shard, async (held) => {
      const { engine, ledger } = this.#shard
      const rows = await this.#shard.reading(engine.range({ ...range, limit: REFERENCES_AT_ONCE }))
      const references: HeldBlob[] = []
      for (const [, row] of rows) {
        const { user, blobs } = decodeReference(row)
        references.push(...await Promise.all(blobs.map((blob) => held.blob(user, blob))))
      }
      held.check()
      if (!isCurrent()) return null
      const { batch } = this.#shard.transaction
      for (const reference of references) ledger.unrefer(reference)
      for (const [key] of rows) batch.delete(key)
      batch.delete(listed)
      const end = rows.length === REFERENCES_AT_ONCE ? numberAt(rows.at(-1)?.[0] ?? new Uint8Array(0)) : last
      const rest = end < last ? releaseKey(conversation, kind, end + 1, last) : null
      if (rest !== null) batch.put(rest, LISTED)
      await this.#shard.committed()
      return rest
    })
  }

  /** What is listed is due, and what has failed comes again by itself. */
  waitMs(): Promise<number | null> {
    return Promise.resolve(null)
  }
}

/** What nobody names any more goes from the store: only what is on disk is listed, and it is listed until it is gone. */
class EraseWork implements ListWork {
  readonly what = 'erasing blobs'
  readonly #shard: Shard
  readonly #eraser: ObjectEraser

  constructor(shard: Shard, eraser: ObjectEraser) {
    this.#shard = shard
    this.#eraser = eraser
  }

  due(after: Uint8Array | null): KeyRange {
    return erasesUpTo(this.#shard.nowMs, after)
  }

  async carryOut(page: readonly Entry[], isCurrent: () => boolean): Promise<boolean> {
    let failure: Error | null = null
    let erased = 0
    const erase = async (key: Uint8Array): Promise<void> => {
      const { kind, name } = eraseAt(key)
      try {
        await (kind === 'object' ? this.#eraser.erase(name) : this.#eraser.eraseStaged(name))
      } catch (error) {
        failure = asError(error)
        return
      }
      erased++
      if (!isCurrent()) return
      this.#shard.transaction.batch.delete(key)
      this.#shard.schedule()
    }
    for (let at = 0; at < page.length && isCurrent(); at += ERASES_AT_ONCE) {
      await Promise.all(page.slice(at, at + ERASES_AT_ONCE).map(([key]) => erase(key)))
      // The store is away: it is not asked for all the others.
      if (failure !== null && erased === 0) throw failure as Error
    }
    if (failure !== null) this.#shard.environment.log.warn({ err: failure }, 'some of what nobody names can\'t be erased yet')
    return failure === null
  }

  waitMs(): Promise<number | null> {
    return untilFirst(this.#shard, erases(), (key) => eraseAt(key).timeMs)
  }
}

/** How long until the first row of a list by time is due; null: there is none. */
async function untilFirst(shard: Shard, range: KeyRange, timeAt: (key: Uint8Array) => number): Promise<number | null> {
  const first = (await shard.reading(shard.engine.range({ ...range, limit: 1 })))[0]
  if (first === undefined) return null
  return Math.min(shard.environment.limits.blobLookMs, Math.max(LOOK_MIN_MS, timeAt(first[0]) - shard.nowMs))
}

/** Rows whose task failed for what is damaged: it must not hold up the others. Rejects with what concerns all of them. */
async function failuresAmong(
  page: readonly Entry[], atOnce: number, task: (entry: Entry) => Promise<void>, shard: Shard, what: string,
): Promise<number> {
  let failed = 0
  const attempt = async (entry: Entry): Promise<void> => {
    try {
      await task(entry)
    } catch (error) {
      if (!isInternal(error) && !isDamage(error)) throw error
      shard.environment.log.error({ err: error }, `a row can't be read: ${what}`)
      failed++
    }
  }
  for (let at = 0; at < page.length; at += atOnce) await Promise.all(page.slice(at, at + atOnce).map(attempt))
  return failed
}
