/**
 * A shard: the single-threaded owner of users and conversations. Commands change the state in memory and the open transaction at
 * once; the transaction is committed as a whole, and only then anybody is told. While one commit is under way the next one fills.
 * A failed commit throws away everything in memory, ends the sessions and goes on from what the disk says.
 *
 *     command ─▶ [gate: load what it needs] ─▶ state + transaction ─▶ commit (fsync) ─▶ acks, entries
 */
import { asError } from '../../protocol/as-error.js'
import type { InviteState } from '../accounts/invite-state.js'
import type { ArrivalHost } from '../channels/arrivals.js'
import type { Channels } from '../channels/channels.js'
import type { Engine } from '../../storage/engine.js'
import { ExpirySweep } from '../expiry/sweep.js'
import { isExpired } from '../../protocol/expiry.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { type Carried, carriedBy, isStillTrue } from '../holdings/carried.js'
import { BlobLedger, type BlobList } from '../holdings/ledger.js'
import type { BlobStates } from '../holdings/states.js'
import { BlobSweeps } from '../holdings/sweeps.js'
import { isGoneFrom } from '../operations/erasures.js'
import { RouterError } from '../router/router.js'
import { Indexer } from '../search/indexer.js'
import { type CommitHost, CommitLoop, unavailable } from './commit-loop.js'
import { sealConversation } from './conversation.js'
import { isDamage } from './entry-reader.js'
import type { ShardEnvironment } from './environment.js'
import type { FeedHost } from './feed.js'
import { GateCommand, type GateTask, type LoneTask } from './gate.js'
import type { Hold } from './holds.js'
import { recoverJournal } from './journal-recovery.js'
import { Life, type LifeHost } from './life.js'
import { Messages } from './messages.js'
import { Operations } from './operations.js'
import { removeTrimmed, sealTrim } from './queue-trims.js'
import { Receipts } from './receipts.js'
import type { Residents } from './residents.js'
import { Retention } from './retention.js'
import { sealLate } from './seal-late.js'
import { Sessions } from './sessions.js'
import type { ConversationState } from './conversation-state.js'
import type { Resident } from './resident.js'
import type { UserState } from './user-state.js'
import type { Answer, Route, Transaction } from './transaction.js'

const LIST_PAGE = 1000
/** How often to look whether fewer wait at the gates: they are let go without a word where their sessions have ended. */
const GATES_LOOK_MS = 1

export class Shard implements FeedHost, LifeHost, CommitHost, ArrivalHost {
  readonly engine: Engine
  readonly environment: ShardEnvironment
  readonly sessions: Sessions
  // The commands.
  readonly messages: Messages
  readonly receipts: Receipts
  readonly operations: Operations
  /** Who holds which blob; changed by it alone. */
  readonly ledger: BlobLedger
  /** All that is in memory: the present one. */
  life: Life
  /** Of what the process before has left; null: it is over. */
  recovery: Promise<void> | null = null
  readonly #loop: CommitLoop
  onAdmitted: (user: string) => void = () => {}
  /** null: search is off. */
  readonly indexer: Indexer | null

  readonly #expiry: ExpirySweep
  /** null: no blobs are kept. */
  readonly #blobSweeps: BlobSweeps | null

  constructor(engine: Engine, environment: ShardEnvironment) {
    this.engine = engine
    this.environment = environment
    this.sessions = new Sessions(this)
    this.messages = new Messages(this)
    this.receipts = new Receipts(this)
    this.operations = new Operations(this)
    this.#loop = new CommitLoop(engine, environment, this)
    this.life = new Life(this)
    this.recovery = this.recover()
    this.recovery.then(
      () => { this.recovery = null },
      (error: unknown) => {
        this.recovery = null
        this.#loop.fail(error)
      },
    )
    this.indexer = environment.limits.searchEnabled ? new Indexer(this) : null
    this.ledger = new BlobLedger(this)
    this.#expiry = new ExpirySweep(this)
    this.#expiry.start()
    this.#blobSweeps = environment.blobs === undefined ? null : new BlobSweeps(this, environment.blobs.eraser)
    this.#blobSweeps?.start()
    if (environment.limits.retentionMs > 0) new Retention(this).start()
  }

  /** Unix time: what has expired by now is not handed out. */
  get nowMs(): number {
    return this.environment.clock.nowMs()
  }

  get windowBytesMax(): number {
    return this.environment.limits.windowBytesMax
  }

  /** For the operator: why it is not available; '': it is. */
  get trouble(): string {
    return this.#loop.trouble
  }

  /** false while commits fail: sessions can't be opened. */
  get isAvailable(): boolean {
    return this.#loop.isAvailable
  }

  get isClosed(): boolean {
    return this.#loop.isClosed
  }

  /** Whether who can wait should: for the next transaction, or until those at the gates, who will all be in one, are fewer. */
  get isCrowded(): boolean {
    return this.#loop.isCrowded || this.life.gates.waiting >= this.environment.limits.crowdedOperations
  }

  /** Has `task` called once, in a later turn, when that may be over. */
  whenRoom(task: () => void): void {
    if (this.#loop.isCrowded) this.#loop.whenRoom(task)
    else this.environment.scheduler.after(GATES_LOOK_MS, task)
  }

  /** Commands that wait for the store, for metrics and back-pressure. */
  get waiting(): number {
    return this.life.gates.waiting
  }

  /** Operations of the last commit, for metrics. */
  get lastCommitOperations(): number {
    return this.#loop.lastSize
  }

  // ——— In memory ———

  get users(): Residents<UserState> {
    return this.life.users
  }

  get conversations(): Residents<ConversationState> {
    return this.life.conversations
  }

  get blobStates(): BlobStates {
    return this.life.blobStates
  }

  /** To other shards; null: this one is home to all. */
  get channels(): Channels | null {
    return this.life.channels
  }

  /** A user in memory. */
  readonly lookup = (name: string): UserState | undefined => this.users.get(name)

  /** A user's state that is still the one in memory when the promise resolves; of who is at home elsewhere what is known here. */
  async user(name: string): Promise<UserState> {
    for (;;) {
      if (!this.isAvailable) throw unavailable()
      const user = this.users.get(name) ?? await this.reading(this.users.load(name))
      if (!user.alive) continue
      if (this.channels !== null) this.life.forgetUnknown([name])
      return user
    }
  }

  /** An invite's state that is still the one in memory when the promise resolves; without a row where there is none. */
  async invite(id: string): Promise<InviteState> {
    for (;;) {
      if (!this.isAvailable) throw unavailable()
      const invite = this.life.invites.get(id) ?? await this.reading(this.life.invites.load(id))
      if (invite.alive) return invite
    }
  }

  /** A conversation's state for reading. */
  async conversation(name: string): Promise<ConversationState> {
    if (!this.isAvailable) throw unavailable()
    return this.conversations.get(name) ?? await this.reading(this.conversations.load(name))
  }

  /** Names of the user's conversations in the store. */
  async conversationNames(user: UserState): Promise<string[]> {
    const names: string[] = []
    for (;;) {
      const page = await this.reading(this.engine.range({ ...user.keys.conversations(names.at(-1) ?? ''), limit: LIST_PAGE }))
      for (const [key] of page) names.push(user.keys.nameAt(key))
      if (page.length < LIST_PAGE) return names
    }
  }

  /** Whether nothing is left of what a message said, by the name of its conversation, wherever that is at home. */
  isGone(conversation: string, seq: number): Promise<boolean> {
    const away = this.channels?.to(conversation) ?? null
    return away === null || this.channels === null ? isGoneFrom(this.engine, conversation, seq) : this.channels.isGone(away, conversation, seq)
  }

  /**
   * Awaits a read of the store, whose failure is the shard's, but for a damaged row: that is the failure of what asked for it alone.
   * Rejects with RouterError storage-unavailable or internal-error.
   */
  async reading<T>(read: Promise<T>): Promise<T> {
    const { life } = this
    try {
      return await read
    } catch (error) {
      // Another shard, which had to be asked, can't be.
      if (error instanceof RouterError) throw error
      if (isDamage(error)) {
        this.environment.log.error({ err: error }, 'a row of the store can\'t be read')
        throw new RouterError(ERROR.internalError, 'a row of the store can\'t be read', { cause: error })
      }
      if (life === this.life) this.#loop.fail(error)
      throw unavailable()
    }
  }

  /** Called by the gates. */
  carriedBy(hold: Hold, user: UserState, extensions: Uint8Array): Promise<Carried> {
    return carriedBy(this, hold, user, extensions)
  }

  isStillTrue(carried: Carried): boolean {
    return isStillTrue(this, carried)
  }

  // ——— In a conversation's turn ———

  /** For a channel: the effect of one of its entries. */
  inTurnAlone(name: string, task: LoneTask, applied: () => void): void {
    this.life.gates.wait(name, GateCommand.alone(task, applied))
  }

  inTurnWithAll(name: string, task: GateTask, applied: () => void): void {
    this.life.gates.wait(name, GateCommand.withAll(task, applied))
  }

  /** Does something to a conversation in its turn that concerns nobody else. Resolves when it is on disk, or when it can't be read. */
  async alone(name: string, task: LoneTask): Promise<void> {
    if (!this.isAvailable) throw unavailable()
    await new Promise<void>((resolve) => {
      this.life.gates.wait(name, GateCommand.alone(task, resolve))
    })
    await this.committed()
  }

  /**
   * Does something to a conversation in its turn, with its members and `users` in memory: `work` runs at once and may throw what the
   * promise is rejected with. `users` may be a function: it says who they are, or throws, when the conversation alone is in memory.
   * Resolves when it is on disk. Rejects with RouterError storage-unavailable when it can't be.
   */
  async inTurn<T>(
    name: string, users: readonly string[] | ((conversation: ConversationState) => readonly string[]), work: (route: Route) => T,
  ): Promise<T> {
    if (!this.isAvailable) throw unavailable()
    const result = await new Promise<T>((resolve, reject) => {
      const attempt = <R>(step: () => R): R | null => {
        try {
          return step()
        } catch (error) {
          reject(asError(error))
          return null
        }
      }
      const task = {
        prepare: (conversation: ConversationState) => attempt(() => typeof users === 'function' ? users(conversation) : users),
        run: (route: Route) => { attempt(() => { resolve(work(route)) }) },
      }
      // Where it did not run, since the store has failed, or the conversation can't be read.
      this.inTurnWithAll(name, task, () => { reject(unavailable()) })
    })
    await this.committed()
    return result
  }

  // ——— To be committed ———

  /** The transaction that fills at present; whoever writes to it calls `schedule`. */
  get transaction(): Transaction {
    return this.#loop.open
  }

  /** Told to its session when everything before it is on disk; a refusal leaves nothing else. [MSG-11] */
  answer(answer: Answer): void {
    this.transaction.answers.push(answer)
    this.schedule()
  }

  /** Asks for a commit of the open transaction. */
  schedule(): void {
    this.#loop.schedule()
  }

  /** The same for watermarks that have to be told, which nobody hurries for. */
  scheduleWatermarks(): void {
    this.#loop.scheduleWatermarks()
  }

  /** Asks for one before long that writes what can wait… */
  scheduleLazily(): void {
    this.#loop.scheduleLazily()
  }

  /** …and at once. */
  scheduleLate(): void {
    this.#loop.scheduleLate()
  }

  /** Resolves when everything written so far is on disk; rejects with RouterError storage-unavailable when it can't be. */
  committed(): Promise<void> {
    return this.#loop.whenCommitted()
  }

  /** Whether everything that happened to it is on disk. */
  isSettled(state: Resident): boolean {
    return state.lateWrites === 0 && state.lastTransaction <= this.#loop.committed
  }

  /** The same but for what can wait, as cursors do. */
  isSettledButForLate(state: Resident): boolean {
    return state.lastChange <= this.#loop.committed
  }

  /** Something is listed in the open transaction that has to be done at that time (Unix time, ms); 0: at once. */
  wakeBlobs(list: BlobList, dueMs: number): void {
    this.#blobSweeps?.wake(list, dueMs)
  }

  /** Something is accepted that will expire. */
  wakeExpiry(): void {
    this.#expiry.wake()
  }

  /** Called by feeds. */
  readFailed(error: unknown): void {
    this.#loop.fail(error)
  }

  /**
   * Commits what is open and takes nothing more. Sessions of its users are the caller's to end before; those of users at home elsewhere are told, for they
   * go on where the shard is next, and may be in this very process.
   */
  async close(): Promise<void> {
    this.sessions.expelVisitors()
    // Some at a time, and what was under way.
    do {
      this.life.journal.writeOut()
      if (this.isAvailable) await this.committed().catch(() => undefined)
    } while (this.isAvailable && !this.life.journal.isEmpty)
    await this.#loop.close()
    this.life.journal.close()
  }

  // ——— Called by the commit loop ———

  seal(transaction: Transaction, withLate: boolean): void {
    const { checkpointEvery } = this.environment.limits
    for (const route of transaction.dirtyRoutes) sealConversation(transaction, route, this.lookup, checkpointEvery)
    if (withLate) {
      // First: it may end sessions, whose cursors are late too.
      for (const user of transaction.late.trims) sealTrim(this, transaction, user)
      sealLate(transaction)
      this.life.journal.seal(transaction)
    }
    if (transaction.channelWork !== null) this.channels?.seal(transaction)
    transaction.closeRuns()
  }

  finish(transaction: Transaction): void {
    const { queueEntriesMax, trimEvery } = this.environment.limits
    // First: what is offered may be read back at once.
    this.life.journal.finish(transaction)
    for (const { conversation, last } of transaction.messages) {
      this.indexer?.appended(conversation, last)
      conversation.committedTail = last
    }
    for (const answer of transaction.answers) tell(answer)
    // A commit may have taken longer than a short timer: what has expired meanwhile is left out as it is read. [DIS-3]
    const isLate = isExpired(transaction.firstExpiryMs, this.nowMs)
    for (const { user, run } of transaction.entries) {
      user.committedTail = run.last
      // From the end, since a feed that is offered too much may leave.
      for (let i = user.feeds.length - 1; i >= 0; i--) user.feeds[i]?.offer(run, isLate)
      if (run.last - user.trimmedTo > queueEntriesMax + trimEvery) this.transaction.late.trim(user)
    }
    for (const [user, to] of transaction.trimmed) removeTrimmed(this, user, to)
    if (transaction.channelWork !== null) this.channels?.finish(transaction)
  }

  /** When the store has failed, and when it is back. */
  discard(): void {
    const { life } = this
    this.life = new Life(this)
    life.end()
    this.sessions.expelAll()
    this.#expiry.start()
    this.#blobSweeps?.start()
  }

  /** Also at the very first. */
  recover(): Promise<void> {
    return recoverJournal(this.engine, this.environment.log, () => this.isClosed)
  }
}

function tell(answer: Answer): void {
  const { author } = answer
  if (author.hasEnded) return
  if (answer.error === 0) author.sink.acked(answer.clientId, answer.seq, answer.timeMs, answer.expiresMs)
  else author.sink.refused(answer.clientId, answer.error, answer.timeMs)
}
