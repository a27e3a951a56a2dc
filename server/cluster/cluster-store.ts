/**
 * What the nodes of a cluster share about one shard: the fence that says who owns it, the lease, the changelog, and who is there. Each
 * method is one atomic step at the store. `RedisStore` is the one that runs; simulations have a model.
 *
 * **Whole and in doubt.** A store can lose what it had confirmed: Redis fails over to a replica that lags, or starts again with less on its
 * disk, or with nothing. Each life of a Redis, and each promotion of a replica, has ids of its own (`run_id`, `master_replid`), which the
 * fence remembers. While they are the same nothing can have been lost, the fence is *whole*, and whoever finds the lease free may take
 * it. When they have changed the fence is *in doubt* until either an owner whose lease has not ended says that all it had written is
 * there, or every member has said how far it has got, and the one that has most takes it. Such votes are counted in rounds: one begins
 * when the first node finds the fence in doubt and the lease free, and is over when the shard is taken or the store loses anything more.
 *
 * Time is the store's alone. Rejections are ClusterStoreErrors.
 */
import type { Position } from './position.js'
import type { Membership } from './shard-rows.js'

export type ClusterStoreErrorCode =
  /** No answer, or none in time: it may have happened, or not, or happen later. */
  | 'unreachable'
  /** It was refused, and did not happen: out of memory, no rights, read-only. */
  | 'refused'
  /** It happened, and is not yet at as many replicas as the setting says. */
  | 'unreplicated'

export class ClusterStoreError extends Error {
  override readonly name = 'ClusterStoreError'
  readonly code: ClusterStoreErrorCode
  constructor(code: ClusterStoreErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}

/** What a node sees of the shard. */
export interface ShardView {
  /** null: the store knows of no such shard. */
  readonly lineage: string | null
  /** Of the last acquisition. */
  readonly epoch: number
  /** The node that made it, and how its link is reached; it owns the shard while there is a lease. */
  readonly node: string
  readonly address: string
  readonly members: readonly string[]
  /** What the last owner that gave the shard up would have take it; '' for none. */
  readonly heir: string
  /** The last entry of the changelog; null where there is none. */
  readonly last: Position | null
  /** false: in doubt. */
  readonly isWhole: boolean
  /** How long the lease goes on unless it is renewed; null: it is free. */
  readonly leaseMs: number | null
  /** Which life of the store this is. */
  readonly incarnation: string
  /** While it is in doubt and the lease free: what votes are counted under; '' else. */
  readonly round: string
}

/** A claim to the shard. */
export interface AcquireRequest {
  readonly node: string
  readonly address: string
  /** Random, new for each attempt. Only who is sure, and does not know whether it was heard, says the same once more. */
  readonly token: string
  readonly lineage: string
  readonly leaseMs: number
  /** How far the claimant's engine has got, and the highest epoch it has owned or seen. */
  readonly position: Position
  readonly epoch: number
  /**
   * - `take`: the lease is free; and the fence is whole and has the claimant among its members, or it is in doubt and all have voted who have to
   *   (`membership`), and none is further;
   * - `found`: there is nothing at all, and nobody has voted;
   * - `sure`: the claimant owns the shard, its lease has not ended, and the store has forgotten that.
   */
  readonly claim: 'take' | 'found' | 'sure'
  /**
   * Who has to have voted where the fence is in doubt, as the claimant's engine has it: its members, the claimant among them, if the owner that made them so has that
   * on its disk as well (its vote says so). Else that change has not happened, as far as others know, and only who was a member before it may
   * claim, if both those before and those behind it have voted.
   */
  readonly membership: Membership
}

export type AcquireAnswer =
  /** It is the claimant's. `isWhole` false: the changelog may lack what the claimant has. */
  | { readonly kind: 'acquired', readonly epoch: number, readonly last: Position | null, readonly isWhole: boolean, readonly members: readonly string[], readonly incarnation: string }
  | { readonly kind: 'held', readonly node: string, readonly leaseMs: number }
  /** These have not voted, or are further; or the maker of the membership knows another one. */
  | { readonly kind: 'doubt', readonly missing: readonly string[] }
  /** It belongs to another founding. */
  | { readonly kind: 'foreign', readonly lineage: string }
  /** The claimant is no member. */
  | { readonly kind: 'stranger' }
  /** There has been a later owner. */
  | { readonly kind: 'fenced', readonly epoch: number }
  /** There is nothing there; or, to found something, there is. */
  | { readonly kind: 'empty' | 'founded' }

export interface RenewRequest {
  readonly token: string
  readonly leaseMs: number
  /** All up to here has to be in the changelog; null: that is not known yet. */
  readonly complete: Position | null
  /**
   * The life of the store in which that was so. Only if it is still the same the fence is whole: a request that was long on its way knows
   * nothing of what was appended since to a store that has failed over in between.
   */
  readonly incarnation: string
  /** Who may take the shard from now on. */
  readonly members: readonly string[]
  /**
   * Which renewal of its ownership it is. One that was overtaken on its way changes no members: those that it says are out of date, and while
   * the shard was being taken there were none.
   */
  readonly number: number
}

export type RenewAnswer =
  | { readonly kind: 'renewed', readonly confirmed: ReadonlyMap<string, Confirmation>, readonly incarnation: string, readonly isWhole: boolean }
  | { readonly kind: 'gap', readonly last: Position | null }
  | { readonly kind: 'fenced', readonly epoch: number }

/** How far a standby has got. */
export interface Confirmation {
  readonly position: Position
  /** It is still copying, and can't take the shard. */
  readonly isCopying: boolean
}

export interface AppendRequest {
  /** Of the owner that appends. */
  readonly token: string
  /** What has to be last. */
  readonly previous: Position
  readonly entry: LogEntry
}

export interface RebaseRequest {
  /** Of the owner that begins it anew. */
  readonly token: string
  /** What is last; null: nothing. */
  readonly found: Position | null
  readonly entry: LogEntry
}

export type AppendAnswer =
  /** It is in the changelog, now or by an earlier attempt. */
  | { readonly kind: 'appended' }
  | { readonly kind: 'gap', readonly last: Position | null }
  | { readonly kind: 'fenced', readonly epoch: number }

/**
 * The node has got so far, owns nothing, and has owned no later epoch. It counts in the round in which it was said: one that was long on its
 * way may not be true any more.
 */
export interface Vote {
  readonly node: string
  readonly round: string
  readonly position: Position
  readonly epoch: number
  /** Of the membership that it knows. */
  readonly change: string
}

export interface LogEntry {
  readonly position: Position
  /** Token of the entry before. */
  readonly previousToken: string
  readonly bytes: Uint8Array
}

/** A node that has shown itself. */
export interface NodeBeat {
  readonly node: string
  /** How other nodes reach its links. */
  readonly address: string
  readonly version: string
}

/** A process that shows itself as a node has the node's name, unless another one has it. */
export interface NameClaim {
  /** Of the process, random. */
  readonly life: string
  /** How long it has the name unless it shows itself again; by the store's clock. */
  readonly lifeMs: number
  /** The name is taken from who said this last, as `NameHolder.beat`, whatever the store's clock says; '': from nobody. */
  readonly instead: string
}

/** Another process that has the name. */
export interface NameHolder {
  /** What it has said last: another text each time. */
  readonly beat: string
  /** How long it has the name unless it says something more. */
  readonly leftMs: number
}

export interface BeatAnswer {
  readonly nodes: NodeSeen[]
  /** null: the name is who asked's, or nothing was claimed. Else nothing was shown. */
  readonly holder: NameHolder | null
}

export interface NodeSeen extends NodeBeat {
  /** How long ago, by the store's clock. */
  readonly ageMs: number
}

export interface ClusterStore {
  /** `round`: a random token, for a new round of votes where one is needed. */
  look(round: string): Promise<ShardView>
  acquire(request: AcquireRequest): Promise<AcquireAnswer>
  renew(request: RenewRequest): Promise<RenewAnswer>
  /** Frees the lease if it is this token's, and names who should have it next ('' for anybody). */
  release(token: string, heir: string): Promise<void>
  append(request: AppendRequest): Promise<AppendAnswer>
  /** Empties the changelog, if it still ends where the owner found it to, and begins it anew with this entry; the owner is its only member then. */
  rebase(request: RebaseRequest): Promise<AppendAnswer>
  /**
   * Entries behind this position, the oldest first, `countMax` at most. Without any it waits up to `blockMs` for one; 0: not at all.
   * Whether they continue the reader's log is for the reader to see.
   */
  read(after: Position, countMax: number, blockMs: number): Promise<LogEntry[]>
  /** Removes entries before this one, if the token is the owner's. The last entry stays. */
  trim(token: string, before: Position): Promise<void>
  confirm(node: string, confirmation: Confirmation): Promise<void>
  vote(vote: Vote): Promise<void>
  /** Shows a node, and tells which have shown themselves within `ageMaxMs`; null shows none. '' as address: it has gone, and the name is free. */
  beat(node: (NodeBeat & NameClaim) | null, ageMaxMs: number): Promise<BeatAnswer>
  close(): Promise<void>
}
