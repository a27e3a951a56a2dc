/**
 * What a shard knows of the others: which of them is home to whom, and how to reach them. Users and conversations are at home in the shard
 * that owns their slot. Without a federation a shard is home to all.
 */
import { slotOf, SLOT_COUNT } from '../../storage/slots.js'
import type { ChannelLimits } from './limits.js'
import type { AnswerOf, ArgsOfQuestion, NoticeName, QuestionName } from './questions.js'

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

/** The other shards. What is sent may be lost, doubled or late. */
export interface Peers {
  /**
   * Entries of the channel to that shard, packed, from number `first` on. false: nobody takes them at present, and as soon as that changes the
   * other shard says how much it has.
   */
  offer(to: number, first: number, entries: Uint8Array): boolean
  /** This shard has all of the channel from that one up to `cursor` on disk; `again`: what comes behind it has to come once more. */
  confirm(to: number, cursor: number, again: boolean): void
  /** One of the questions of the table, asked of that shard. Rejects with RouterError, or is never answered. */
  ask<N extends QuestionName>(shard: number, name: N, ...args: ArgsOfQuestion<N>): Promise<AnswerOf<N>>
  /** Whether there is a way to that shard at present. */
  isReached(shard: number): boolean
  /** Told to that shard, or lost. */
  tell<N extends NoticeName>(shard: number, name: N, ...args: ArgsOfQuestion<N>): void
}

/** Slots in as many equal parts as there are shards. */
export function evenTable(shards: number): (slot: number) => number {
  return (slot) => Math.floor(slot * shards / SLOT_COUNT)
}

/** The home of a user or conversation. */
export function homeOf(federation: Pick<Federation, 'shardOf'>, name: string): number {
  return federation.shardOf(slotOf(name))
}
