/**
 * Group commit: one transaction fills while the one before it is written. And what happens when a commit fails: everything not on
 * disk is dropped, and the store is opened again, as often as it takes.
 */
import { asError } from '../../protocol/as-error.js'
import { type Engine, StorageError } from '../../storage/engine.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { RepeatedLines } from '../repeated-lines.js'
import { RouterError } from '../router/router.js'
import type { ShardEnvironment } from './environment.js'
import { LateWrites } from './late-writes.js'
import { Transaction } from './transaction.js'

/** Cursors may wait this long for their commit: losing one costs a redelivery that the device drops. */
const LATE_MS = 500
const REOPEN_FIRST_MS = 250
const REOPEN_MAX_MS = 10_000

/** What the shard does at the turning points of a transaction. */
export interface CommitHost {
  /** Adds what is written once for the whole transaction; with `withLate` also what can wait, and was handed on. */
  seal(transaction: Transaction, withLate: boolean): void
  /** It is on disk: now tell. */
  finish(transaction: Transaction): void
  /**
   * Nothing in memory counts any more, and every session has to go: called when the store has failed, and again when it has been
   * opened anew, since a commit that hung may have landed after something was read.
   */
  discard(): void
  /** The store has been opened anew: what the life before has left to be done before anything is read. Rejects where it can't be done. */
  recover(): Promise<void>
}

export class CommitLoop {
  readonly #engine: Engine
  readonly #environment: ShardEnvironment
  readonly #host: CommitHost
  readonly #lines: RepeatedLines
  #open: Transaction
  #committed = 0
  #lastSize = 0
  #isScheduled = false
  /** Scheduled, but not yet in a hurry. */
  #isGathering = false
  /** Counts what has asked for a commit, now or later… */
  #asked = 0
  /** …and what had when `#look` looked last. */
  #askedBefore = 0
  /** The transaction that has gathered for as long as it may. */
  #gathered = 0
  #isWatermarkTimerSet = false
  #isLateTimerSet = false
  /** The next commit writes cursors, too. */
  #isLateDue = false
  #isCommitting = false
  #isWatched = false
  #settled: Promise<void> = Promise.resolve()
  /** A large commit is under way, or was a moment ago. */
  #isResting = false
  /** Who waits for another transaction to be open. */
  #onRoom: (() => void)[] = []
  #hasFailed = false
  /** Why; what was said before counts until the store is back. */
  #failure = ''
  /** Until it is opened again; longer each time, until a commit succeeds. 0: at once. */
  #retryMs = 0
  #isClosed = false
  readonly #run = (): void => {
    this.#isScheduled = false
    this.#isGathering = false
    this.#commit()
  }
  readonly #runGathered = (): void => {
    // It may have become large meanwhile.
    if (this.#isGathering) this.#run()
  }
  /** Commits, unless the turn of the event loop that is over has brought more: then more may wait to be read. */
  readonly #look = (): void => {
    const isQuiet = this.#asked === this.#askedBefore
    this.#askedBefore = this.#asked
    if (isQuiet || this.#isFull) this.#run()
    else this.#environment.scheduler.defer(this.#look)
  }

  constructor(engine: Engine, environment: ShardEnvironment, host: CommitHost) {
    this.#engine = engine
    this.#environment = environment
    this.#host = host
    this.#lines = new RepeatedLines(environment.log, () => environment.clock.nowMs())
    this.#open = new Transaction(1, engine.batch())
  }

  /** The transaction that fills at present; whoever writes to it calls `schedule`. */
  get open(): Transaction {
    return this.#open
  }

  /** Number of the last transaction on disk. */
  get committed(): number {
    return this.#committed
  }

  /** Operations of the last commit. */
  get lastSize(): number {
    return this.#lastSize
  }

  /** false while commits fail, and after `close`. */
  get isAvailable(): boolean {
    return !this.#hasFailed && !this.#isClosed
  }

  /** For the operator: why it is not available; '': it is. */
  get trouble(): string {
    if (this.isAvailable) return ''
    return this.#hasFailed ? `the store takes nothing: ${this.#failure}` : 'the shard is closed'
  }

  /**
   * Whether those who can wait should: while the open transaction is large, or a large one is being committed, and for a while after
   * that, so that others find the disk idle now and then. Never while commits fail.
   */
  get isCrowded(): boolean {
    return !this.#hasFailed && (this.#isResting || this.#isLarge(this.#open))
  }

  #isLarge({ batch, appended, appendedBytes }: Transaction): boolean {
    const { crowdedOperations, crowdedBytes } = this.#environment.limits
    return batch.size + appended >= crowdedOperations || batch.bytes + appendedBytes >= crowdedBytes
  }

  /** Whether the open transaction has gathered enough. */
  get #isFull(): boolean {
    const { number, batch, appendedBytes } = this.#open
    return this.#hasFailed || number === this.#gathered || batch.bytes + appendedBytes >= this.#environment.limits.gatherBytesMax
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Has `task` called once, in a later turn, when another transaction is open. What is in one is committed, or dropped, before long. */
  whenRoom(task: () => void): void {
    this.#onRoom.push(task)
  }

  /** Asks for a commit: at once when idle, gathering a little when the last one was large. */
  schedule(): void {
    this.#asked++
    if ((this.#isScheduled && !this.#isGathering) || this.#isCommitting || this.#hasFailed) return
    const { scheduler, limits } = this.#environment
    if (this.#lastSize <= limits.gatherOperations) {
      this.#isScheduled = true
      this.#isGathering = false
      scheduler.defer(this.#run)
    } else if (this.#isLarge(this.#open)) {
      this.#gatherTurns()
    } else if (!this.#isGathering) {
      this.#isScheduled = true
      this.#isGathering = true
      scheduler.after(limits.gatherMs, this.#runGathered)
    }
  }

  /**
   * One large transaction behind another: the commit waits until a turn of the event loop brings nothing more, for gatherMsMax at most.
   * What has been read by then would else make a commit of its own, with a write to each socket and a row for each queue once more.
   */
  #gatherTurns(): void {
    const { scheduler, limits } = this.#environment
    this.#isScheduled = true
    this.#isGathering = false
    this.#askedBefore = this.#asked
    const { number } = this.#open
    scheduler.after(limits.gatherMsMax, () => { this.#gathered = Math.max(this.#gathered, number) })
    scheduler.defer(this.#look)
  }

  /**
   * Asks for a commit within watermarkDelayMs: nobody waits for a tick as for an ack, and most find the commit of the next message on
   * their way. It halves the commits of a server that is neither idle nor busy.
   */
  scheduleWatermarks(): void {
    this.#asked++
    if (this.#isWatermarkTimerSet || this.#isScheduled || this.#hasFailed) return
    const { watermarkDelayMs } = this.#environment.limits
    if (watermarkDelayMs === 0) {
      this.schedule()
      return
    }
    this.#isWatermarkTimerSet = true
    this.#environment.scheduler.after(watermarkDelayMs, () => {
      this.#isWatermarkTimerSet = false
      this.schedule()
    })
  }

  /** Has the first commit after LATE_MS write what can wait; it makes one if there is none. */
  scheduleLazily(): void {
    this.#asked++
    if (this.#isLateTimerSet || this.#hasFailed) return
    this.#isLateTimerSet = true
    this.#environment.scheduler.after(LATE_MS, () => {
      this.#isLateTimerSet = false
      this.#isLateDue = true
      this.schedule()
    })
  }

  /** Has the next commit write what can wait, and asks for it. */
  scheduleLate(): void {
    this.#isLateDue = true
    this.schedule()
  }

  /** Resolves when everything written so far is on disk; rejects with RouterError storage-unavailable when it can't be. */
  whenCommitted(): Promise<void> {
    if (!this.isAvailable) return Promise.reject(unavailable())
    this.#isLateDue = true
    const promise = new Promise<void>((resolve, reject) => this.#open.waiters.push({ resolve, reject }))
    this.schedule()
    return promise
  }

  /** Commits what is open and takes nothing more. */
  async close(): Promise<void> {
    if (!this.#hasFailed) await this.whenCommitted().catch(() => undefined)
    this.#isClosed = true
    await this.#settled
  }

  /** The store can't be trusted any more, because a commit or a read failed; or it is another's, and whoever knows whose ends the shard. */
  fail(error: unknown): void {
    if (this.#hasFailed || this.#isClosed) return
    this.#hasFailed = true
    this.#failure = messageOf(error)
    const isLost = isLoss(error)
    if (isLost) this.#environment.log.info({ reason: this.#failure }, 'storage-lost')
    else this.#environment.log.error({ error: asError(error) }, 'storage-failed')
    const dropped = this.#open
    this.#openNext()
    this.#isResting = false
    this.#host.discard()
    rejectWaiters(dropped)
    this.#environment.scheduler.defer(() => { this.#tellRoom() })
    // An open commit may still reach the disk; only when it has settled does the disk say what is true.
    if (!isLost) void this.#settled.then(() => { this.#openAgain() })
  }

  #openNext(late = new LateWrites()): void {
    this.#open = new Transaction(this.#open.number + 1, this.#engine.batch(), late)
  }

  /** After a large commit those who waited are let in once the others had some time of their own. */
  #rest(): void {
    this.#environment.scheduler.after(this.#environment.limits.gatherMs, () => {
      this.#isResting = false
      this.#tellRoom()
    })
  }

  #tellRoom(): void {
    const tasks = this.#onRoom
    this.#onRoom = []
    for (const task of tasks) task()
  }

  #commit(): void {
    if (this.#hasFailed || this.#isCommitting) return
    const transaction = this.#open
    const withLate = this.#isLateDue
    if (transaction.isEmpty && !(withLate && !transaction.late.isEmpty)) return
    this.#isLateDue = false
    this.#host.seal(transaction, withLate)
    if (this.#isLarge(transaction)) this.#isResting = true
    this.#openNext(withLate ? new LateWrites() : transaction.late)
    this.#lastSize = transaction.size
    if (transaction.batch.size === 0) {
      this.#finish(transaction)
      return
    }
    this.#isCommitting = true
    this.#watch()
    this.#settled = this.#engine.commit(transaction.batch).then(
      () => {
        this.#isCommitting = false
        if (this.#hasFailed) {
          rejectWaiters(transaction)
          return
        }
        this.#retryMs = 0
        this.#finish(transaction)
      },
      (error: unknown) => {
        this.#isCommitting = false
        this.fail(error)
        rejectWaiters(transaction)
      },
    )
  }

  /** A commit that does not come back is a failed one. One timer for all: it looks whether the same commit is still under way. */
  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const { scheduler, limits } = this.#environment
    const watched = this.#open.number
    scheduler.after(limits.commitTimeoutMs, () => {
      this.#isWatched = false
      if (!this.#isCommitting) return
      if (this.#open.number === watched) this.fail(new Error(`a commit took longer than ${String(limits.commitTimeoutMs)} ms`))
      else this.#watch()
    })
  }

  #finish(transaction: Transaction): void {
    this.#committed = transaction.number
    this.#host.finish(transaction)
    if (this.#isLarge(transaction)) this.#rest()
    for (const waiter of transaction.waiters) waiter.resolve()
    if (this.#open.isUrgent) this.schedule()
    else if (this.#open.hasWatermarks) this.scheduleWatermarks()
    else if (this.#isLateDue && !this.#open.late.isEmpty) this.schedule()
    else if (!this.#open.late.isEmpty) this.scheduleLazily()
  }

  /** At once at first. A store that opens and takes no commit is as broken as one that does not open. */
  #openAgain(): void {
    const delayMs = this.#retryMs
    this.#retryMs = Math.min(Math.max(REOPEN_FIRST_MS, 2 * delayMs), REOPEN_MAX_MS)
    if (delayMs === 0) this.#reopen()
    else this.#environment.scheduler.after(delayMs, () => { this.#reopen() })
  }

  #reopen(): void {
    if (this.#isClosed) return
    this.#engine.reopen().then(() => this.#host.recover()).then(
      () => {
        if (this.#isClosed) return
        // Batches belong to the engine as it was opened.
        this.#openNext()
        this.#host.discard()
        this.#hasFailed = false
        this.#environment.log.info({}, 'storage-back')
      },
      (error: unknown) => {
        this.#failure = messageOf(error)
        if (isLoss(error) || this.#isClosed) return
        this.#lines.warn({ error: asError(error) }, 'storage-not-open', { retryMs: this.#retryMs })
        this.#openAgain()
      },
    )
  }
}

/** What everybody is told while the store can't be written. */
export function unavailable(): RouterError {
  return new RouterError(ERROR.storageUnavailable, 'the shard can\'t commit at present', { retryAfterMs: REOPEN_FIRST_MS })
}

/** A shard that has gone to another owner has nothing to mend here. */
function isLoss(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'lost'
}

function messageOf(error: unknown): string {
  return asError(error).message
}

function rejectWaiters(transaction: Transaction): void {
  for (const waiter of transaction.waiters) waiter.reject(unavailable())
}
