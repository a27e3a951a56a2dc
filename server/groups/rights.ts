/** Who may do what in a group, and whom it concerns: looked at before anybody is read from the store for it, and again when it is done. [GRP-5] */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Member } from '../shard/member.js'
import type { Change } from './change.js'
import type { GroupState, Membership } from './group-state.js'

/** Who does something in a group: a member, or somebody who may become one. */
export interface Author {
  readonly group: GroupState
  /** null: a guest, which may do nothing but turn down; or who was a member, and asks for what is true already. */
  readonly member: { readonly state: Member, readonly membership: Membership } | null
}

/** Throws RouterError no-such-conversation, not-allowed or bad-request for what the author may not do, whatever else holds. */
export function authorOf(conversation: ConversationState, name: string, change: Change): Author {
  const { group } = conversation
  const state = conversation.member(name)
  const membership = state?.membership ?? null
  if (group === null) throw notInIt()
  if (state === undefined || membership === null) {
    // A guest may turn down for itself what it was offered, or what it asked for; everything else is for members. [GRP-4]
    const isOwnDenial = change.kind === 'leave' || (change.kind === 'deny' && change.users.length === 1 && change.users[0] === name)
    const isDone = group.former.has(name) && (change.kind === 'leave' || (change.kind === 'disband' && sawTheEnd(conversation, group, name)))
    if (!isDone && (!isOwnDenial || !group.guests.has(name))) throw notInIt()
    return { group, member: null }
  }
  if (isOwnDescent(conversation, membership, name, change)) return { group, member: { state, membership } }
  if (!isAllowed(group, membership, name, change)) throw notAllowed()
  if (change.kind === 'remove' || change.kind === 'role') {
    for (const user of change.users) if (!mayGovern(membership, conversation.member(user))) throw notAllowed()
  }
  if (change.kind === 'remove' && change.users.includes(name)) throw new RouterError(ERROR.badRequest, 'leave says that one removes oneself')
  return { group, member: { state, membership } }
}

/** Whom a change concerns, beside its author and the members: those it names, and when the group ends those who wait to come in. */
export function concernedBy(change: Change, { group, members }: ConversationState): Iterable<string> {
  if ('users' in change) return change.users
  const isEnd = change.kind === 'disband' || (change.kind === 'leave' && members.length === 1)
  return isEnd && group !== null ? group.guests.keys() : []
}

/** Whether the group is over, and the last thing that the former member may read of it is its end; others are not told. [GRP-11] */
function sawTheEnd({ members, tail }: ConversationState, group: GroupState, name: string): boolean {
  return members.length === 0 && group.former.get(name)?.intervals.at(-1)?.to === tail
}

/** Who has given away its role, and not heard that it is done, has no right to ask for it again; but it is true already. [GRP-6] */
function isOwnDescent(conversation: ConversationState, membership: Membership, name: string, change: Change): boolean {
  const [user = ''] = 'users' in change ? change.users : []
  if (change.kind === 'owner') return membership.isAdmin && conversation.member(user)?.membership?.role === 'owner'
  return change.kind === 'role' && change.users.length === 1 && user === name && membership.role === change.role
}

function isAllowed(group: GroupState, membership: Membership, name: string, change: Change): boolean {
  switch (change.kind) {
    // Who has asked is approved of by an admin; who may add may do it for them, too.
    case 'add':
    case 'invite': return mayAdd(group, membership)
    case 'deny': return membership.isAdmin || change.users.every((user) => user === name)
    case 'remove':
    case 'role':
    case 'policy': return membership.isAdmin
    case 'info':
    case 'timer': return mayEdit(group, membership)
    case 'owner':
    case 'disband': return membership.role === 'owner'
    case 'leave': return true
  }
}

export function mayPost(group: GroupState, membership: Membership): boolean {
  return group.policy.post === 'all' || membership.isAdmin
}

export function mayAdd(group: GroupState, membership: Membership): boolean {
  return group.policy.add === 'all' || membership.isAdmin
}

function mayEdit(group: GroupState, membership: Membership): boolean {
  return group.policy.edit === 'all' || membership.isAdmin
}

/** Whether one may take the other's membership, or change its role: nobody the owner's. */
function mayGovern(membership: Membership, other: Member | undefined): boolean {
  return membership.isAdmin && other?.membership?.role !== 'owner'
}

export function notAllowed(): RouterError {
  return new RouterError(ERROR.notAllowed, 'the role of the member does not allow it')
}

export function notInIt(): RouterError {
  return new RouterError(ERROR.noSuchConversation, 'there is no such group, or the user is not in it')
}
