/** When a node may try to take a shard whose lease is free. Pure. */
import type { ShardView } from './cluster-store.js'
import type { ClusterLimits } from './environment.js'
import { ranked } from './ranking.js'

/** Every rank waits so much longer before it tries to take a free shard. */
const RANK_MS = 300
/** And all but its heir, where it was left to one that is there. */
export const HEIR_MS = 1500

export interface Chance {
  readonly node: string
  readonly shard: number
  readonly view: ShardView
  readonly limits: Pick<ClusterLimits, 'founds' | 'foundAfterMs'>
  /** What it has of the shard. */
  readonly standby: { readonly isNew: boolean, readonly isWhole: boolean, readonly lineage: string | null }
  readonly isToFollow: boolean
  /** A shard that was there does not have to be founded, whatever has become of it. */
  readonly hasSeenShard: boolean
  /** Since when the lease is free, and since when the store knows of nothing; null: it is not so. */
  readonly freeSinceMs: number | null
  readonly emptySinceMs: number | null
  /** Those that have shown themselves within a lease, the node itself among them. */
  readonly seen: readonly string[]
}

/** null: not now. */
export function turnDueMs(chance: Chance): number | null {
  const { node, shard, view, standby, isToFollow, freeSinceMs, seen } = chance
  // In doubt all who have anything count, also those that are not to follow: one of them may have most.
  const isCandidate = isToFollow || view.round !== ''
  if (freeSinceMs === null || !isCandidate) return null
  if (standby.isNew) return foundingDueMs(chance, freeSinceMs)
  if (!standby.isWhole) return null
  if (view.isWhole && !view.members.includes(node)) return null
  const rank = ranked(shard, seen).indexOf(node)
  const waitsForHeir = view.heir !== '' && view.heir !== node && seen.includes(view.heir)
  const first = view.heir === node ? 0 : Math.max(0, rank)
  return freeSinceMs + first * RANK_MS + (waitsForHeir ? HEIR_MS : 0)
}

/** To found, or to go on with a founding that was interrupted. */
function foundingDueMs({ view, standby, limits, hasSeenShard, emptySinceMs }: Chance, freeSinceMs: number): number | null {
  if (view.lineage !== null) return view.lineage === standby.lineage ? freeSinceMs : null
  if (!limits.founds || hasSeenShard || emptySinceMs === null) return null
  // Who has data of the cluster, and finds a store that has lost it, says so first.
  return emptySinceMs + limits.foundAfterMs
}
