/** What of a conversation a user may read, looked at whenever it reads. [GRP-9] */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Interval } from './group-state.js'

const EVERYTHING: readonly Interval[] = [{ from: 1, to: Infinity }]
const NOTHING: readonly Interval[] = []

/** Ascending; empty: nothing. Of a pair both read everything but what was written while they had blocked the other. [PRF-10] */
export function readableBy(conversation: ConversationState, user: string): readonly Interval[] {
  const { group } = conversation
  const member = conversation.member(user)
  if (group === null) return member === undefined ? NOTHING : conversation.side(user)?.visibleIntervals ?? EVERYTHING
  return member?.membership?.intervals ?? group.former.get(user)?.intervals ?? NOTHING
}

/** The same for who asks for it. Throws RouterError no-such-conversation where that is nothing, or there is none for the user. */
export function mustRead(conversation: ConversationState, user: string): readonly Interval[] {
  const intervals = readableBy(conversation, user)
  if (intervals.length === 0 || conversation.isHiddenFrom(user)) throw noSuchConversation()
  return intervals
}

/** Throws RouterError no-such-conversation where the user is no member, or there is none for the user. */
export function mustBeMember(conversation: ConversationState, user: string): void {
  if (conversation.member(user) === undefined || conversation.isHiddenFrom(user)) throw noSuchConversation()
}

function noSuchConversation(): RouterError {
  return new RouterError(ERROR.noSuchConversation, 'there is no such conversation')
}

/** Whether this seq is one that the user may read, if there is such a one. */
export function mayReadSeq(conversation: ConversationState, user: string, seq: number): boolean {
  return includes(readableBy(conversation, user), seq)
}

/** Whether there is somebody who may read the one seq, and not the later other one: who has left between them, or has blocked. */
export function endsBetween(conversation: ConversationState, seq: number, later: number): boolean {
  const { group, members } = conversation
  const lists = group === null ? members.map(({ user }) => readableBy(conversation, user)) : [...group.former.values()].map(({ intervals }) => intervals)
  return lists.some((intervals) => includes(intervals, seq) && !includes(intervals, later))
}

function includes(intervals: readonly Interval[], seq: number): boolean {
  return intervals.some(({ from, to }) => seq >= from && seq <= to)
}

/** The last seq that exists for who may read these intervals; 0: none. */
export function tailWithin(intervals: readonly Interval[], tail: number): number {
  for (let i = intervals.length - 1; i >= 0; i--) {
    const { from, to } = intervals[i]!
    if (from <= tail) return Math.min(to, tail)
  }
  return 0
}
