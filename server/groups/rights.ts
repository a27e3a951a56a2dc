/** Who may do what in a group. [GRP-5] */
import type { Member } from '../shard/state.js'
import type { GroupState, Membership } from './group-state.js'

export function mayPost(group: GroupState, membership: Membership): boolean {
  return group.policy.post === 'all' || membership.isAdmin
}

export function mayAdd(group: GroupState, membership: Membership): boolean {
  return group.policy.add === 'all' || membership.isAdmin
}

export function mayEdit(group: GroupState, membership: Membership): boolean {
  return group.policy.edit === 'all' || membership.isAdmin
}

/** Whether one may take the other's membership, or change its role: nobody the owner's. */
export function mayGovern(membership: Membership, other: Member): boolean {
  return membership.isAdmin && other.membership?.role !== 'owner'
}
