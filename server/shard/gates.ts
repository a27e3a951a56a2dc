/**
 * The gates of a shard: what waits there is run here, one command after the other for each conversation, and after every await it is
 * looked at what has changed meanwhile. One object serves until the store fails; then it is closed and another one takes its place.
 *
 *     wait ─▶ load conversation and members, and hold them ─▶ as if it had just come ─▶ (commit, read the log, decide)
 */
import type { Engine } from '../../storage/engine.js'
import { isGroup } from '../../protocol/address.js'
import { expiryOf, withoutExpiry } from '../../protocol/expiry.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { hasAttachments } from '../../protocol/attachments.js'
import type { Carried } from '../holdings/carried.js'
import { readTarget } from '../operations/rows.js'
import { raiseRead } from './conversation.js'
import { isDamage } from './entry-reader.js'
import type { ShardEnvironment } from './environment.js'
import type { Author } from './author.js'
import { DELIVERED, Gate, MARK_READ, MESSAGE, OPERATE, TASK } from './gate.js'
import type { GateCommand, LoneTask } from './gate.js'
import { Admission, Hold } from './holds.js'
import { Acceptances, unreadAbove } from './log-reader.js'
import { isErased, type LogRecord } from './log-run.js'
import type { Messages } from './messages.js'
import type { Operations } from './operations.js'
import type { Receipts } from './receipts.js'
import type { Residents } from './residents.js'
import { RouterError } from '../router/router.js'
import { type ConversationState, memberNames } from './conversation-state.js'
import type { UserState } from './user-state.js'
import { Writer } from './writer.js'
import { Answer } from './transaction.js'
import type { Route, Transaction } from './transaction.js'

/** Told to a client whose command finds too many waiting. */
const WAITING_RETRY_MS = 1000

/** The shard, as its gates see it. */
export interface GateHost {
  readonly engine: Engine
  readonly environment: ShardEnvironment
  readonly isAvailable: boolean
  /** What the user holds of what a message carries, in memory as long as `hold` lasts; and whether it still does, in the turn in which that counts. */
  carriedBy(hold: Hold, user: UserState, extensions: Uint8Array): Promise<Carried>
  isStillTrue(carried: Carried): boolean
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  /** The commands with everything in memory; they say whether something has to be read first. */
  readonly messages: Pick<Messages, 'acceptNow'>
  readonly receipts: Pick<Receipts, 'markNow' | 'deliverNow'>
  readonly operations: Pick<Operations, 'operateNow' | 'answerOperation'>
  answer(answer: Answer): void
  schedule(): void
  committed(): Promise<void>
  readFailed(error: unknown): void
}

/** What is in memory, as the gates see it. */
export interface GateMemory {
  readonly users: Residents<UserState>
  readonly conversations: Residents<ConversationState>
  residentRoute(conversation: string): Route | null
  /** A command is done: who of these is at home elsewhere, and does not exist there, is known here no longer. */
  forgetUnknown(users: readonly string[]): void
}

export class Gates {
  readonly #host: GateHost
  readonly #memory: GateMemory
  readonly #gates = new Map<string, Gate>()
  #waiting = 0
  #isClosed = false

  /** Groups that wait for their members to be read; together they hold no more users than may be in memory beside those online. */
  readonly #admission: Admission

  constructor(host: GateHost, memory: GateMemory) {
    this.#host = host
    this.#memory = memory
    this.#admission = new Admission(host.environment.limits.residentUsersMax)
  }

  /** Commands that wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** Whether a command for this conversation has to go behind others. */
  has(conversation: string): boolean {
    return this.#gates.size > 0 && this.#gates.has(conversation)
  }

  /** The command runs behind all that wait for the same conversation. It is refused if too many wait, and dropped while commits fail. */
  wait(conversation: string, command: GateCommand): void {
    if (!this.#host.isAvailable) {
      // Who waits looks again.
      command.applied?.()
      return
    }
    // What devices acknowledge is bounded by their windows, and must not be lost.
    if (command.author !== null && this.#waiting >= this.#host.environment.limits.waitingCommandsMax) {
      this.#host.answer(new Answer(command.author, command.clientId, ERROR.unavailable, 0, WAITING_RETRY_MS))
      return
    }
    this.#waiting++
    let gate = this.#gates.get(conversation)
    if (gate !== undefined) {
      gate.commands.push(command)
      return
    }
    gate = new Gate(conversation)
    gate.commands.push(command)
    this.#gates.set(conversation, gate)
    this.#run(gate).catch((error: unknown) => {
      // What waited gets no answer: its sessions have been ended.
      if (this.#isClosed) return
      if (isDamage(error)) this.#refuseAll(gate, error)
      else this.#host.readFailed(error)
    })
  }

  /** Whatever waits is dropped, and what is being run has no say any more. */
  close(): void {
    this.#isClosed = true
    this.#waiting = 0
    // Who waits looks again, and finds that everything has changed.
    for (const { commands } of this.#gates.values()) {
      for (let command = commands.shift(); command !== undefined; command = commands.shift()) command.applied?.()
    }
    this.#gates.clear()
  }

  async #run(gate: Gate): Promise<void> {
    let command = gate.commands.peek()
    while (command !== undefined) {
      const hold = new Hold()
      try {
        while (!await this.#step(gate, command, hold)) if (this.#isClosed) return
      } catch (error) {
        // Another shard, which this one had to ask, can't be: those behind may need nothing of it.
        if (!(error instanceof RouterError)) throw error
        if (!this.#isClosed) this.#refuse(command)
      } finally {
        hold.release()
      }
      if (this.#isClosed) return
      gate.commands.shift()
      this.#waiting--
      command = gate.commands.peek()
    }
    this.#gates.delete(gate.conversation)
  }

  /** One command, with all that it needs held in memory. false: something died meanwhile; try again, unless the store has failed. */
  async #step(gate: Gate, command: GateCommand, hold: Hold): Promise<boolean> {
    const { users, conversations } = this.#memory
    if (command.author?.hasEnded === true) return true
    const conversation = await hold.conversation(conversations, gate.conversation)
    if (this.#isClosed) return false
    if (command.lone !== null) return this.#runLone(command, command.lone, conversation)
    const needed = this.#neededBy(command, conversation)
    if (needed === null) return true
    const absent = needed.reduce((count, name) => users.get(name) === undefined ? count + 1 : count, 0)
    if (absent > 0) await this.#admission.enter(absent)
    try {
      await hold.users(users, needed)
      if (this.#isClosed) return false
      const route = this.#memory.residentRoute(gate.conversation)
      return route !== null && await this.#runCommand(gate, command, route, hold)
    } finally {
      if (absent > 0) this.#admission.leave(absent)
      this.#memory.forgetUnknown(needed)
    }
  }

  /** Whom the command needs in memory; null: nobody, since it is refused, or does nothing, whoever they are. */
  #neededBy(command: GateCommand, conversation: ConversationState): readonly string[] | null {
    const { kind, task, user, author } = command
    const members = memberNames(conversation)
    if (kind === TASK && task !== null) {
      const others = task.prepare(conversation)
      return others === null ? null : members.concat(others)
    }
    // So that strangers can't have all members of a group read from the store.
    if (!isGroup(conversation.name) || user === null || conversation.member(user.name) !== undefined) return members
    if (kind === DELIVERED) command.applied?.()
    else if (author !== null) {
      const writer = conversation.writers.get(Writer.key(user.name, author.device.number, author.outboxEpoch))
      // What it sent as a member may be asked for again.
      if (kind !== MARK_READ && writer !== undefined && command.clientId <= writer.lastClientId) return members
      this.#host.answer(new Answer(author, command.clientId, ERROR.noSuchConversation, 0, 0))
    }
    return null
  }

  /** A damaged row fails what needs it, not the shard; what devices have acknowledged stays acknowledged. */
  #refuseAll(gate: Gate, error: unknown): void {
    this.#host.environment.log.error({ err: error, conversation: gate.conversation }, 'a conversation can\'t be read')
    this.#gates.delete(gate.conversation)
    for (let command = gate.commands.shift(); command !== undefined; command = gate.commands.shift()) {
      this.#waiting--
      this.#refuse(command)
    }
  }

  #refuse(command: GateCommand): void {
    if (command.author !== null) this.#host.answer(new Answer(command.author, command.clientId, ERROR.unavailable, 0, WAITING_RETRY_MS))
    command.applied?.()
  }

  /** false: the route died while something was looked up; load it and try again. */
  async #runCommand(gate: Gate, command: GateCommand, route: Route, hold: Hold): Promise<boolean> {
    const { author } = command
    if (command.task !== null) {
      command.task.run(route)
      command.applied?.()
      return true
    }
    if (command.kind === DELIVERED) {
      if (command.user !== null) this.#host.receipts.deliverNow(route, command.user, command.seq)
      command.applied?.()
      return true
    }
    if (author === null || author.hasEnded) return true
    if (command.kind === MESSAGE) {
      // Of what was accepted before nothing has to be known: to be refused now would have it said twice. [BLB-12]
      const carries = hasAttachments(command.extensions) && !isSaidAgain(route.conversation, author, command.clientId)
      const carried = carries ? await this.#host.carriedBy(hold, author.user, command.extensions) : null
      if (this.#isClosed || author.hasEnded) return true
      if (!route.isAlive || (carried !== null && !this.#host.isStillTrue(carried))) return false
      if (this.#host.messages.acceptNow(route, author, command.clientId, command.text, command.extensions, carried)) return true
      await this.#host.committed()
      const answer = await this.#answerRetry(gate, command, route, author)
      if (!this.#isClosed && !author.hasEnded) this.#host.answer(answer)
      return true
    }
    if (command.kind === OPERATE) return this.#operate(gate, command, route, author)
    return this.#host.receipts.markNow(route, author, command.clientId, command.seq) || this.#markCounting(command, route, author)
  }

  /** Counts what remains unread. false: the route died meanwhile. [RCP-8] */
  async #markCounting(command: GateCommand, route: Route, author: Author): Promise<boolean> {
    const { engine, environment } = this.#host
    await this.#host.committed()
    const member = route.conversation.member(author.user.name)
    if (member === undefined) return false
    const unread = await unreadAbove(engine, route.conversation, member, command.seq)
    if (!route.isAlive) return false
    raiseRead(this.#host.transaction, route, author.user, member, command.seq, unread)
    if (!author.hasEnded) this.#host.answer(new Answer(author, command.clientId, 0, command.seq, environment.clock.nowMs()))
    return true
  }

  /** false: the conversation died while the store was read. Nothing else happens to it meanwhile, since the gate holds it. */
  async #runLone(command: GateCommand, task: LoneTask, conversation: ConversationState): Promise<boolean> {
    await this.#host.committed()
    await task.read(conversation)
    if (!conversation.alive) return false
    task.run(conversation)
    command.applied?.()
    return true
  }

  /** false: the route died while the target was read. Nothing else happens to the conversation meanwhile, since the gate holds it. */
  async #operate(gate: Gate, command: GateCommand, route: Route, author: Author): Promise<boolean> {
    const { conversation } = route
    // So that what the operation is done to, and what it retries, is on disk if it is anywhere.
    await this.#host.committed()
    if (isSaidAgain(conversation, author, command.clientId)) {
      const answer = await this.#answerRetry(gate, command, route, author)
      if (this.#isClosed || author.hasEnded) return true
      if (answer.error === 0) this.#host.operations.answerOperation(route, command.operation, answer)
      else this.#host.answer(answer)
      return true
    }
    const target = await readTarget(this.#host.engine, conversation, command.seq)
    if (this.#isClosed || author.hasEnded) return true
    if (!route.isAlive) return false
    this.#host.operations.operateNow(route, author, command, target)
    return true
  }

  /** Whether the record is what the command asks for again. Of a text that is gone, or was replaced, nothing is known. [MSG-4] */
  async #isRetryOf(record: LogRecord, command: GateCommand, conversation: ConversationState): Promise<boolean> {
    if (command.kind !== OPERATE) {
      if (record.operation !== null || record.change !== null) return false
      return isErased(record) || (Buffer.compare(record.text, command.text) === 0 && Buffer.compare(withoutExpiry(record.extensions), command.extensions) === 0)
    }
    if (record.operation?.target !== command.seq || record.operation.kind !== command.operation) return false
    const state = (await readTarget(this.#host.engine, conversation, command.seq))?.state
    if (state?.edit?.seq === record.seq) return Buffer.compare(state.edit.text, command.text) === 0
    const reaction = state?.reactions.find(({ seq }) => seq === record.seq)
    return reaction === undefined || reaction.emoji === Buffer.from(command.text).toString()
  }

  /** A client id not above the writer's last: the old ack, a conflict, or stale. [MSG-3, MSG-4, MSG-5] */
  async #answerRetry(gate: Gate, command: GateCommand, route: Route, author: Author): Promise<Answer> {
    const { conversation } = route
    const writer = conversation.writer(author.user.name, author.device.number, author.outboxEpoch)
    let acceptances = gate.acceptances.get(writer)
    if (acceptances?.lastSeq !== writer.lastSeq) gate.acceptances.set(writer, acceptances = new Acceptances(writer))
    const record = await acceptances.find(this.#host.engine, conversation, command.clientId)
    // Of the last one the writer knows enough, also when retention has taken the message.
    if (record === null && command.clientId === writer.lastClientId && writer.lastSeq <= conversation.trimmedTo) {
      return new Answer(author, command.clientId, 0, writer.lastSeq, writer.lastTimeMs)
    }
    if (record === null) return new Answer(author, command.clientId, ERROR.staleClientId, 0, 0)
    if (!await this.#isRetryOf(record, command, conversation)) return new Answer(author, command.clientId, ERROR.conflict, 0, 0)
    return new Answer(author, command.clientId, 0, record.seq, record.timeMs, expiryOf(record.extensions))
  }
}

/** Whether the outbox has said something under this client id, or a later one, in the conversation. */
function isSaidAgain(conversation: ConversationState, { user, device, outboxEpoch }: Author, clientId: number): boolean {
  const writer = conversation.writers.get(Writer.key(user.name, device.number, outboxEpoch))
  return writer !== undefined && clientId <= writer.lastClientId
}
