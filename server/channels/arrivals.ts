/**
 * What comes over channels takes effect: in the order of each channel, one entry after the other, as soon as what it needs is in memory,
 * and in the turn in which its number goes into the open transaction. An entry that makes no sense, or that is for a row that can't be
 * read, is left out: it must not stop those behind it.
 */
import { isGroup } from '../../protocol/address.js'
import { visitorKey } from '../../storage/channel-keys.js'
import { pairName } from '../../storage/conversation-keys.js'
import { admit, settleUse } from '../accounts/admissions.js'
import type { InviteState } from '../accounts/invite-state.js'
import { leaving } from '../groups/leaving.js'
import type { GroupHost } from '../groups/group-work.js'
import { isInternal } from '../shard/conversation-walk.js'
import { changeSide } from '../shard/conversation.js'
import { isDamage } from '../shard/entry-reader.js'
import { decodeStanding } from '../shard/records.js'
import { Hold } from '../shard/holds.js'
import type { Receipts } from '../shard/receipts.js'
import type { Residents } from '../shard/residents.js'
import type { GateTask, LoneTask } from '../shard/gate.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { UserState } from '../shard/user-state.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Transaction } from '../shard/transaction.js'
import type { Engine } from '../../storage/engine.js'
import { ValueReader } from '../../storage/value.js'
import { readForBlobEntry } from '../holdings/arrived.js'
import type { BlobStates } from '../holdings/states.js'
import { type AdmitEntry, type AdmittedEntry, type BlobEntry, type ChannelEntry, encodeVisitor, type LeaveEntry, type ListingEntry, type MemberEntry, readEntry, type SideEntry, type VisitorEntry } from './entries.js'
import type { Incoming } from './incoming.js'
import type { ChannelLimits } from './limits.js'
import { applyToMember } from './member-entries.js'
import { PackedEntries } from './packed-entries.js'
import { Receiver } from './receiver.js'
import { VISITOR_ACCOUNT, type Visitors } from './visitors.js'

/** The shard, as its channels see it. */
export interface ArrivalHost extends GroupHost {
  readonly engine: Engine
  readonly environment: ShardEnvironment
  readonly isAvailable: boolean
  readonly users: Residents<UserState>
  readonly blobStates: BlobStates
  readFailed(error: unknown): void
  /** Asks for a commit of what nobody hurries for. */
  scheduleWatermarks(): void
  /** Has `task` called once, in a later turn, when another transaction may be open than one that is large. */
  whenRoom(task: () => void): void
  readonly receipts: Pick<Receipts, 'deliveredHere'>
  /** Does something to a conversation in its turn; `applied` is called in that turn, also where it could not be done. */
  inTurnAlone(conversation: string, task: LoneTask, applied: () => void): void
  /** Of this id, that is still the one in memory when the promise resolves. */
  invite(id: string): Promise<InviteState>
  /** The use of an invite has made this account, or has not. */
  onAdmitted: (user: string) => void
  /** The same with its members in memory. Where nothing has to be done `applied` is the task's to call. */
  inTurnWithAll(conversation: string, task: GateTask, applied: () => void): void
}

type ArrivalLimits = Pick<ChannelLimits, 'appendedMax' | 'windowEntries' | 'windowBytes'>

export class Arrivals {
  readonly #host: ArrivalHost
  readonly #limits: ArrivalLimits
  readonly #visitors: Pick<Visitors, 'hear'>
  #isClosed = false

  /**
   * @param visitors told what comes of users who are at home elsewhere
   */
  constructor(host: ArrivalHost, limits: ArrivalLimits, visitors: Pick<Visitors, 'hear'>) {
    this.#host = host
    this.#limits = limits
    this.#visitors = visitors
  }

  close(): void {
    this.#isClosed = true
  }

  open(channel: Incoming, taken: number): void {
    channel.receiver = new Receiver(taken)
    channel.isReady = true
  }

  /** Takes packed entries, which are nobody else's from then on; the first `known` of them have taken effect before, or wait already. */
  take(channel: Incoming, bytes: Uint8Array, known: number): void {
    const entries = new PackedEntries(bytes)
    for (let left = known; left > 0; left--) entries.next()
    channel.waiting.push(entries)
    if (channel.isRunning) return
    channel.isRunning = true
    this.#run(channel).catch((error: unknown) => {
      if (!this.#isClosed) this.#host.readFailed(error)
    })
  }

  /** Without an await between entries whose users are all in memory, as long as the open transaction has room for what they do. */
  async #run(channel: Incoming): Promise<void> {
    for (let entries = channel.waiting.peek(); entries !== undefined; entries = channel.waiting.peek()) {
      const reader = new ValueReader(entries.bytes)
      while (entries.next()) {
        channel.bytesUnasked += entries.end - entries.start
        try {
          reader.reset(entries.start, entries.end)
          const waiting = this.#begin(channel, readEntry(reader))
          if (waiting !== null) await waiting
        } catch (error) {
          this.#leaveOut(channel, error)
        }
        while (this.#isFull) await this.#room()
        if (this.#isClosed) return
      }
      channel.waiting.shift()
    }
    channel.isRunning = false
  }

  /** A window of entries may be few bytes and still reach so many queues that all else would wait long for it, the lease too. */
  get #isFull(): boolean {
    return !this.#isClosed && this.#host.transaction.appended >= this.#limits.appendedMax
  }

  /** Resolves when another transaction may be open. What has filled this one has asked for its commit. */
  #room(): Promise<void> {
    return new Promise((resolve) => { this.#host.whenRoom(resolve) })
  }

  /** null: it has taken effect already. */
  #begin(channel: Incoming, entry: ChannelEntry): Promise<void> | null {
    switch (entry.kind) {
      case 'delivered': return this.#deliver(channel, entry.user, entry.conversation, entry.seq)
      case 'side': return this.#changeSide(channel, entry)
      case 'visitor': return this.#change(channel, entry)
      case 'leave': return this.#leave(channel, entry)
      case 'admit': return this.#admit(channel, entry)
      case 'admitted': return this.#settle(channel, entry)
      case 'blob-hold':
      case 'blob-drop':
      case 'carried': return this.#ofBlob(channel, entry)
      case 'messages':
      case 'operation':
      case 'change': return this.#reach(channel, entry, entry.members)
      case 'receipt':
      case 'listing':
      case 'lookup': return this.#reach(channel, entry, [entry.user])
    }
  }

  /** It, or a row that it is for, can't be read, and would not be the next time either. Any other error is the store's, and thrown on. */
  #leaveOut(channel: Incoming, error: unknown): void {
    if (!isDamage(error) && !isInternal(error)) throw error
    this.#host.environment.log.error({ err: error, shard: channel.shard }, 'an entry of a channel has no effect')
    this.#applied(channel)
  }

  /** In the turn in which the entry has taken effect. `isAwaited`: somebody waits for that; else its commit does, for company. */
  #applied(channel: Incoming, isAwaited = true): null {
    if (this.#isClosed) return null
    const { channels } = this.#host.transaction
    channels.applied.set(channel, channel.receiver.apply())
    channel.entriesUnasked++
    if (isAwaited || this.#holdsUp(channel)) {
      channel.entriesUnasked = channel.bytesUnasked = 0
      channels.isAwaited = true
      this.#host.schedule()
    } else this.#host.scheduleWatermarks()
    return null
  }

  /** With a full window the other end sends nothing more until it is confirmed, messages neither. */
  #holdsUp({ entriesUnasked, bytesUnasked }: Incoming): boolean {
    const { windowEntries, windowBytes } = this.#limits
    return entriesUnasked >= windowEntries / 2 || bytesUnasked >= windowBytes / 2
  }

  #deliver(channel: Incoming, user: string, conversation: string, seq: number): Promise<void> | null {
    return this.#waiting(channel, (applied) => this.#host.receipts.deliveredHere({ name: user }, conversation, seq, applied), false)
  }

  /** `begin` returns true where it is done at once. */
  #waiting(channel: Incoming, begin: (applied: () => void) => boolean, isAwaited = true): Promise<void> | null {
    let end: (() => void) | null = null
    const isDone = begin(() => {
      this.#applied(channel, isAwaited)
      end?.()
    })
    if (isDone) return this.#applied(channel, isAwaited)
    return new Promise((resolve) => { end = resolve })
  }

  #changeSide(channel: Incoming, entry: SideEntry): Promise<void> | null {
    const { user, other } = entry
    const task: LoneTask = {
      read: () => Promise.resolve(),
      run: (conversation) => {
        const { transaction, channels } = this.#host
        applySide(transaction, conversation, entry)
        // What is deleted from now on is not told to it any more; behind whatever is under way to its queue. [OPS-7]
        if (entry.what === 'blocked' && entry.isOn) channels?.to(user)?.append(transaction, { kind: 'lookup', user, conversation: other })
      },
    }
    return this.#waiting(channel, (applied) => {
      this.#host.inTurnAlone(pairName(user, other), task, applied)
      return false
    })
  }

  #leave(channel: Incoming, { user, conversation }: LeaveEntry): Promise<void> | null {
    return this.#waiting(channel, (applied) => {
      this.#host.inTurnWithAll(conversation, leaving(this.#host, user, applied), applied)
      return false
    })
  }

  #admit(channel: Incoming, entry: AdmitEntry): Promise<void> | null {
    const { user: name, invite, maker } = entry
    return this.#whenLoaded([name], () => {
      const user = this.#host.users.get(name)
      const isMade = user?.channel === null && admit(this.#host, user, entry)
      this.#host.channels?.to(maker)?.append(this.#host.transaction, { kind: 'admitted', user: name, invite, isMade })
      this.#host.onAdmitted(name)
      return this.#applied(channel)
    })
  }

  async #settle(channel: Incoming, { user, invite: id, isMade }: AdmittedEntry): Promise<void> {
    const invite = await this.#host.invite(id)
    if (!this.#isClosed) settleUse(this.#host, invite, user, isMade)
    this.#applied(channel)
  }

  async #ofBlob(channel: Incoming, entry: BlobEntry): Promise<void> {
    const hold = new Hold()
    try {
      const apply = await readForBlobEntry(this.#host, hold, channel.shard, entry)
      if (this.#isClosed) return
      apply()
      this.#applied(channel)
    } finally {
      hold.release()
    }
  }

  #change(channel: Incoming, { user: name, exists, readReceipts }: VisitorEntry): null {
    const facts = { exists, readReceipts }
    this.#visitors.hear(name, facts)
    const user = this.#host.users.get(name)
    const { transaction } = this.#host
    if (user !== undefined) {
      user.account = exists ? VISITOR_ACCOUNT : null
      user.readReceipts = readReceipts
      user.isRecorded = true
      transaction.touch(user)
    }
    transaction.batch.put(visitorKey(name), encodeVisitor(facts))
    return this.#applied(channel)
  }

  /** What goes into the queues and lists of users who are at home here. */
  #reach(channel: Incoming, entry: MemberEntry, names: readonly string[]): Promise<void> | null {
    // Most of all entries: without a closure.
    return this.#areLoaded(names) ? this.#give(channel, entry, names) : this.#load(names, () => this.#give(channel, entry, names))
  }

  #areLoaded(names: readonly string[]): boolean {
    const { users } = this.#host
    for (const name of names) if (users.get(name) === undefined) return false
    return true
  }

  /** `take` is called in the turn in which these users are in memory, but for those that can't be read; at once if they are. */
  #whenLoaded(names: readonly string[], take: () => null): Promise<void> | null {
    return this.#areLoaded(names) ? take() : this.#load(names, take)
  }

  /** To those who are in memory. One that is not at home here has come to the wrong place. */
  #give(channel: Incoming, entry: MemberEntry, names: readonly string[]): null {
    const { users, transaction } = this.#host
    const { appended } = transaction
    for (const name of names) {
      const user = users.get(name)
      if (user?.channel !== null) continue
      if (entry.kind === 'listing' && !user.exists) this.#turnDown(entry)
      applyToMember(transaction, user, entry)
    }
    return this.#applied(channel, isAwaited(entry, transaction.appended > appended))
  }

  /** A group that has taken somebody in, or invited it, before it heard that its account goes. */
  #turnDown({ user, conversation, row }: ListingEntry): void {
    if (!isGroup(conversation) || row.length === 0 || decodeStanding(row) === 'former') return
    const { transaction, channels } = this.#host
    channels?.to(conversation)?.append(transaction, { kind: 'leave', user, conversation })
  }

  async #load(names: readonly string[], take: () => null): Promise<void> {
    const hold = new Hold()
    try {
      await this.#loadInto(hold, names)
      if (!this.#isClosed) take()
    } finally {
      hold.release()
    }
  }

  async #loadInto(hold: Hold, names: readonly string[]): Promise<void> {
    for (const name of names) {
      try {
        await hold.users(this.#host.users, [name])
      } catch (error) {
        if (!isDamage(error)) throw error
        this.#host.environment.log.error({ err: error, user: name }, 'a user can\'t be read')
      }
    }
  }
}

/** Of messages half are for nobody: the one device of who wrote them has their acks. */
function isAwaited({ kind }: MemberEntry, hasAppended: boolean): boolean {
  return kind === 'messages' ? hasAppended : kind !== 'receipt'
}

function applySide(transaction: Transaction, conversation: ConversationState, { user, what, isOn }: SideEntry): void {
  const side = conversation.side(user)
  if (side === null) return
  const { tail } = conversation
  const changed = what === 'contact' ? side.withContact(isOn) : isOn ? side.block(tail) : side.unblock(tail)
  changeSide(transaction, conversation, conversation.positionOf(user), changed)
}
