/** An account at home elsewhere goes, and leaves a group that is at home here: nobody waits for that, and nothing refuses it. */
import type { GateTask } from '../shard/gate.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { concernedBy } from './rights.js'
import { type GroupHost, GroupWork } from './group-work.js'

const LEAVE = { kind: 'leave' } as const

/** @param isDone called where there is nothing to do */
export function leaving(host: GroupHost, user: string, isDone: () => void): GateTask {
  return {
    prepare: (conversation) => {
      if (isIn(conversation, user)) return [user, ...concernedBy(LEAVE, conversation)]
      isDone()
      return null
    },
    run: (route) => {
      // Nobody comes in by it, so how many may is no matter.
      new GroupWork(host, route, 0).change(user, LEAVE)
      host.schedule()
    },
  }
}

function isIn(conversation: ConversationState, user: string): boolean {
  return conversation.member(user) !== undefined || conversation.group?.guests.has(user) === true
}
