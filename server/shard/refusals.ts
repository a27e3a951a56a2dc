/** Why a user may not send a message to a conversation, as far as the conversation and what is on its way to others say it. Pure. */
import { isGroup } from '../../protocol/address.js'
import { hasRoomForExpiry } from '../../protocol/expiry.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { readReferences } from '../../protocol/references.js'
import { mayReadSeq } from '../groups/access.js'
import { mayPost } from '../groups/rights.js'
import { ACQUAINTANCES } from '../profiles/pair.js'
import { strangerWaitMs } from '../profiles/stranger-allowance.js'
import { RouterError } from '../router/router.js'
import type { Author } from './author.js'
import type { ShardLimits } from './environment.js'
import type { ConversationState } from './conversation-state.js'
import type { UserState } from './user-state.js'
import { Answer, type Route } from './transaction.js'

/** Told to a client whose command finds too much under way to another shard. */
export const BUSY_RETRY_MS = 1000

type StrangerLimits = Pick<ShardLimits, 'strangerPerSecond' | 'strangerBurst'>

/** Why the user may not send to the conversation; 0: it may. [GRP-4] */
export function refusalFor({ conversation, users }: Route, sender: UserState): ErrorCode | 0 {
  if (isGroup(conversation.name)) {
    const membership = conversation.member(sender.name)?.membership ?? null
    if (conversation.group === null || membership === null) return ERROR.noSuchConversation
    return mayPost(conversation.group, membership) ? 0 : ERROR.notAllowed
  }
  for (const user of users) if (!user.exists) return ERROR.noSuchUser
  return 0
}

/** Why the message may not carry these extensions; 0: it may. [OPS-16] [DIS-2] */
export function refusalOfExtensions(conversation: ConversationState, sender: UserState, extensions: Uint8Array): ErrorCode | 0 {
  if (conversation.timerMs > 0 && !hasRoomForExpiry(extensions)) return ERROR.badRequest
  const replyTo = readReferences(extensions)?.replyTo ?? 0
  return replyTo === 0 || mayRead(conversation, sender, replyTo) ? 0 : ERROR.noSuchMessage
}

/** Whether there is such a seq, and the user may read it. */
export function mayRead(conversation: ConversationState, { name }: UserState, seq: number): boolean {
  if (seq > conversation.tail || seq <= conversation.trimmedTo) return false
  return mayReadSeq(conversation, name, seq)
}

/** What is told of a message between two users for how they stand to each other; null: it may be sent. [PRF-13] [PRF-18] */
export function refusedPair(conversation: ConversationState, author: Author, clientId: number, limits: StrangerLimits, nowMs: number): Answer | null {
  if (conversation.pair === null || conversation.pair === ACQUAINTANCES) return null
  if (conversation.side(author.user.name)?.isBlocking === true) return new Answer(author, clientId, ERROR.contactBlocked, 0, 0)
  return refusedStranger(conversation, author, clientId, limits, nowMs)
}

/** The same of what reaches somebody who has not answered, where it is too much. [PRF-18] [PRF-21] */
export function refusedStranger(conversation: ConversationState, author: Author, clientId: number, limits: StrangerLimits, nowMs: number): Answer | null {
  const waitMs = strangerWaitMs(conversation, author.user.name, limits, nowMs)
  return waitMs > 0 ? new Answer(author, clientId, ERROR.rateLimited, 0, waitMs) : null
}

/** The same of what would add to a channel that holds too much already. */
export function refusedBusy(route: Route, author: Author, clientId: number): Answer | null {
  return route.channels.length > 0 && route.isBusy ? new Answer(author, clientId, ERROR.unavailable, 0, BUSY_RETRY_MS) : null
}

/** Throws RouterError unavailable where a change of this conversation would add to such a channel. */
export function mustHaveRoom({ channels, isBusy }: Route): void {
  if (channels.length > 0 && isBusy) throw new RouterError(ERROR.unavailable, 'too much is under way to another shard', { retryAfterMs: BUSY_RETRY_MS })
}
