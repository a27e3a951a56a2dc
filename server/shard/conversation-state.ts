/** A conversation in memory: its members, where its log stands, who writes to it, and for two how they stand to each other. */
import type { ConversationKeys } from '../../storage/conversation-keys.js'
import { isGroup } from '../../protocol/address.js'
import type { GroupState } from '../groups/group-state.js'
import { MemberColumns } from '../groups/member-columns.js'
import { ACQUAINTANCES, type Pair, type PairSide } from '../profiles/pair.js'
import type { StrangerAllowance } from '../profiles/stranger-allowance.js'
import type { LogRun } from './log-run.js'
import type { Member } from './member.js'
import { Resident } from './resident.js'
import type { Route } from './transaction.js'
import { Writer } from './writer.js'

/** Up to here a list is as fast as a map. */
const FEW_MEMBERS = 4

export class ConversationState extends Resident {
  // At first what each acknowledgement in a group looks at: it lies together in memory.
  /** Counts changes of the members: a route made before one is no longer good. */
  membersVersion = 0
  tail = 0
  /** null: a pair, one's notes, or a group that nobody has made. */
  group: GroupState | null = null
  /** Of a group, also of one that nobody has made; null: a pair, or one's notes. */
  readonly columns: MemberColumns | null
  /** In the open transaction's list of conversations with risen watermarks, or with a checkpoint due. */
  isDirty = false
  /** Whether watermarks have risen that are among what waits to be written late. */
  isRaised = false
  readonly keys: ConversationKeys
  /** false: nobody has written yet. */
  exists = false
  /** In the order in which they came; changed by addMember and removeMember alone. */
  readonly members: Member[] = []
  /** Of a group: the route found last, since all its members ask for it. */
  route: Route | null = null
  /** How the two stand to each other, in the order of the members; null: a group, or one's own notes. Known before it exists. */
  pair: Pair | null = null
  /** What the one of the two who has had no answer may still send; null: all that is allowed. */
  strangerAllowance: StrangerAllowance | null = null
  createdMs = 0
  /** New messages expire after this; 0: they stay. */
  timerMs = 0
  committedTail = 0
  lastTimeMs = 0
  /** What the open transaction appends to the log. */
  openLog: LogRun | null = null
  /** The checkpoint on disk covers the log up to here; behind it at most `checkpointEvery` records and a commit's worth. */
  checkpointSeq = 0
  /** Messages up to here were dropped by retention. */
  trimmedTo = 0
  readonly writers = new Map<string, Writer>()
  /** A checkpoint has to be written with the open transaction. */
  isCheckpointDue = false
  /** Made where looking through the list would take long. */
  #byName: Map<string, Member> | null = null
  #memberList: string | null = null

  constructor(name: string, keys: ConversationKeys) {
    super(name)
    this.keys = keys
    this.columns = isGroup(name) ? new MemberColumns() : null
  }

  member(user: string): Member | undefined {
    if (this.members.length <= FEW_MEMBERS) return this.members.find((member) => member.user === user)
    this.#byName ??= new Map(this.members.map((member) => [member.user, member]))
    return this.#byName.get(user)
  }

  /** The names of the members in their order, separated by spaces. */
  get memberList(): string {
    return this.#memberList ??= this.members.map((member) => member.user).join(' ')
  }

  addMember(member: Member): void {
    if (this.columns !== null) member.join(this.columns, this.members.length)
    this.members.push(member)
    // Many may come at once.
    this.#byName?.set(member.user, member)
    this.#membersChanged()
  }

  removeMember(member: Member): void {
    const place = this.members.indexOf(member)
    this.members.splice(place, 1)
    if (this.columns !== null) {
      member.leave(this.columns)
      for (let i = place; i < this.members.length; i++) this.members[i]!.moveUp()
      this.group?.awaiting.drop(member)
    }
    this.#byName?.delete(member.user)
    this.#membersChanged()
  }

  #membersChanged(): void {
    this.membersVersion++
    this.route = null
    this.#memberList = null
  }

  /** Position of a user among the members, also of a conversation that nobody has opened. */
  positionOf(user: string): number {
    return this.exists ? this.members.findIndex((member) => member.user === user) : memberNames(this).indexOf(user)
  }

  /** The user's side of the pair; null where there is none. */
  side(user: string): PairSide | null {
    // Of nearly all pairs both sides are the same.
    if (this.pair === null || this.pair === ACQUAINTANCES) return this.pair === null ? null : this.pair[0]
    return this.pair[this.positionOf(user) === 0 ? 0 : 1]
  }

  /** Whether a message is hidden from the member. [PRF-10] */
  hides(user: string, seq: number): boolean {
    return this.side(user)?.hides(seq) ?? false
  }

  /** The highest seq up to this one that the user may know of. [PRF-14] */
  visible(user: string, seq: number): number {
    return this.side(user)?.visible(seq) ?? seq
  }

  /** Whether everything in it is hidden from its member, so that to this one it does not exist. [PRF-14] */
  isHiddenFrom(user: string): boolean {
    return this.tail > 0 && this.visible(user, this.tail) === 0
  }

  writer(user: string, device: number, epoch: number): Writer {
    const key = Writer.key(user, device, epoch)
    let writer = this.writers.get(key)
    if (writer === undefined) {
      writer = new Writer(user, device, epoch)
      this.writers.set(key, writer)
    }
    return writer
  }

  /**
   * Forgets outboxes silent since `oldestMs`, and a user's oldest beyond `byUserMax`: an honest device takes up a new epoch only when
   * it has lost its state, but any device can make as many as it likes.
   */
  forgetWriters(oldestMs: number, byUserMax: number): void {
    const counts = new Map<string, number>()
    const latestFirst = [...this.writers].sort(([, one], [, other]) => other.lastSeq - one.lastSeq)
    for (const [key, writer] of latestFirst) {
      const count = (counts.get(writer.user) ?? 0) + 1
      counts.set(writer.user, count)
      if (count <= byUserMax && writer.lastSeq > 0 && writer.lastTimeMs >= oldestMs) continue
      writer.isForgotten = true
      this.writers.delete(key)
    }
  }
}

/** Of a conversation not yet opened the members follow from its name. */
export function memberNames(conversation: ConversationState): readonly string[] {
  if (conversation.exists) return conversation.members.map((member) => member.user)
  return isGroup(conversation.name) ? [] : conversation.name.split(':')
}

/** How a member addresses a conversation: by the other user, by the group, by itself for its notes. */
export function conversationAddress(conversation: ConversationState, viewer: string): string {
  const { members } = conversation
  if (isGroup(conversation.name)) return conversation.name
  const other = members.find((member) => member.user !== viewer)
  return other === undefined ? viewer : other.user
}
