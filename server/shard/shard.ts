/**
 * A shard: the single-threaded owner of users and conversations. Commands change the state in memory and the open transaction at
 * once; the transaction is committed as a whole, and only then anybody is told. While one commit is under way the next one fills.
 * A failed commit throws away everything in memory, ends the sessions and goes on from what the disk says.
 *
 *     command ─▶ [gate: load what it needs] ─▶ state + transaction ─▶ commit (fsync) ─▶ acks, entries
 */
import { type InviteState, loadInvite } from '../accounts/invite-state.js'
import { hasAttachments } from '../../protocol/attachments.js'
import type { Engine } from '../../storage/engine.js'
import { isExpired } from '../../protocol/expiry.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { ACQUAINTANCES } from '../profiles/pair.js'
import type { CommitHost } from './commit-loop.js'
import { CommitLoop, unavailable } from './commit-loop.js'
import { strangerWaitMs } from '../profiles/stranger-allowance.js'
import { acceptMessage, openConversation, raiseDelivered, raiseRead, sealConversation } from './conversation.js'
import { isDamage } from './entry-reader.js'
import type { ShardEnvironment } from './environment.js'
import type { Author } from './author.js'
import { Channels } from '../channels/channels.js'
import type { ArrivalHost } from '../channels/arrivals.js'
import { homeOf } from '../channels/federation.js'
import type { VisitingSession } from '../channels/visiting-session.js'
import type { Feed, FeedHost } from './feed.js'
import { DELIVERED, GateCommand, LONE, MARK_READ, MESSAGE, OPERATE, TASK } from './gate.js'
import type { GateTask, LoneTask } from './gate.js'
import type { GateHost } from './gates.js'
import { Gates } from './gates.js'
import { answerOperation, BUSY_RETRY_MS, operateNow } from './operate.js'
import { Journal, type JournalHost } from './journal.js'
import { recoverJournal } from './journal-recovery.js'
import type { LogRecord } from './log-run.js'
import { type Carried, carriedBy, isStillTrue, refusalOfCarried } from '../holdings/carried.js'
import { BlobLedger, type BlobList } from '../holdings/ledger.js'
import { BlobStates } from '../holdings/states.js'
import { BlobSweeps } from '../holdings/sweeps.js'
import type { Hold } from './holds.js'
import { loadConversation, loadUser } from './loader.js'
import { removeTrimmed, sealTrim } from './queue-trims.js'
import { refusalFor, refusalOfExtensions } from './refusals.js'
import { Residents } from './residents.js'
import { Retention } from './retention.js'
import { sealLate } from './seal-late.js'
import { StaleRoutes } from './stale-routes.js'
import { RouterError } from '../router/router.js'
import { conversationName, memberNames, Writer } from './state.js'
import { Indexer } from '../search/indexer.js'
import type { ConversationState, DeviceState, Resident, UserState } from './state.js'
import { raiseDeliveredAt, restoreUnsettled } from '../groups/watermarks.js'
import { ExpirySweep } from '../expiry/sweep.js'
import type { TargetRow } from '../operations/accept.js'
import { isGoneFrom } from '../operations/erasures.js'
import type { OperationKind } from '../operations/decide.js'
import { Answer, Route } from './transaction.js'
import type { Transaction } from './transaction.js'

const LIST_PAGE = 1000
/** Invites kept in memory beside those that a transaction holds: they are used once, if at all. */
const INVITES_RESIDENT_MAX = 1000
/** How often to look whether fewer wait at the gates: they are let go without a word where their sessions have ended. */
const GATES_LOOK_MS = 1
/** Sessions that may begin in a millisecond, on average over a shard's life, before its stamps are ahead of the clock. */
const STAMPS_BY_MS = 1024

const EMPTY = new Uint8Array(0)

export class Shard implements FeedHost, GateHost, CommitHost, ArrivalHost, JournalHost {
  readonly engine: Engine
  readonly environment: ShardEnvironment
  users!: Residents<UserState>
  conversations!: Residents<ConversationState>
  invites!: Residents<InviteState>
  blobStates!: BlobStates
  journal!: Journal
  /** Who holds which blob; changed by it alone. */
  readonly ledger: BlobLedger
  readonly #loop: CommitLoop
  #gates!: Gates
  /** Of what the process before has left; null: it is over. */
  #recovery: Promise<void> | null = null
  /** Counts failures: what began in an earlier life has no say in this one. */
  #life = 0
  readonly #attached = new Set<Feed>()
  /** Sessions at home elsewhere that have sent commands here. */
  readonly visiting = new Set<VisitingSession>()
  /** To other shards; null: this one is home to all. */
  channels: Channels | null = null
  #lastStamp: number
  /** Users with a session or more. */
  #online = 0
  /** Told of every session that is over, by whoever ended it. */
  onFeedRemoved: (feed: Feed) => void = () => {}
  onAdmitted: (user: string) => void = () => {}
  /** null: search is off. */
  readonly indexer: Indexer | null

  readonly #expiry: ExpirySweep
  /** null: no blobs are kept. */
  readonly #blobSweeps: BlobSweeps | null

  constructor(engine: Engine, environment: ShardEnvironment) {
    this.engine = engine
    this.environment = environment
    this.#lastStamp = environment.firstStamp ?? environment.clock.nowMs() * STAMPS_BY_MS
    this.#loop = new CommitLoop(engine, environment, this)
    this.#beginLife()
    this.#recovery = this.recover()
    this.#recovery.then(
      () => { this.#recovery = null },
      (error: unknown) => {
        this.#recovery = null
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

  /** Whether nothing is left of what a message said, by the name of its conversation, wherever that is at home. */
  isGone(conversation: string, seq: number): Promise<boolean> {
    const away = this.channels?.to(conversation) ?? null
    return away === null || this.channels === null ? isGoneFrom(this.engine, conversation, seq) : this.channels.isGone(away, conversation, seq)
  }

  /** Unix time: what has expired by now is not handed out. */
  get nowMs(): number {
    return this.environment.clock.nowMs()
  }

  get windowBytesMax(): number {
    return this.environment.limits.windowBytesMax
  }

  /** false while commits fail: sessions can't be opened. */
  /** For the operator: why it is not available; '': it is. */
  get trouble(): string {
    return this.#loop.trouble
  }

  get isAvailable(): boolean {
    return this.#loop.isAvailable
  }

  get isClosed(): boolean {
    return this.#loop.isClosed
  }

  /** Whether who can wait should: for the next transaction, or until those at the gates, who will all be in one, are fewer. */
  get isCrowded(): boolean {
    return this.#loop.isCrowded || this.#gates.waiting >= this.environment.limits.crowdedOperations
  }

  /** Has `task` called once, in a later turn, when that may be over. */
  whenRoom(task: () => void): void {
    if (this.#loop.isCrowded) this.#loop.whenRoom(task)
    else this.environment.scheduler.after(GATES_LOOK_MS, task)
  }

  /** Of the next session; see Attached.stamp. */
  nextStamp(): number {
    return ++this.#lastStamp
  }

  get sessions(): number {
    return this.#attached.size
  }

  /** Commands that wait for the store, for metrics and back-pressure. */
  get waiting(): number {
    return this.#gates.waiting
  }

  /** Operations of the last commit, for metrics. */
  get lastCommitOperations(): number {
    return this.#loop.lastSize
  }

  /** The transaction that fills at present; whoever writes to it calls `schedule`. */
  get transaction(): Transaction {
    return this.#loop.open
  }

  /** Something is listed in the open transaction that has to be done at that time (Unix time, ms); 0: at once. */
  wakeBlobs(list: BlobList, dueMs: number): void {
    this.#blobSweeps?.wake(list, dueMs)
  }

  /** A message whose form has been checked; answered through the author's sink. `to` is a normalised user or group. */
  message(author: Author, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    // Whether its sender holds what it carries has to be looked up.
    const route = extensions.length > 0 && hasAttachments(extensions) ? null : this.#routeFor(author, to)
    if (route !== null && this.acceptNow(route, author, clientId, text, extensions)) return
    const command = new GateCommand(MESSAGE, author.user, author, clientId, 0, copyOf(text), copyOf(extensions))
    this.#gates.wait(conversationName(author.user.name, to), command)
  }

  /** false: it has to be looked up whether this client id is known, which takes the gate. `carried`: null where it carries no blobs. */
  acceptNow(route: Route, author: Author, clientId: number, text: Uint8Array, extensions: Uint8Array, carried: Carried | null = null): boolean {
    const { conversation } = route
    let { writer } = route
    if (writer === null || writer.isForgotten) {
      writer = conversation.writers.get(Writer.key(author.user.name, author.device.number, author.outboxEpoch)) ?? null
    }
    if (writer !== null && clientId <= writer.lastClientId) return false
    const nowMs = this.environment.clock.nowMs()
    const refusal = refusalFor(route, author.user) || (extensions.length === 0 ? 0 : refusalOfExtensions(conversation, author.user, extensions)) ||
      (carried === null ? 0 : refusalOfCarried(carried))
    if (refusal !== 0) {
      this.answer(new Answer(author, clientId, refusal, 0, 0))
      return true
    }
    if (conversation.pair !== null && this.#refusesPair(conversation, author, clientId, nowMs)) return true
    if (this.refusesBusy(route, author, clientId)) return true
    if (conversation.timerMs > 0) this.#expiry.wake()
    writer ??= conversation.writer(author.user.name, author.device.number, author.outboxEpoch)
    route.writer = writer
    if (!conversation.exists) openConversation(this.transaction, route, nowMs)
    acceptMessage(this.transaction, route, writer, author, clientId, text, extensions, nowMs, this.environment.limits.checkpointEvery)
    if (carried !== null) this.ledger.carry(conversation, conversation.tail, author.user.name, carried.parts)
    this.schedule()
    return true
  }

  /** Refuses what would add to a channel that holds too much already. */
  refusesBusy(route: Route, author: Author, clientId: number): boolean {
    if (route.channels.length === 0 || !route.isBusy) return false
    this.answer(new Answer(author, clientId, ERROR.unavailable, 0, BUSY_RETRY_MS))
    return true
  }

  /** Refuses a message between two users for how they stand to each other. [PRF-13] [PRF-18] */
  #refusesPair(conversation: ConversationState, author: Author, clientId: number, nowMs: number): boolean {
    if (conversation.pair === null || conversation.pair === ACQUAINTANCES) return false
    if (conversation.side(author.user.name)?.isBlocking === true) {
      this.answer(new Answer(author, clientId, ERROR.contactBlocked, 0, 0))
      return true
    }
    return this.refusesStranger(conversation, author, clientId, nowMs)
  }

  /** Refuses what reaches somebody who has not answered, where it is too much. [PRF-18] [PRF-21] */
  refusesStranger(conversation: ConversationState, author: Author, clientId: number, nowMs: number): boolean {
    const waitMs = strangerWaitMs(conversation, author.user.name, this.environment.limits, nowMs)
    if (waitMs > 0) this.answer(new Answer(author, clientId, ERROR.rateLimited, 0, waitMs))
    return waitMs > 0
  }

  /** Raises the user's read watermark; answered through the author's sink. `address` is a normalised user or group. */
  markRead(author: Author, clientId: number, address: string, seq: number): void {
    const route = this.#routeFor(author, address)
    if (route !== null && this.markNow(route, author, clientId, seq)) return
    this.#gates.wait(conversationName(author.user.name, address), new GateCommand(MARK_READ, author.user, author, clientId, seq, EMPTY, EMPTY))
  }

  /** false: what remains unread has to be counted in the log, which takes the gate. */
  markNow(route: Route, author: Author, clientId: number, seq: number): boolean {
    const { conversation } = route
    const member = conversation.member(author.user.name)
    const tail = conversation.visible(author.user.name, conversation.tail)
    if (member === undefined || seq > tail) {
      // [RCP-3]
      const error = member === undefined || conversation.isHiddenFrom(author.user.name) ? ERROR.noSuchConversation : ERROR.invalidWatermark
      this.answer(new Answer(author, clientId, error, 0, 0))
      return true
    }
    if (seq > member.read) {
      if (seq < tail && member.unread > 0) return false
      raiseRead(this.transaction, route, author.user, member, seq, 0)
    }
    // [RCP-10]
    this.answer(new Answer(author, clientId, 0, seq, this.environment.clock.nowMs()))
    return true
  }

  /** Changes a message for all members; answered through the author's sink. It always waits at the gate: its target has to be read. */
  operate(author: Author, clientId: number, address: string, target: number, kind: OperationKind, text: Uint8Array): void {
    const command = new GateCommand(OPERATE, author.user, author, clientId, target, copyOf(text), EMPTY, null, null, kind)
    this.#gates.wait(conversationName(author.user.name, address), command)
  }

  /** Called by the gates, in the conversation's turn. */
  operateNow(route: Route, author: Author, command: GateCommand, target: TargetRow | null): void {
    operateNow(this, route, author, command, target)
  }

  answerOperation(route: Route, kind: OperationKind | 0, answer: Answer): void {
    answerOperation(this, route, kind, answer)
  }

  /** Called by the gates. */
  carriedBy(hold: Hold, user: UserState, extensions: Uint8Array): Promise<Carried> {
    return carriedBy(this, hold, user, extensions)
  }

  isStillTrue(carried: Carried): boolean {
    return isStillTrue(this, carried)
  }

  /** The message is over, in the open transaction: what it carried is released. [BLB-13] */
  releaseCarried({ name }: ConversationState, { seq, extensions }: LogRecord): void {
    if (extensions.length > 0 && hasAttachments(extensions)) this.ledger.release(name, 'messages', seq, seq)
  }

  /** A device's cumulative acknowledgement; false: never sent, or backwards. */
  cursor(feed: Feed, index: number): boolean {
    return feed.hasEnded || feed.acknowledge(index)
  }

  /**
   * The user's devices have everything of others in this conversation up to `seq`. false: it has to wait for the conversation, and
   * `applied` is called in the turn in which it counts. [RCP-1]
   */
  delivered(user: UserState, conversation: string, seq: number, applied: () => void): boolean {
    const name = conversationName(user.name, conversation)
    const away = this.channels?.to(name) ?? null
    if (away === null || this.channels === null) return this.deliveredHere(user, name, seq, applied)
    if (!this.channels.delivered(away, user.name, name, seq, applied)) return false
    this.#loop.scheduleWatermarks()
    return true
  }

  /** The same for a conversation that is at home here, by its name in the store; the user may be at home elsewhere. */
  deliveredHere(user: { readonly name: string }, name: string, seq: number, applied: () => void): boolean {
    const route = this.#gates.has(name) ? null : this.#sharedRoute(name)
    if (route === null) {
      this.#gates.wait(name, new GateCommand(DELIVERED, user, null, 0, seq, EMPTY, EMPTY, applied))
      return false
    }
    this.deliverNow(route, user, seq)
    return true
  }

  /** Raises the watermark; it is told with its commit, which nobody hurries for. */
  deliverNow(route: Route, user: { readonly name: string }, seq: number): void {
    const member = route.conversation.member(user.name)
    if (member === undefined) this.#raised(false)
    else if (member.place >= 0) this.#raised(raiseDeliveredAt(this.transaction, route, member.place, seq))
    else this.#raised(raiseDelivered(this.transaction, route, member, seq))
  }

  /** The same in a group, where the user's place among the members is known from when the route was made; false: it is not known any more. */
  deliveredAt(route: Route, place: number, seq: number): boolean {
    if (!route.isAlive || this.#gates.has(route.conversation.name)) return false
    this.#raised(raiseDeliveredAt(this.transaction, route, place, seq))
    return true
  }

  #raised(hasToBeTold: boolean): void {
    if (hasToBeTold) this.#loop.scheduleWatermarks()
    else this.#loop.scheduleLazily()
  }

  /**
   * A device has acknowledged its queue up to here, and all that follows from it is in the open transaction or on disk: only then may
   * the cursor be, or a crash between the two would lose a watermark.
   */
  moveCursor(user: UserState, device: DeviceState, index: number): void {
    if (!user.alive || index <= device.cursor || !user.devices.includes(device)) return
    device.cursor = index
    device.lastActiveMs = this.environment.clock.nowMs()
    const { late } = this.transaction
    late.moveCursor(user, device)
    this.journal.acknowledged(user)
    const hasRows = user.lastRow >= Math.max(1, user.removedBelow)
    if (hasRows && index - user.rowsTrimmedTo >= this.environment.limits.trimEvery) late.trim(user)
    this.#loop.scheduleLazily()
  }

  /** The session's route to a conversation, if everything it needs is in memory and nothing waits before it. */
  #routeFor(author: Author, address: string): Route | null {
    const known = author.routes.get(address)
    if (known?.isAlive === true) return this.#gates.has(known.conversation.name) ? null : known
    const name = conversationName(author.user.name, address)
    const route = this.#gates.has(name) ? null : this.residentRoute(name)
    if (route === null) return null
    author.remember(address, route)
    return route
  }

  /** The route, if the conversation and all its members are in memory. */
  residentRoute(name: string): Route | null {
    const route = this.#sharedRoute(name)
    // Whoever writes by a route has it for itself.
    return route === null || route.conversation.route !== route ? route : new Route(route.conversation, route.users, route.channels)
  }

  /** The same, but a group's is the one for all its members. */
  #sharedRoute(name: string): Route | null {
    const conversation = this.conversations.get(name)
    if (conversation === undefined) return null
    if (conversation.route?.isAlive === true) return conversation.route
    const users: UserState[] = []
    for (const member of memberNames(conversation)) {
      const user = this.users.get(member)
      if (user === undefined) return null
      users.push(user)
    }
    restoreUnsettled(conversation, users)
    const route = new Route(conversation, users)
    if (conversation.group !== null) conversation.route = route
    return route
  }

  /** Told to its session when everything before it is on disk; a refusal leaves nothing else. [MSG-11] */
  answer(answer: Answer): void {
    this.transaction.answers.push(answer)
    this.schedule()
  }

  /** Called by feeds. */
  readFailed(error: unknown): void {
    this.#loop.fail(error)
  }

  addFeed(feed: Feed): void {
    this.#attached.add(feed)
    if (!feed.user.isOnline) this.#online++
    feed.user.addFeed(feed)
    feed.device.feed = feed
  }

  /** The session is over; its device's place in the queue stays. */
  removeFeed(feed: Feed): void {
    feed.end()
    if (!this.#attached.delete(feed)) return
    feed.user.removeFeed(feed)
    if (!feed.user.isOnline) this.#online--
    if (feed.device.feed === feed) feed.device.feed = null
    feed.device.lastActiveMs = this.environment.clock.nowMs()
    if (feed.user.alive && feed.user.devices.includes(feed.device)) {
      this.transaction.late.moveCursor(feed.user, feed.device)
      this.#loop.scheduleLazily()
    }
    this.onFeedRemoved(feed)
  }

  /** When the user was last seen goes along with some commit. */
  noteSeen(user: UserState, lastSeenMs: number): void {
    if (!user.alive || !user.exists) return
    user.lastSeenMs = lastSeenMs
    this.transaction.late.noteSeen(user)
    this.#loop.scheduleLazily()
  }

  expel(feed: Feed, error: ErrorCode): void {
    this.removeFeed(feed)
    feed.sink.ended(error)
  }

  /** A user's state that is still the one in memory when the promise resolves; of who is at home elsewhere what is known here. */
  async user(name: string): Promise<UserState> {
    for (;;) {
      if (!this.isAvailable) throw unavailable()
      const user = this.users.get(name) ?? await this.reading(this.users.load(name))
      if (!user.alive) continue
      if (this.channels !== null) this.forgetUnknown([name])
      return user
    }
  }

  /** An invite's state that is still the one in memory when the promise resolves; without a row where there is none. */
  async invite(id: string): Promise<InviteState> {
    for (;;) {
      if (!this.isAvailable) throw unavailable()
      const invite = this.invites.get(id) ?? await this.reading(this.invites.load(id))
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

  /**
   * Awaits a read of the store, whose failure is the shard's, but for a damaged row: that is the failure of what asked for it alone.
   * Rejects with RouterError storage-unavailable or internal-error.
   */
  async reading<T>(read: Promise<T>): Promise<T> {
    const life = this.#life
    try {
      return await read
    } catch (error) {
      // Another shard, which had to be asked, can't be.
      if (error instanceof RouterError) throw error
      if (isDamage(error)) {
        this.environment.log.error({ err: error }, 'a row of the store can\'t be read')
        throw new RouterError(ERROR.internalError, 'a row of the store can\'t be read', { cause: error })
      }
      if (life === this.#life) this.#loop.fail(error)
      throw unavailable()
    }
  }

  /** Whether everything that happened to it is on disk. */
  isSettled(state: Resident): boolean {
    return state.lateWrites === 0 && state.lastTransaction <= this.#loop.committed
  }

  /** The same but for what can wait, as cursors do. */
  isSettledButForLate(state: Resident): boolean {
    return state.lastChange <= this.#loop.committed
  }

  /** For a channel: the effect of one of its entries. */
  inTurnAlone(name: string, task: LoneTask, applied: () => void): void {
    this.#gates.wait(name, new GateCommand(LONE, null, null, 0, 0, EMPTY, EMPTY, applied, null, 0, task))
  }

  inTurnWithAll(name: string, task: GateTask, applied: () => void): void {
    this.#gates.wait(name, new GateCommand(TASK, null, null, 0, 0, EMPTY, EMPTY, applied, task))
  }

  /** Does something to a conversation in its turn that concerns nobody else. Resolves when it is on disk, or when it can't be read. */
  async alone(name: string, task: LoneTask): Promise<void> {
    if (!this.isAvailable) throw unavailable()
    await new Promise<void>((resolve) => {
      this.#gates.wait(name, new GateCommand(LONE, null, null, 0, 0, EMPTY, EMPTY, resolve, null, 0, task))
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
          reject(error instanceof Error ? error : new Error(String(error)))
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

  /** Throws RouterError unavailable where a change of this conversation would add to a channel that holds too much already. */
  mustHaveRoom({ channels, isBusy }: Route): void {
    if (channels.length > 0 && isBusy) throw new RouterError(ERROR.unavailable, 'too much is under way to another shard', { retryAfterMs: BUSY_RETRY_MS })
  }

  /** A user in memory. */
  readonly lookup = (name: string): UserState | undefined => this.users.get(name)

  /** Resolves when everything written so far is on disk; rejects with RouterError storage-unavailable when it can't be. */
  committed(): Promise<void> {
    return this.#loop.whenCommitted()
  }

  /** Asks for a commit of the open transaction. */
  schedule(): void {
    this.#loop.schedule()
  }

  /** Asks for one before long that writes what can wait… */
  scheduleLazily(): void {
    this.#loop.scheduleLazily()
  }

  /** …and at once. */
  scheduleLate(): void {
    this.#loop.scheduleLate()
  }

  /**
   * Commits what is open and takes nothing more. Sessions of its users are the caller's to end before; those of users at home elsewhere are told, for they
   * go on where the shard is next, and may be in this very process.
   */
  async close(): Promise<void> {
    this.#expelVisitors()
    // Some at a time, and what was under way.
    do {
      this.journal.writeOut()
      if (this.isAvailable) await this.committed().catch(() => undefined)
    } while (this.isAvailable && !this.journal.isEmpty)
    await this.#loop.close()
    this.journal.close()
  }

  /** Called by the commit loop. */
  seal(transaction: Transaction, withLate: boolean): void {
    const { checkpointEvery } = this.environment.limits
    for (const route of transaction.dirtyRoutes) sealConversation(transaction, route, this.lookup, checkpointEvery)
    if (withLate) {
      // First: it may end sessions, whose cursors are late too.
      for (const user of transaction.late.trims) sealTrim(this, transaction, user)
      sealLate(transaction)
      this.journal.seal(transaction)
    }
    if (transaction.channelWork !== null) this.channels?.seal(transaction)
    transaction.closeRuns()
  }

  /** Called by the commit loop. */
  finish(transaction: Transaction): void {
    const { queueEntriesMax, trimEvery } = this.environment.limits
    // First: what is offered may be read back at once.
    this.journal.finish(transaction)
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

  /** Called by the commit loop when the store has failed, and when it is back. */
  discard(): void {
    this.#beginLife()
    for (const feed of [...this.#attached]) this.expel(feed, ERROR.storageUnavailable)
    this.#expelVisitors()
    this.#expiry.start()
    this.#blobSweeps?.start()
  }

  /** What they have asked for and was not answered is lost here. */
  #expelVisitors(): void {
    for (const session of [...this.visiting]) session.expel(ERROR.storageUnavailable)
  }

  #beginLife(): void {
    const { limits, federation } = this.environment
    // At the very first there is nothing to close.
    this.users?.close()
    this.conversations?.close()
    this.invites?.close()
    this.blobStates?.close()
    this.channels?.close()
    const { scheduler } = this.environment
    const defer = (task: () => void): void => {
      scheduler.defer(task)
    }
    this.users = new Residents(
      limits.residentUsersMax, (name) => this.#loadUser(name), (user) => this.isSettled(user) && !user.isOnline && (user.journaled?.length ?? 0) === 0, defer,
      () => this.#online,
    )
    this.conversations = new Residents(
      limits.residentConversationsMax, (name) => loadConversation(this.engine, name, this.channels), (each) => this.isSettled(each), defer,
    )
    const stale = new StaleRoutes(this.#attached, this.conversations)
    this.users.onGone = this.conversations.onGone = () => { stale.look() }
    this.invites = new Residents(INVITES_RESIDENT_MAX, (id) => loadInvite(this.engine, id), (each) => this.isSettled(each), defer)
    this.blobStates = new BlobStates(this.engine, (each) => this.isSettled(each), defer, federation === undefined ? null : (name) => homeOf(federation, name) !== federation.shard)
    const gates = this.#gates
    this.#gates = new Gates(this)
    this.#life++
    gates?.close()
    this.journal?.close()
    this.journal = new Journal(this)
    this.channels = federation === undefined ? null : new Channels(this, federation)
  }

  async #loadUser(name: string): Promise<UserState> {
    const away = this.channels?.to(name) ?? null
    if (away !== null && this.channels !== null) return this.channels.visitor(name, away)
    if (this.#recovery !== null) await this.#recovery
    return loadUser(this.engine, name)
  }

  /** Called by the commit loop, and at the very first. */
  recover(): Promise<void> {
    return recoverJournal(this.engine, this.environment.log, () => this.isClosed)
  }

  /** Who is at home elsewhere and does not exist there may come to exist at any time, and nobody would say so here. */
  forgetUnknown(users: readonly string[]): void {
    if (this.channels === null) return
    for (const name of users) {
      const user = this.users.get(name)
      if (user !== undefined && user.channel !== null && !user.exists && !user.isRecorded) this.users.drop(user)
    }
  }
}

function tell(answer: Answer): void {
  const { author } = answer
  if (author.hasEnded) return
  if (answer.error === 0) author.sink.acked(answer.clientId, answer.seq, answer.timeMs, answer.expiresMs)
  else author.sink.refused(answer.clientId, answer.error, answer.timeMs)
}

/** A copy of its own; Buffer's own slice would be a view. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes)
}
