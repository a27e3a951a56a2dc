/**
 * What stands in the journal alone: entries whose devices were all there when they were committed (journal-row.ts). Nearly all of them are
 * acknowledged within a moment, and then nothing has to be written for them again, nor trimmed. A run that is not, after `journalMs` to
 * twice that and with the next commit that writes what can wait, gets the row of its own that it would have had at first. A row of the journal goes with the last of its runs, in the
 * transaction that writes the cursors of those who have them.
 *
 * After a crash everything that the journal holds is given rows of its own, before any user is read from the store.
 */
import { journalKey } from '../../storage/shard-keys.js'
import type { EntryRun, JournaledCommit } from './entry-run.js'
import type { ShardEnvironment } from './environment.js'
import type { LateWrites } from './late-writes.js'
import type { UserState } from './user-state.js'
import type { Transaction } from './transaction.js'

/** What the journal asks of its shard. */
export interface JournalHost {
  readonly environment: Pick<ShardEnvironment, 'scheduler' | 'limits'>
  /** The transaction that fills at present. */
  readonly transaction: { readonly late: LateWrites }
  /** Asks for a commit before long that writes what can wait… */
  scheduleLazily(): void
  /** …and at once. */
  scheduleLate(): void
}

/** Bytes of the journal that one commit gives rows of their own, and one run more: nobody is to wait for a large one. */
const WRITE_BYTES = 128 << 10

export class Journal {
  readonly #host: JournalHost
  /** Rows that are there, in the order of their commits. */
  #commits: JournaledCommit[] = []
  /** Users of whom something stood there alone when it was looked last. */
  readonly #users = new Set<UserState>()
  /** What was committed up to here is given rows of its own. */
  #due = 0
  #dueNext = 0
  /** More of it is due than was to be written by one commit. */
  #hasMore = false
  #isTimerSet = false
  #isClosed = false

  constructor(host: JournalHost) {
    this.#host = host
  }

  /** Nothing in memory counts any more. */
  close(): void {
    this.#isClosed = true
  }

  /** Whether anything stands in it. */
  get isEmpty(): boolean {
    return this.#commits.length === 0
  }

  /** All of it is given rows of its own with the next commits that write what can wait. */
  writeOut(): void {
    this.#due = this.#dueNext = Infinity
    this.#host.transaction.late.hasJournal ||= this.#commits.length > 0
  }

  /** A cursor of the user has moved: what all devices have is let go. */
  acknowledged(user: UserState): void {
    const { journaled } = user
    if (journaled === null || journaled.length === 0) return
    const to = user.doneTo
    let count = 0
    for (const run of journaled) {
      if (run.last > to) break
      if (run.journaled !== null) run.journaled.left--
      user.droppedTo = run.last
      count++
    }
    // Mostly all of them, which makes no array of what goes.
    if (count === journaled.length) journaled.length = 0
    else if (count > 0) journaled.splice(0, count)
  }

  /** The user is no more. */
  forget(user: UserState): void {
    for (const run of user.journaled ?? []) if (run.journaled !== null) run.journaled.left--
    user.journaled = null
    this.#users.delete(user)
  }

  /** Into a transaction that writes the cursors too. */
  seal(transaction: Transaction): void {
    this.#hasMore = false
    const bytesMax = transaction.batch.bytes + WRITE_BYTES
    for (const user of this.#users) {
      for (const run of user.journaled ?? []) this.#write(transaction, user, run, bytesMax)
      if (user.journaled?.length !== 0) continue
      user.journaled = null
      this.#users.delete(user)
    }
    this.#commits = this.#commits.filter(({ number, left }) => {
      if (left === 0) transaction.batch.delete(journalKey(number))
      return left > 0
    })
  }

  /** The transaction is on disk. */
  finish({ number, journal, entries, written }: Transaction): void {
    // Oldest first, as they stand there.
    for (const { user, run } of written) if (user.journaled?.[0] === run) user.journaled.shift()
    if (journal !== null) {
      const commit = { number, left: journal.runs }
      this.#commits.push(commit)
      for (const { user, run } of entries) if (run.journalRun >= 0) this.#keep(user, run, commit)
    }
    if (this.#commits.length === 0) return
    this.#host.transaction.late.hasJournal = true
    if (this.#hasMore) this.#host.scheduleLate()
    this.#setTimer()
  }

  /** Gives it a row of its own, if that is due. */
  #write(transaction: Transaction, user: UserState, run: EntryRun, bytesMax: number): void {
    const { journaled } = run
    if (journaled === null || journaled.number > this.#due) return
    if (transaction.batch.bytes >= bytesMax) {
      this.#hasMore = true
      return
    }
    journaled.left--
    run.journaled = null
    transaction.keep(user)
    transaction.written.push({ user, run })
    // Behind the trim of its queue nobody would ever come by again.
    if (user.exists && run.last > user.trimmedTo) transaction.putRun(user, run)
  }

  #keep(user: UserState, run: EntryRun, commit: JournaledCommit): void {
    run.journaled = commit
    if (user.journaled === null) {
      user.journaled = [run]
      this.#users.add(user)
    } else user.journaled.push(run)
  }

  #setTimer(): void {
    if (this.#isTimerSet) return
    this.#isTimerSet = true
    const { scheduler, limits } = this.#host.environment
    scheduler.after(limits.journalMs, () => {
      this.#isTimerSet = false
      const last = this.#commits.at(-1)
      if (this.#isClosed || last === undefined) return
      this.#due = Math.max(this.#due, this.#dueNext)
      this.#dueNext = Math.max(this.#dueNext, last.number)
      this.#host.transaction.late.hasJournal = true
      this.#host.scheduleLazily()
      this.#setTimer()
    })
  }
}
