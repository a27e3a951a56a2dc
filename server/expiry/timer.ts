/** The timer of a pair, or of one's notes: changed in one turn of its conversation, and told to who may know of it. [DIS-1] */
import { element, type Element, encodeElement } from '../../protocol/element.js'
import { encodeChange } from '../../protocol/generated/frames.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { Away } from '../channels/outgoing.js'
import { RouterError } from '../router/router.js'
import { appendShared } from '../shard/queue.js'
import { encodeConversation } from '../shard/records.js'
import { ANY_INDEX, SharedEntry } from '../shard/shared-entry.js'
import { conversationAddress } from '../shard/conversation-state.js'
import type { Route, Transaction } from '../shard/transaction.js'

/** As it stands in the log. */
export function timerElement(afterMs: number): Element {
  return element('timer', { after: afterMs })
}

/**
 * Returns the seq that it took, 0 where it was so already. Throws RouterError before anything has changed, as `charge` may, which is
 * called for a change alone.
 */
export function setPairTimer(
  transaction: Transaction, route: Route, author: string, afterMs: number, nowMs: number, checkpointEvery: number, charge: () => void,
): number {
  const { conversation, users, channels } = route
  if (conversation.side(author)?.isBlocking === true) throw new RouterError(ERROR.contactBlocked, 'the other user is blocked')
  if (conversation.timerMs === afterMs) return 0
  charge()
  conversation.timerMs = afterMs
  const seq = ++conversation.tail
  const timeMs = conversation.lastTimeMs = Math.max(nowMs, conversation.lastTimeMs)
  const change = timerElement(afterMs)
  transaction.putChange(conversation, seq, author, timeMs, change)
  transaction.batch.put(conversation.keys.meta(), encodeConversation(conversation))
  const away = channels.length === 0 ? null : new Away()
  for (const user of users) {
    // To who has blocked its author it does not exist. [PRF-10]
    if (!user.exists || (user.name !== author && conversation.side(user.name)?.isBlocking === true)) continue
    if (away !== null && user.channel !== null) {
      away.add(user.channel, user.name)
      continue
    }
    const address = conversationAddress(conversation, user.name)
    appendShared(transaction, user, SharedEntry.of(encodeChange(ANY_INDEX, address, author, seq, timeMs, change)), 0, address, author, seq)
  }
  away?.send(transaction, (members) => (
    { kind: 'change', conversation: conversation.name, from: author, seq, timeMs, change: encodeElement(change), members }
  ))
  // So that who loads it has no more of the log to read than after messages.
  if (seq - conversation.checkpointSeq >= checkpointEvery) transaction.markDirty(route)
  return seq
}
