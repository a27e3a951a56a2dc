/** Which nodes follow a shard where there are more than are wanted. Pure. */
import { ranked } from './ranking.js'

export interface Candidacy {
  readonly node: string
  readonly shard: number
  /** Those that have shown themselves of late, but for the owner; the node itself among them. */
  readonly others: readonly string[]
  /** Who may take the shard. */
  readonly members: readonly string[]
  /** How many are wanted, beside the owner. */
  readonly standbys: number
  /** How many of those that should follow have had their time to do so, and are no members all the same. */
  readonly passedOver: number
}

/**
 * Those follow that rank first, and in the place of who can't the next. Who is a member goes on until enough that rank before it are: who is merely seen has
 * nothing yet.
 */
export function isToFollow({ node, shard, others, members, standbys, passedOver }: Candidacy): boolean {
  const names = ranked(shard, others)
  const rank = names.indexOf(node)
  if (rank < standbys + passedOver) return true
  return members.includes(node) && names.slice(0, rank).filter((name) => members.includes(name)).length < standbys
}

/** Whether there are fewer that may take the shard, beside its owner, than are wanted and could be. */
export function isLacking(owner: string, { others, members, standbys }: Pick<Candidacy, 'others' | 'members' | 'standbys'>): boolean {
  return members.filter((name) => name !== owner).length < Math.min(standbys, others.length)
}
