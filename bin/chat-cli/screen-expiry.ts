/** What disappears goes from the screen when its time is up. Pure. [DIS-8] */
import { isGone } from './message-marks.js'
import type { ConversationState, ScreenState } from './screen-state.js'

/** Drops what has expired by this time of the server's clock. */
export function expireMessages(state: ScreenState, nowMs: number): void {
  for (const conversation of state.conversations.values()) {
    const gone = new Set(conversation.views.expire(nowMs))
    if (gone.size === 0) continue
    const unread = conversation.messages.filter(({ seq, own, isDeleted }) => gone.has(seq) && !own && isDeleted !== true && seq > conversation.read)
    conversation.unread = Math.max(0, conversation.unread - unread.length)
    conversation.messages = conversation.messages.filter(({ seq }) => !gone.has(seq))
    if (conversation.last !== null && gone.has(conversation.last.seq)) conversation.last = emptied(conversation)
  }
}

/** The list says that the last message has gone, until there is another. */
function emptied({ last }: ConversationState): ConversationState['last'] {
  return last === null ? null : { ...last, text: '', attachments: [], reactions: [] }
}

/** When there is something to drop again; Infinity: nothing will be. */
export function nextExpiryMs(state: ScreenState): number {
  let next = Infinity
  for (const { views } of state.conversations.values()) next = Math.min(next, views.nextExpiryMs)
  return next
}

/** Whether a message that comes is to be shown: of one whose time was up before, the seq is known and no more. */
export function isShown(message: Parameters<typeof isGone>[0]): boolean {
  return !isGone(message)
}
