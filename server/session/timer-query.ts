/** `timer`: after what time messages of a conversation disappear; asks and changes. [DIS-1] */
import { element, type Element } from '../../protocol/element.js'
import { conversationOf, optionalUint } from './query-fields.js'
import type { TimerCommands } from '../expiry/timers.js'

export async function answerTimerQuery(timers: TimerCommands, user: string, query: Element): Promise<Element> {
  const conversation = conversationOf(query)
  const after = optionalUint(query, 'after')
  if (after === null) return element('timer', { with: conversation, after: await timers.get(user, conversation), seq: 0 })
  const seq = await timers.set(user, conversation, after)
  return element('timer', { with: conversation, after, seq })
}
