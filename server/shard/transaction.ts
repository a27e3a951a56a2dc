/**
 * One group commit in the making: the writes of all commands that came in meanwhile, and what to tell whom once they are on disk.
 * Objects of one shape, no closures. What is appended to one queue or one log becomes a row for many, so that a message costs an answer
 * here and a place in two runs.
 */
import type { Element } from '../../protocol/element.js'
import type { Batch } from '../../storage/engine.js'
import { expiryKey, journalKey } from '../../storage/shard-keys.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { EntryRun } from './entry-run.js'
import { JournalRow } from './journal-row.js'
import type { Author } from './author.js'
import { LateWrites } from './late-writes.js'
import { ChannelWork } from '../channels/channel-work.js'
import type { Outgoing } from '../channels/outgoing.js'
import { encodeChangeRow, LogRun } from './log-run.js'
import type { ConversationState } from './conversation-state.js'
import { Resident } from './resident.js'
import type { UserState } from './user-state.js'
import type { Writer } from './writer.js'

/** A version; the key says everything. */
const EXPIRY_ROW = Uint8Array.of(1)
/** Of a route whose users are all at home here. */
const NO_CHANNELS: readonly Outgoing[] = []

/** A conversation and the users who are its members, in the order of its members; what a message needs in memory. */
export class Route {
  readonly conversation: ConversationState
  readonly users: readonly UserState[]
  readonly #membersVersion: number
  /** Deaths when all were found alive last. */
  #aliveAt = -1
  /** The outbox that used this route before, where one did: saves looking it up for every message. */
  writer: Writer | null = null
  /** To the homes of users who are not at home here. */
  readonly channels: readonly Outgoing[]

  /** `channels`: where they are known. */
  constructor(conversation: ConversationState, users: readonly UserState[], channels = channelsOf(users)) {
    this.conversation = conversation
    this.users = users
    this.#membersVersion = conversation.membersVersion
    this.channels = channels
  }

  /** Whether one of its channels holds so much that nothing more should be added by choice. */
  get isBusy(): boolean {
    for (const channel of this.channels) if (channel.isFull) return true
    return false
  }

  /** Whether these are still the states in memory; otherwise the route has to be made anew. */
  get isAlive(): boolean {
    if (this.conversation.membersVersion !== this.#membersVersion) return false
    if (this.#aliveAt === Resident.deaths) return true
    if (!this.conversation.alive) return false
    for (const user of this.users) if (!user.alive) return false
    this.#aliveAt = Resident.deaths
    return true
  }
}

function channelsOf(users: readonly UserState[]): readonly Outgoing[] {
  let found = NO_CHANNELS
  for (const { channel } of users) if (channel !== null && !found.includes(channel)) found = [...found, channel]
  return found
}

/** An ack, or a refusal, for one stanza. */
export class Answer {
  readonly author: Author
  readonly clientId: number
  /** 0: accepted */
  readonly error: ErrorCode | 0
  readonly seq: number
  /** An ack's time; a refusal's retryAfterMs. */
  readonly timeMs: number
  /** When the message expires; 0: it does not. */
  readonly expiresMs: number

  constructor(author: Author, clientId: number, error: ErrorCode | 0, seq: number, timeMs: number, expiresMs = 0) {
    this.author = author
    this.clientId = clientId
    this.error = error
    this.seq = seq
    this.timeMs = timeMs
    this.expiresMs = expiresMs
  }
}

/** Entries appended to a user's queue. */
export class AppendedEntries {
  readonly user: UserState
  readonly run: EntryRun

  constructor(user: UserState, run: EntryRun) {
    this.user = user
    this.run = run
  }
}

/** Messages appended to a conversation's log. */
export class AppendedMessages {
  readonly conversation: ConversationState
  /** Seq of the last one; known when the transaction is sealed. */
  last = 0

  constructor(conversation: ConversationState) {
    this.conversation = conversation
  }
}

/** Somebody on the control path who waits for a commit. */
export interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class Transaction {
  /** Rising by one; what a state object remembers as the transaction that last changed it. */
  readonly number: number
  readonly batch: Batch
  readonly answers: Answer[] = []
  /** Messages and entries appended so far, and their texts: most of it stands in runs and is not in the batch yet. */
  appended = 0
  appendedBytes = 0
  /** In the order of their indexes for each user. */
  readonly entries: AppendedEntries[] = []
  readonly messages: AppendedMessages[] = []
  /** When the first of its entries expires; 0: none does. */
  firstExpiryMs = 0
  readonly waiters: Waiter[] = []
  /** Conversations with risen watermarks or a checkpoint due; written when the transaction is sealed. */
  readonly dirtyRoutes: Route[] = []
  /** What is written with this one or a later one. */
  readonly late: LateWrites
  /** Users whose queue is trimmed once this is on disk, and the last index that goes then; known when it is sealed. */
  readonly trimmed = new Map<UserState, number>()
  /** What it appends to queues whose devices are all there; null: nothing. */
  journal: JournalRow | null = null
  /** Runs of the journal that it gives rows of their own. */
  readonly written: AppendedEntries[] = []
  /** What it does for channels; null: nothing. */
  channelWork: ChannelWork | null = null

  /** @param late what the one before has handed on */
  constructor(number: number, batch: Batch, late = new LateWrites()) {
    this.number = number
    this.batch = batch
    this.late = late
  }

  /** One of its entries expires then; 0: it does not. */
  noteExpiry(timeMs: number): void {
    if (timeMs > 0 && (this.firstExpiryMs === 0 || timeMs < this.firstExpiryMs)) this.firstExpiryMs = timeMs
  }

  /** Whether there is nothing to commit and nobody to tell, but for what can be handed on. */
  get isEmpty(): boolean {
    return !this.isUrgent && !this.hasWatermarks
  }

  /** Whether watermarks rose, or entries of channels took effect that nobody waits for: they wait a little for company. */
  get hasWatermarks(): boolean {
    return this.dirtyRoutes.length > 0 || (this.channelWork !== null && (this.channelWork.watermarks.size > 0 || this.channelWork.applied.size > 0))
  }

  get channels(): ChannelWork {
    return this.channelWork ??= new ChannelWork()
  }

  /** Whether somebody waits for it; cursors alone can wait. */
  get isUrgent(): boolean {
    if (this.batch.size > 0 || this.answers.length > 0 || this.waiters.length > 0) return true
    return this.channelWork !== null && (this.channelWork.isAwaited || this.channelWork.rows.size > 0)
  }

  /** The run that the user's next entry goes into, which carries so many bytes of content. */
  entryRun(user: UserState, bytes: number): EntryRun {
    this.touch(user)
    this.countAppended(bytes)
    const { openEntries } = user
    if (openEntries !== null && !openEntries.isFull) return openEntries
    this.#closeEntries(user)
    const run = user.openEntries = new EntryRun()
    if (user.isLive) (this.journal ??= new JournalRow()).begin(user.name, run)
    this.entries.push(new AppendedEntries(user, run))
    return run
  }

  /** A run that gets a row of its own, with nothing before or behind it. */
  putEntry(user: UserState, run: EntryRun): void {
    this.touch(user)
    this.#closeEntries(user)
    this.entries.push(new AppendedEntries(user, run))
    this.putRun(user, run)
  }

  /** The same in the place of one that was put before. */
  rewriteEntry(user: UserState, run: EntryRun): void {
    this.touch(user)
    this.putRun(user, run)
  }

  /** Gives the run a row of its own. */
  putRun(user: UserState, run: EntryRun): void {
    user.lastRow = Math.max(user.lastRow, run.last)
    this.batch.put(user.keys.entry(run.last), run.frames.view())
  }

  /** The run that the conversation's next message goes into, which carries so many bytes of content. */
  logRun(conversation: ConversationState, bytes: number): LogRun {
    this.touch(conversation)
    this.countAppended(bytes)
    const { openLog } = conversation
    if (openLog !== null && !openLog.isFull) return openLog
    if (openLog === null) this.messages.push(new AppendedMessages(conversation))
    else this.#putLog(conversation, openLog)
    return conversation.openLog = new LogRun()
  }

  /** A change of a group takes the conversation's next seq, in a row of its own. */
  putChange(conversation: ConversationState, seq: number, from: string, timeMs: number, change: Element): void {
    this.putRecord(conversation, seq, encodeChangeRow(from, timeMs, change))
  }

  /** What takes the conversation's next seq and has a row of its own. */
  putRecord(conversation: ConversationState, seq: number, row: Uint8Array): void {
    this.touch(conversation)
    const { openLog } = conversation
    if (openLog !== null) this.#putLog(conversation, openLog)
    conversation.openLog = null
    this.messages.push(new AppendedMessages(conversation))
    this.batch.put(conversation.keys.log(seq), row)
  }

  /** Writes the rows that are still open; nothing may be appended afterwards. */
  closeRuns(): void {
    for (const { user } of this.entries) this.#closeEntries(user)
    for (const appended of this.messages) {
      const { conversation } = appended
      const { openLog } = conversation
      appended.last = conversation.tail
      if (openLog === null) continue
      conversation.openLog = null
      this.#putLog(conversation, openLog)
    }
    if (this.journal !== null) this.batch.put(journalKey(this.number), this.journal.row())
  }

  /** Rows that it writes, those that stand in one of the journal counted one by one. */
  get size(): number {
    return this.batch.size + (this.journal?.runs ?? 0)
  }

  #putLog({ keys, name }: ConversationState, run: LogRun): void {
    this.batch.put(keys.log(run.last), run.row())
    if (run.expiresMs > 0) this.batch.put(expiryKey(run.expiresMs, name, run.last), EXPIRY_ROW)
  }

  /** Something that carries so many bytes stands in a row that is not in the batch yet. */
  countAppended(bytes: number): void {
    this.appended++
    this.appendedBytes += bytes
  }

  #closeEntries(user: UserState): void {
    const { openEntries } = user
    if (openEntries === null) return
    user.openEntries = null
    if (openEntries.journalRun < 0) this.putRun(user, openEntries)
  }

  touch(state: Resident): void {
    this.keep(state)
    if (state.lastChange < this.number) state.lastChange = this.number
  }

  /** Only keeps it in memory until this is on disk. */
  keep(state: Resident): void {
    if (state.lastTransaction < this.number) state.lastTransaction = this.number
  }

  /** Its members' queues will be written to when the transaction is sealed, so they have to stay in memory until then. */
  markDirty(route: Route): void {
    // Who has become a member since has entries in the transaction.
    if (route.conversation.isDirty) return
    for (const user of route.users) this.touch(user)
    route.conversation.isDirty = true
    this.dirtyRoutes.push(route)
  }
}
