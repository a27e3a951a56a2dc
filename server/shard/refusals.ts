/** Why a user may not send a message to a conversation, as far as conversation and message alone say it. Pure. */
import { isGroup } from '../../protocol/address.js'
import { hasRoomForExpiry } from '../../protocol/expiry.js'
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { readReferences } from '../../protocol/references.js'
import { mayReadSeq } from '../groups/access.js'
import { mayPost } from '../groups/rights.js'
import type { ConversationState, UserState } from './state.js'
import type { Route } from './transaction.js'

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
