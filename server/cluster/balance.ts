/** Which node should have which shard, as far as that is to be changed where nothing is wrong: all own about as many. Pure. */
import { ranked } from './ranking.js'

/** What is known of a shard. */
export interface Ownership {
  /** null: nobody, or it is not known. */
  readonly owner: string | null
  /** Those that may take it. */
  readonly members: readonly string[]
}

export interface Move {
  readonly shard: number
  readonly heir: string
}

/**
 * The next shard that the node should give away, and to whom: one that owns two less at least. So each move brings the two nearer to each other, and
 * there is an end to it, although every node decides for itself. null: all is well, or nobody knows who owns one of the shards.
 */
export function nextMove(node: string, shards: readonly Ownership[], nodes: readonly string[]): Move | null {
  if (shards.some(({ owner }) => owner === null)) return null
  const countOf = (name: string): number => shards.filter(({ owner }) => owner === name).length
  const own = countOf(node)
  const others = nodes.filter((name) => name !== node && countOf(name) <= own - 2).sort((one, other) => countOf(one) - countOf(other) || (one < other ? -1 : 1))
  for (const heir of others) {
    const [best] = shards
      .flatMap(({ owner, members }, shard) => owner === node && members.includes(heir) ? { shard, rank: ranked(shard, nodes).indexOf(heir) } : [])
      .sort((one, other) => one.rank - other.rank || one.shard - other.shard)
    if (best !== undefined) return { shard: best.shard, heir }
  }
  return null
}
