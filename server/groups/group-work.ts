/**
 * Carries out changes of a group within one turn of its shard: state, log, queues and row, all in the open transaction. Whoever calls
 * has everybody concerned in memory. What is refused throws RouterError before anything has changed. [GRP-3, GRP-7]
 */
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { timerElement } from '../expiry/timer.js'
import { userKeys } from '../../storage/keyspace.js'
import { noteLookup } from '../operations/erasures.js'
import { RouterError } from '../router/router.js'
import { encodeConversation, encodeListing, encodeWatermark } from '../shard/records.js'
import { type ConversationState, Member } from '../shard/state.js'
import type { Route, Transaction } from '../shard/transaction.js'
import { type Change, namingElement, type NewGroup } from './change.js'
import { deliverChange, type UserLookup } from './fan-out.js'
import { GroupState, type Interval, Membership, type Policy, POLICY_AT_FIRST, type Role } from './group-state.js'
import { mayAdd, mayEdit, mayGovern } from './rights.js'

/** A change that was true already took no place in the log. [GRP-6] */
export const NOTHING_DONE = 0

export class GroupWork {
  readonly #transaction: Transaction
  readonly #route: Route
  readonly #lookup: UserLookup
  readonly #nowMs: number
  readonly #membersMax: number

  constructor(transaction: Transaction, route: Route, lookup: UserLookup, nowMs: number, membersMax: number) {
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
      if (conversation.group.creator === author) return 1
      throw new RouterError(ERROR.groupTaken, 'the name of the group is taken')
    }
    const others = users.filter((name) => name !== author)
    this.#mustExist(others)
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

  /** @returns the last seq it took, or NOTHING_DONE */
  change(author: string, change: Change): number {
    const seq = this.#carryOut(author, change)
    if (seq !== NOTHING_DONE) this.#writeRow()
    return seq
  }

  /** By a link that is good, or '' for an invitation. */
  join(author: string, link: { readonly needsApproval: boolean } | null): { seq: number, isPending: boolean } {
    const { group } = this.#existing()
    if (this.#conversation.member(author) !== undefined) return { seq: NOTHING_DONE, isPending: false }
    const guest = group.guests.get(author)
    const isInvited = guest?.kind === 'invited'
    if (link === null && !isInvited) throw notInIt()
    if (link?.needsApproval === true && !isInvited) return { seq: this.#request(group, author), isPending: true }
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

  #carryOut(author: string, change: Change): number {
    const { group, member, membership } = this.#author(author, change)
    switch (change.kind) {
      case 'add': return this.#add(group, membership, author, change.users)
      case 'invite': return this.#invite(group, membership, author, change.users)
      case 'deny': return this.#deny(group, membership, author, change.users)
      case 'remove': return this.#remove(membership, author, change.users)
      case 'role': return this.#changeRoles(membership, author, change.users, change.role)
      case 'owner': return this.#handOver(membership, author, change.users[0] ?? '')
      case 'info': return this.#changeInfo(group, membership, author, change)
      case 'policy': return this.#changePolicy(group, membership, author, change.policy)
      case 'timer': return this.#changeTimer(group, membership, author, change.afterMs)
      case 'leave': return member === null ? this.#deny(group, membership, author, [author]) : this.#leave(author, member)
      case 'disband': return this.#disband(membership, author)
    }
  }

  /** A guest may turn down for itself what it was offered, or what it asked for; everything else is for members. [GRP-4] */
  #author(author: string, change: Change): { group: GroupState, member: Member | null, membership: Membership } {
    const { group, conversation } = this.#existing()
    const member = conversation.member(author)
    const membership = member?.membership ?? null
    if (member !== undefined && membership !== null) return { group, member, membership }
    const isOwnDenial = change.kind === 'leave' || (change.kind === 'deny' && change.users.length === 1 && change.users[0] === author)
    if (!isOwnDenial || !group.guests.has(author)) throw notInIt()
    return { group, member: null, membership: NO_MEMBERSHIP }
  }

  #add(group: GroupState, membership: Membership, author: string, users: readonly string[]): number {
    const fresh = users.filter((name) => this.#conversation.member(name) === undefined)
    // Who has asked is approved of by an admin; who may add may do it for them, too.
    if (!mayAdd(group, membership)) throw notAllowed()
    if (fresh.length === 0) return NOTHING_DONE
    this.#mustExist(fresh)
    this.#mustHaveRoom(this.#conversation.members.length + fresh.length)
    for (const name of fresh) this.#addMember(name, 'member', this.#conversation.tail + 1)
    return this.#log(author, namingElement('add', fresh))
  }

  #invite(group: GroupState, membership: Membership, author: string, users: readonly string[]): number {
    if (!mayAdd(group, membership)) throw notAllowed()
    const fresh = users.filter((name) => this.#conversation.member(name) === undefined && group.guests.get(name)?.kind !== 'invited')
    if (fresh.length === 0) return NOTHING_DONE
    this.#mustExist(fresh)
    if (group.guests.size + fresh.length > LIMIT.groupGuestsMax) throw new RouterError(ERROR.resourceLimit, 'too many are invited already')
    for (const name of fresh) {
      const isListed = group.former.has(name) || group.guests.has(name)
      group.guests.set(name, { kind: 'invited', by: author, timeMs: this.#nowMs })
      this.#list(name, isListed)
    }
    return this.#log(author, namingElement('invite', fresh), fresh)
  }

  #request(group: GroupState, author: string): number {
    if (group.guests.has(author)) return NOTHING_DONE
    if (group.guests.size >= LIMIT.groupGuestsMax) throw new RouterError(ERROR.resourceLimit, 'too many wait for an answer')
    group.guests.set(author, { kind: 'request', by: '', timeMs: this.#nowMs })
    this.#list(author, group.former.has(author))
    const seq = this.#log(author, element('request'), [author])
    this.#writeRow()
    return seq
  }

  #deny(group: GroupState, membership: Membership, author: string, users: readonly string[]): number {
    const isOwn = users.every((name) => name === author)
    if (!isOwn && !membership.isAdmin) throw notAllowed()
    const denied = users.filter((name) => group.guests.has(name))
    if (denied.length === 0) return NOTHING_DONE
    for (const name of denied) {
      group.guests.delete(name)
      this.#unlist(name)
    }
    return this.#log(author, namingElement('deny', denied), denied)
  }

  #remove(membership: Membership, author: string, users: readonly string[]): number {
    if (!membership.isAdmin) throw notAllowed()
    const removed = users.flatMap((name) => this.#conversation.member(name) ?? [])
    if (removed.length === 0) return NOTHING_DONE
    if (!removed.every((member) => mayGovern(membership, member))) throw notAllowed()
    if (users.includes(author)) throw new RouterError(ERROR.badRequest, 'leave says that one removes oneself')
    for (const member of removed) this.#endMembership(member)
    const names = removed.map((member) => member.user)
    return this.#log(author, namingElement('remove', names), names)
  }

  #changeRoles(membership: Membership, author: string, users: readonly string[], role: Role): number {
    if (!membership.isAdmin) throw notAllowed()
    const members = this.#mustBeMembers(users)
    if (!members.every((member) => mayGovern(membership, member))) throw notAllowed()
    const changed = members.filter((member) => member.membership?.role !== role)
    if (changed.length === 0) return NOTHING_DONE
    for (const member of changed) setRole(member, role)
    return this.#log(author, namingElement('role', changed.map((member) => member.user), { role }))
  }

  #handOver(membership: Membership, author: string, name: string): number {
    if (membership.role !== 'owner') throw notAllowed()
    const [heir] = this.#mustBeMembers([name])
    if (heir === undefined || name === author) return NOTHING_DONE
    membership.role = 'admin'
    setRole(heir, 'owner')
    return this.#log(author, namingElement('owner', [name]))
  }

  #changeInfo(group: GroupState, membership: Membership, author: string, { name, about, picture }: Change & { kind: 'info' }): number {
    if (!mayEdit(group, membership)) throw notAllowed()
    const changed: Record<string, string> = {}
    if (name !== undefined && name !== group.displayName) changed['name'] = group.displayName = name
    if (about !== undefined && about !== group.about) changed['about'] = group.about = about
    if (picture !== undefined && picture !== group.picture) changed['picture'] = group.picture = picture
    return Object.keys(changed).length === 0 ? NOTHING_DONE : this.#log(author, element('info', changed))
  }

  #changePolicy(group: GroupState, membership: Membership, author: string, policy: Partial<Policy>): number {
    if (!membership.isAdmin) throw notAllowed()
    const changed = Object.fromEntries(Object.entries(policy).filter(([key, value]) => group.policy[key as keyof Policy] !== value))
    if (Object.keys(changed).length === 0) return NOTHING_DONE
    group.policy = { ...group.policy, ...changed }
    return this.#log(author, element('policy', changed))
  }

  /** [DIS-7] */
  #changeTimer(group: GroupState, membership: Membership, author: string, afterMs: number): number {
    if (!mayEdit(group, membership)) throw notAllowed()
    if (this.#conversation.timerMs === afterMs) return NOTHING_DONE
    this.#conversation.timerMs = afterMs
    return this.#log(author, timerElement(afterMs))
  }

  #leave(author: string, member: Member): number {
    const wasOwner = member.membership?.role === 'owner'
    this.#endMembership(member)
    const seq = this.#log(author, element('leave'), [author])
    const heir = wasOwner ? heirAmong(this.#conversation.members) : undefined
    if (heir === undefined) return seq
    setRole(heir, 'owner')
    return this.#log(author, namingElement('owner', [heir.user]))
  }

  #disband(membership: Membership, author: string): number {
    if (membership.role !== 'owner') throw notAllowed()
    const { group } = this.#existing()
    const names = this.#conversation.members.map((member) => member.user).concat([...group.guests.keys()])
    for (const name of group.guests.keys()) this.#unlist(name)
    group.guests.clear()
    group.links.length = 0
    for (const member of [...this.#conversation.members]) this.#endMembership(member)
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

  /** @param seq of the change that will say so */
  #addMember(name: string, role: Role, seq: number): void {
    const { group, conversation } = this.#existing()
    const isListed = group.former.has(name) || group.guests.has(name)
    const earlier = group.former.get(name) ?? []
    group.former.delete(name)
    group.guests.delete(name)
    const intervals: Interval[] = group.policy.history === 'all' ? [{ from: 1, to: Infinity }] : [...earlier, { from: seq, to: Infinity }]
    const member = new Member(name)
    member.membership = new Membership(role, this.#nowMs, seq, intervals)
    // What came before is not waited for. [GRP-15]
    member.delivered = member.read = member.readTold = seq
    conversation.addMember(member)
    this.#transaction.batch.put(conversation.keys.watermark(name), encodeWatermark(member, seq))
    this.#list(name, isListed)
  }

  /** It may still read what lies up to the change that comes next. [GRP-11] */
  #endMembership(member: Member): void {
    const { group, conversation } = this.#existing()
    const last = conversation.tail + 1
    const intervals = (member.membership?.intervals ?? []).map(({ from, to }) => ({ from, to: Math.min(to, last) }))
    conversation.removeMember(member)
    this.#transaction.batch.delete(conversation.keys.watermark(member.user))
    const user = this.#lookup(member.user)
    // What is deleted from now on is not told to it any more, and must not reach its late devices. [OPS-7]
    if (user !== undefined) noteLookup(this.#transaction, user, conversation.name)
    group.former.set(member.user, intervals)
    const [oldest] = group.former.keys()
    if (group.former.size <= LIMIT.groupFormerMax || oldest === undefined) return
    group.former.delete(oldest)
    this.#unlist(oldest)
  }

  #list(name: string, isListed: boolean): void {
    const user = this.#lookup(name)
    if (user === undefined) return
    this.#transaction.touch(user)
    if (!isListed && user.groupCount >= 0) user.groupCount++
    this.#transaction.batch.put(user.keys.conversation(this.#conversation.name), encodeListing(this.#nowMs))
  }

  /** Who has, or had, nothing in it does not see it. */
  #unlist(name: string): void {
    const { group, conversation } = this.#existing()
    const user = this.#lookup(name)
    if (user !== undefined) this.#transaction.touch(user)
    if (conversation.member(name) !== undefined || group.former.has(name)) return
    if (user !== undefined && user.groupCount > 0) user.groupCount--
    this.#transaction.batch.delete((user?.keys ?? userKeys(name)).conversation(conversation.name))
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

/** Of a guest, which may do nothing but turn down. */
const NO_MEMBERSHIP = new Membership('member', 0, 0, [])

function setRole(member: Member, role: Role): void {
  if (member.membership !== null) member.membership.role = role
}

/** Who becomes owner: the admin who has been a member longest, else the member who has. Members stand in that order. [GRP-12] */
function heirAmong(members: readonly Member[]): Member | undefined {
  return members.find((member) => member.membership?.isAdmin === true) ?? members[0]
}

function notAllowed(): RouterError {
  return new RouterError(ERROR.notAllowed, 'the role of the member does not allow it')
}

function notInIt(): RouterError {
  return new RouterError(ERROR.noSuchConversation, 'there is no such group, or the user is not in it')
}
