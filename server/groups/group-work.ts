/**
 * Carries out changes of a group within one turn of its shard: state, log, queues and row, all in the open transaction. Whoever calls
 * has everybody concerned in memory. What is refused throws RouterError before anything has changed. [GRP-3, GRP-7]
 */
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { timerElement } from '../expiry/timer.js'
import { mustBePicture } from '../holdings/held.js'
import type { BlobLedger, Claim } from '../holdings/ledger.js'
import { list, listAbsent, tellLookup } from '../channels/member-entries.js'
import type { Outgoing } from '../channels/outgoing.js'
import { RouterError } from '../router/router.js'
import { encodeConversation, encodeGroupListing, encodeWatermark } from '../shard/records.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { Member } from '../shard/member.js'
import { UNCOUNTED } from '../shard/user-state.js'
import type { Route, Transaction } from '../shard/transaction.js'
import { type Change, namingElement, type NewGroup } from './change.js'
import { deliverChange } from './fan-out.js'
import { floorsOf, type UserLookup } from './watermarks.js'
import { GroupState, type Guest, type Interval, Membership, type Policy, POLICY_AT_FIRST, type Role, type Standing } from './group-state.js'
import { authorOf, notInIt } from './rights.js'

/** A change that was true already took no place in the log. [GRP-6] */
const NOTHING_DONE = 0

/** The shard, as changes of its groups see it. */
export interface GroupHost {
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  readonly lookup: UserLookup
  readonly nowMs: number
  readonly ledger: BlobLedger
  /** `to`: the channel to the home of a user or conversation; null: that is this shard. */
  readonly channels: { to(name: string): Outgoing | null } | null
  schedule(): void
}

export class GroupWork {
  readonly #transaction: Transaction
  readonly #route: Route
  readonly #lookup: UserLookup
  readonly #nowMs: number
  readonly #membersMax: number
  readonly #ledger: BlobLedger
  readonly #channels: GroupHost['channels']

  constructor({ transaction, lookup, nowMs, ledger, channels }: GroupHost, route: Route, membersMax: number) {
    this.#channels = channels
    this.#ledger = ledger
    this.#transaction = transaction
    this.#route = route
    this.#lookup = lookup
    this.#nowMs = nowMs
    this.#membersMax = membersMax
  }

  get #conversation(): ConversationState {
    return this.#route.conversation
  }

  /** @returns seq of the first change, 1, also where the creator has made it before. [GRP-17] */
  create(author: string, { displayName, about, policy, users }: NewGroup): number {
    const conversation = this.#conversation
    if (conversation.group !== null) {
      if (conversation.group.creator === author && conversation.members.length > 0) return 1
      throw groupTaken()
    }
    const others = users.filter((name) => name !== author)
    // The author too: its account may have gone meanwhile.
    this.#mustExist([author, ...others])
    this.#mustHaveRoom(1 + others.length)
    const group = conversation.group = new GroupState(displayName, author)
    group.about = about
    group.policy = { ...POLICY_AT_FIRST, ...policy }
    conversation.exists = true
    conversation.createdMs = this.#nowMs
    const seq = conversation.tail + 1
    this.#addMember(author, 'owner', seq)
    for (const name of others) this.#addMember(name, 'member', seq)
    const told = element(
      'create', { name: displayName, about, ...group.policy },
      ...conversation.members.map((member) => element('member', { name: member.user, role: member.membership?.role })),
    )
    this.#log(author, told)
    this.#writeRow()
    return seq
  }

  /**
   * @param picture what the author holds of the blob that the change makes the picture
   * @returns the last seq it took, or NOTHING_DONE
   */
  change(author: string, change: Change, picture: Claim | null = null): number {
    const seq = this.#carryOut(author, change, picture)
    if (seq !== NOTHING_DONE) this.#writeRow()
    return seq
  }

  /** By a link that is good; null: by invitation, or once more by who waits already. */
  join(author: string, link: { readonly needsApproval: boolean } | null): { seq: number, isPending: boolean } {
    const { group } = this.#existing()
    this.#mustExist([author])
    if (this.#conversation.member(author) !== undefined) return { seq: NOTHING_DONE, isPending: false }
    const guest = group.guests.get(author)
    const isInvited = guest?.kind === 'invited'
    if (link === null && guest === undefined) throw notInIt()
    if (!isInvited && link?.needsApproval !== false) return { seq: this.#request(group, author), isPending: true }
    this.#mustHaveRoom(this.#conversation.members.length + 1)
    this.#addMember(author, 'member', this.#conversation.tail + 1)
    const seq = this.#log(author, element('join'))
    this.#writeRow()
    return { seq, isPending: false }
  }

  /** Settings, links or guests changed by themselves, without a change in the log. */
  touched(): void {
    this.#writeRow()
  }

  #carryOut(author: string, change: Change, picture: Claim | null): number {
    const { group, member } = authorOf(this.#conversation, author, change)
    if (member === null) return this.#deny(group, author, [author])
    switch (change.kind) {
      case 'add': return this.#add(author, change.users)
      case 'invite': return this.#invite(group, author, change.users)
      case 'deny': return this.#deny(group, author, change.users)
      case 'remove': return this.#remove(author, change.users)
      case 'role': return this.#changeRoles(author, change.users, change.role)
      case 'owner': return this.#handOver(member.membership, author, change.users[0] ?? '')
      case 'info': return this.#changeInfo(group, author, change, picture)
      case 'policy': return this.#changePolicy(group, author, change.policy)
      case 'timer': return this.#changeTimer(author, change.afterMs)
      case 'leave': return this.#leave(group, author, member.state)
      case 'disband': return this.#disband(group, author)
    }
  }

  #add(author: string, users: readonly string[]): number {
    const fresh = users.filter((name) => this.#conversation.member(name) === undefined)
    if (fresh.length === 0) return NOTHING_DONE
    this.#mustExist(fresh)
    this.#mustHaveRoom(this.#conversation.members.length + fresh.length)
    for (const name of fresh) this.#addMember(name, 'member', this.#conversation.tail + 1)
    return this.#log(author, namingElement('add', fresh))
  }

  #invite(group: GroupState, author: string, users: readonly string[]): number {
    const fresh = users.filter((name) => this.#conversation.member(name) === undefined && group.guests.get(name)?.kind !== 'invited')
    if (fresh.length === 0) return NOTHING_DONE
    this.#mustExist(fresh)
    const newcomers = fresh.filter((name) => !group.guests.has(name)).length
    if (group.guests.size + newcomers > LIMIT.groupGuestsMax) throw new RouterError(ERROR.listFull, 'too many are invited already')
    for (const name of fresh) this.#setGuest(group, name, { kind: 'invited', by: author, timeMs: this.#nowMs })
    return this.#log(author, namingElement('invite', fresh), fresh)
  }

  #request(group: GroupState, author: string): number {
    if (group.guests.has(author)) return NOTHING_DONE
    if (group.guests.size >= LIMIT.groupGuestsMax) throw new RouterError(ERROR.listFull, 'too many wait for an answer')
    this.#setGuest(group, author, { kind: 'request', by: '', timeMs: this.#nowMs })
    const seq = this.#log(author, element('request'), [author])
    this.#writeRow()
    return seq
  }

  #deny(group: GroupState, author: string, users: readonly string[]): number {
    const denied = users.filter((name) => group.guests.has(name))
    if (denied.length === 0) return NOTHING_DONE
    for (const name of denied) this.#setGuest(group, name, null)
    return this.#log(author, namingElement('deny', denied), denied)
  }

  #remove(author: string, users: readonly string[]): number {
    const removed = users.flatMap((name) => this.#conversation.member(name) ?? [])
    if (removed.length === 0) return NOTHING_DONE
    this.#endMemberships(removed)
    const names = removed.map((member) => member.user)
    return this.#log(author, namingElement('remove', names), names)
  }

  #changeRoles(author: string, users: readonly string[], role: Role): number {
    const changed = this.#mustBeMembers(users).filter((member) => member.membership?.role !== role)
    if (changed.length === 0) return NOTHING_DONE
    for (const member of changed) setRole(member, role)
    return this.#log(author, namingElement('role', changed.map((member) => member.user), { role }))
  }

  #handOver(membership: Membership, author: string, name: string): number {
    const [heir] = this.#mustBeMembers([name])
    if (heir === undefined || heir.membership?.role === 'owner') return NOTHING_DONE
    membership.role = 'admin'
    setRole(heir, 'owner')
    return this.#log(author, namingElement('owner', [name]))
  }

  #changeInfo(group: GroupState, author: string, { name, about, picture }: Change & { kind: 'info' }, held: Claim | null): number {
    const isNewPicture = picture !== undefined && picture !== group.picture
    if (isNewPicture && picture !== '') mustBePicture({ ledger: this.#ledger }, held)
    const changed: Record<string, string> = {}
    if (name !== undefined && name !== group.displayName) changed['name'] = group.displayName = name
    if (about !== undefined && about !== group.about) changed['about'] = group.about = about
    if (isNewPicture) {
      this.#dropPicture(group)
      changed['picture'] = group.picture = picture
    }
    if (Object.keys(changed).length === 0) return NOTHING_DONE
    const seq = this.#log(author, element('info', changed))
    if (isNewPicture && held !== null && picture !== '') {
      group.pictureSeq = seq
      this.#ledger.carryPicture(this.#conversation, seq, held)
    }
    return seq
  }

  /** It is the group's picture no longer, and who has set it does not hold it for that any more. */
  #dropPicture(group: GroupState): void {
    if (group.pictureSeq > 0) this.#ledger.release(this.#conversation.name, 'picture', group.pictureSeq, group.pictureSeq)
    group.picture = ''
    group.pictureSeq = 0
  }

  #changePolicy(group: GroupState, author: string, policy: Partial<Policy>): number {
    const changed = Object.fromEntries(Object.entries(policy).filter(([key, value]) => group.policy[key as keyof Policy] !== value))
    if (Object.keys(changed).length === 0) return NOTHING_DONE
    group.policy = { ...group.policy, ...changed }
    return this.#log(author, element('policy', changed))
  }

  #changeTimer(author: string, afterMs: number): number {
    if (this.#conversation.timerMs === afterMs) return NOTHING_DONE
    this.#conversation.timerMs = afterMs
    return this.#log(author, timerElement(afterMs))
  }

  /** With the last member the group is over: nobody is let in any more, and who waits for that is told. [GRP-12] */
  #leave(group: GroupState, author: string, member: Member): number {
    if (this.#conversation.members.length === 1) {
      group.links.length = 0
      this.#deny(group, author, [...group.guests.keys()])
    }
    const wasOwner = member.membership?.role === 'owner'
    this.#endMemberships([member])
    const seq = this.#log(author, element('leave'), [author])
    const heir = wasOwner ? heirAmong(this.#conversation.members) : undefined
    if (heir === undefined) return seq
    setRole(heir, 'owner')
    return this.#log(author, namingElement('owner', [heir.user]))
  }

  #disband(group: GroupState, author: string): number {
    const names = this.#conversation.members.map((member) => member.user).concat([...group.guests.keys()])
    for (const name of [...group.guests.keys()]) this.#setGuest(group, name, null)
    group.links.length = 0
    this.#endMemberships([...this.#conversation.members])
    return this.#log(author, element('disband'), names)
  }

  /** Takes the next seq, and tells all members and `others`. */
  #log(author: string, change: Element, others: readonly string[] = []): number {
    const conversation = this.#conversation
    const seq = ++conversation.tail
    const timeMs = conversation.lastTimeMs = Math.max(this.#nowMs, conversation.lastTimeMs)
    this.#transaction.putChange(conversation, seq, author, timeMs, change)
    const told = new Set(conversation.members.map((member) => member.user).concat(others))
    deliverChange(this.#transaction, conversation, [...told].flatMap((name) => this.#lookup(name) ?? []), author, seq, timeMs, change)
    return seq
  }

  /** @param seq of the change that will say so: where its interval begins, unless it may read all. [GRP-10] */
  #addMember(name: string, role: Role, seq: number): void {
    const { group, conversation } = this.#existing()
    const before = this.#standing(name)
    const earlier = group.former.get(name)?.intervals ?? []
    group.former.delete(name)
    group.guests.delete(name)
    const intervals = group.policy.history === 'all' ? [{ from: 1, to: Infinity }] : withNext(earlier, seq)
    const member = new Member(name)
    member.membership = new Membership(role, this.#nowMs, seq, intervals)
    // What came before is not waited for. [GRP-15]
    member.delivered = member.read = member.readTold = seq
    conversation.addMember(member)
    this.#transaction.batch.put(conversation.keys.watermark(name), encodeWatermark(member, seq))
    this.#relist(name, before)
  }

  /** They may still read what lies up to the change that comes next, and see the group as it stands with it. [GRP-11] */
  #endMemberships(members: readonly Member[]): void {
    const { group, conversation } = this.#existing()
    const last = conversation.tail + 1
    const floorsFor = floorsOf(conversation)
    const ended = members.map((member) => {
      const user = this.#lookup(member.user)
      const intervals = (member.membership?.intervals ?? []).map(({ from, to }) => ({ from, to: Math.min(to, last) }))
      return { name: member.user, intervals, floors: user === undefined ? { delivered: 0, read: 0 } : floorsFor(user) }
    })
    for (const member of members) conversation.removeMember(member)
    if (conversation.members.length === 0) this.#dropPicture(group)
    for (const { name, intervals, floors } of ended) {
      this.#transaction.batch.delete(conversation.keys.watermark(name))
      group.former.set(name, { intervals, displayName: group.displayName, size: conversation.members.length, ...floors })
      this.#relist(name, 'member')
      const user = this.#lookup(name)
      // What is deleted from now on is not told to it any more, and must not reach its late devices. [OPS-7]
      if (user !== undefined) tellLookup(this.#transaction, user, conversation.name)
    }
    for (const oldest of [...group.former.keys()].slice(0, -LIMIT.groupFormerMax)) {
      const before = this.#standing(oldest)
      group.former.delete(oldest)
      this.#relist(oldest, before)
    }
  }

  #setGuest(group: GroupState, name: string, guest: Guest | null): void {
    const before = this.#standing(name)
    if (guest === null) group.guests.delete(name)
    else group.guests.set(name, guest)
    this.#relist(name, before)
  }

  /** null: who has, or had, nothing in the group does not see it. */
  #standing(name: string): Standing | null {
    const { group, conversation } = this.#existing()
    if (conversation.member(name) !== undefined) return 'member'
    if (group.guests.has(name)) return 'guest'
    return group.former.has(name) ? 'former' : null
  }

  /** The group in the user's list, and the numbers of groups that it is in and may come into. */
  #relist(name: string, before: Standing | null): void {
    const standing = this.#standing(name)
    const user = this.#lookup(name)
    const row = standing === null ? null : encodeGroupListing(this.#nowMs, standing)
    if (user === undefined) listAbsent(this.#transaction, name, this.#channels?.to(name) ?? null, this.#conversation.name, row)
    if (user === undefined) return
    list(this.#transaction, user, this.#conversation.name, row)
    // Where nobody has counted yet, whoever does finds it in the store; who does at present has to begin anew.
    if (user.groupCount < 0) {
      user.groupCount = UNCOUNTED
      return
    }
    user.groupCount += Number(standing === 'member') - Number(before === 'member')
    user.invitationCount += Number(standing === 'guest') - Number(before === 'guest')
  }

  /** The row, and a checkpoint with it, since that counts by the positions of members. */
  #writeRow(): void {
    const conversation = this.#conversation
    this.#transaction.touch(conversation)
    this.#transaction.batch.put(conversation.keys.meta(), encodeConversation(conversation))
    conversation.isCheckpointDue = true
    this.#transaction.markDirty(this.#route)
  }

  #existing(): { group: GroupState, conversation: ConversationState } {
    const conversation = this.#conversation
    if (conversation.group === null) throw notInIt()
    return { group: conversation.group, conversation }
  }

  #mustExist(names: readonly string[]): void {
    for (const name of names) {
      if (this.#lookup(name)?.exists !== true) throw new RouterError(ERROR.noSuchUser, `there is no user ${name}`)
    }
  }

  /** [GRP-8] */
  #mustHaveRoom(members: number): void {
    if (members > this.#membersMax) throw new RouterError(ERROR.groupFull, `a group has at most ${String(this.#membersMax)} members`)
  }

  #mustBeMembers(names: readonly string[]): Member[] {
    return names.map((name) => {
      const member = this.#conversation.member(name)
      if (member === undefined) throw new RouterError(ERROR.noSuchMember, `${name} is no member`)
      return member
    })
  }
}

/**
 * What it could read before, and all from `seq` on. Nothing lies between two that touch, so they become one; of too many the earliest
 * goes. [GRP-9]
 */
function withNext(earlier: readonly Interval[], seq: number): Interval[] {
  const last = earlier.at(-1)
  if (last?.to === seq - 1) return [...earlier.slice(0, -1), { from: last.from, to: Infinity }]
  return [...earlier, { from: seq, to: Infinity }].slice(-LIMIT.groupIntervalsMax)
}

export function groupTaken(): RouterError {
  return new RouterError(ERROR.groupTaken, 'the name of the group is taken')
}

function setRole(member: Member, role: Role): void {
  if (member.membership !== null) member.membership.role = role
}

/** Who becomes owner: the admin who has been a member longest, else the member who has. Members stand in that order. [GRP-12] */
function heirAmong(members: readonly Member[]): Member | undefined {
  return members.find((member) => member.membership?.isAdmin === true) ?? members[0]
}
