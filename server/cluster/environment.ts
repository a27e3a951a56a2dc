/** What a node of a cluster takes from the outside, so that a simulation can stand in for all of it; and its settings. */
import type { Log } from '../log.js'
import type { Scheduler } from '../shard/environment.js'

export interface ClusterEnvironment {
  /** Milliseconds since some start; never runs backwards. Only its differences count, and only on this machine. */
  readonly monotonicMs: () => number
  readonly scheduler: Scheduler
  /** 16 random hexadecimal digits. */
  readonly randomToken: () => string
  readonly log: Log
}

export interface ClusterLimits {
  /** How long the shard belongs to a node that says nothing. */
  readonly leaseMs: number
  /** The owner renews it this often. */
  readonly renewEveryMs: number
  /** How often a node looks who owns the shard, and shows itself. */
  readonly lookEveryMs: number
  /** A node that follows the shard and has caught up reads its changelog this often while it grows. */
  readonly followEveryMs: number
  /** A node that has not shown itself for this long may not take the shard, until it has followed again. */
  readonly memberAwayMs: number
  /** One entry of the changelog; a larger commit goes as several. */
  readonly partBytes: number
  /** Entries of the changelog, and bytes written in one ownership, that are kept for a standby that lags. Further behind it copies. */
  readonly changelogEntriesMax: number
  readonly changelogBytesMax: number
  /** How long the changelog keeps entries for a node that follows but does not confirm them. */
  readonly changelogAgeMs: number
  /** What an owner keeps in memory, to append it again when the store has lost it. */
  readonly retainBytes: number
  /** Bytes of one page of a copy. */
  readonly copyPageBytes: number
  /**
   * Whether this node founds the shard where the store knows of none, with the data that it has. At one node alone: a second one that finds a
   * store without data, because that has lost it, would begin a shard of its own.
   */
  readonly founds: boolean
  /** How many nodes follow the shard, beside its owner; 0: all there are. */
  readonly standbys: number
  /** How long it waits before that, for nodes that have data of a shard that the store has lost. */
  readonly foundAfterMs: number
}

export const CLUSTER_LIMITS: ClusterLimits = {
  leaseMs: 3000,
  renewEveryMs: 1000,
  lookEveryMs: 500,
  followEveryMs: 20,
  memberAwayMs: 30_000,
  partBytes: 128 << 10,
  changelogEntriesMax: 200_000,
  changelogBytesMax: 64 << 20,
  changelogAgeMs: 600_000,
  retainBytes: 16 << 20,
  copyPageBytes: 1 << 20,
  founds: false,
  standbys: 0,
  foundAfterMs: 3000,
}

/**
 * The owner counts its lease shorter than it is, by a tenth, and from when it sent the renewal. Clocks of machines are never compared, but
 * the speed of two of them has to agree to this.
 */
export const LEASE_MARGIN = 0.1

export function sleep(environment: ClusterEnvironment, delayMs: number): Promise<void> {
  return new Promise((resolve) => { environment.scheduler.after(delayMs, resolve) })
}
