/**
 * What a shard knows of the others: which of them is home to whom, and how to reach them. Users and conversations are at home in the shard
 * that owns their slot. Without a federation a shard is home to all.
 */
import { slotOf, SLOT_COUNT } from '../../storage/slots.js'
import type { PairSide } from '../profiles/pair.js'
import type { Report } from '../profiles/service.js'
import type { ChannelLimits } from './limits.js'

export interface Federation {
  /** This shard's number, from 0. */
  readonly shard: number
  readonly shards: number
  /** Which shard owns a slot; all are asked to say the same. */
  shardOf(slot: number): number
  readonly limits: ChannelLimits
  readonly peers: Peers
}

/** What other shards need to know of a user in whose conversations they are. */
export interface VisitorFacts {
  readonly exists: boolean
  readonly readReceipts: boolean
}

/** How many groups a user is in, and may come into. */
export interface GroupCounts {
  readonly member: number
  readonly guest: number
}

/** The other shards. What is sent may be lost, doubled or late; what is asked may be rejected with RouterError, or never answered. */
export interface Peers {
  /** Entries of the channel to that shard, from number `first` on. */
  offer(to: number, first: number, entries: readonly Uint8Array[]): void
  /** This shard has all of the channel from that one up to `cursor` on disk; `again`: what comes behind it has to come once more. */
  confirm(to: number, cursor: number, again: boolean): void
  /** What is on disk there of one of its users. */
  visitor(shard: number, user: string): Promise<VisitorFacts>
  /** How one of its users looks at another with whom there is no conversation. */
  side(shard: number, user: string, other: string): Promise<PairSide>
  groupCounts(shard: number, user: string): Promise<GroupCounts>
  /** Rejects where one of this shard's users may read nothing of the conversation, which is at home there. */
  mustRead(shard: number, user: string, conversation: string): Promise<void>
  /** What was said last in a conversation that is at home there and is still to be seen by one of this shard's users, ascending. */
  lastMessages(shard: number, user: string, conversation: string): Promise<Report['messages']>
  /** Who may be told that one of this shard's users types in a conversation that is at home there. */
  audience(shard: number, user: string, conversation: string): Promise<readonly string[]>
  /** A user types in a conversation: told to these users of that shard, or lost. */
  typing(to: number, from: string, conversation: string, users: readonly string[], kind: number): void
  /** Whether nothing is left of what a message said, in a conversation that is at home there. */
  isGone(shard: number, conversation: string, seq: number): Promise<boolean>
}

/** Slots in as many equal parts as there are shards. */
export function evenTable(shards: number): (slot: number) => number {
  return (slot) => Math.floor(slot * shards / SLOT_COUNT)
}

/** The home of a user or conversation. */
export function homeOf(federation: Pick<Federation, 'shardOf'>, name: string): number {
  return federation.shardOf(slotOf(name))
}
