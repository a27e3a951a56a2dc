/** Timers of conversations, as their members ask for them and change them. Each promise is rejected with RouterError. [DIS-1] [DIS-7] */
import { isGroup } from '../../protocol/address.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { mustBeMember } from '../groups/access.js'
import type { Groups } from '../groups/groups.js'
import { strangerWaitMs } from '../profiles/stranger-allowance.js'
import { RouterError } from '../router/router.js'
import { mustHaveRoom } from '../shard/refusals.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { setPairTimer } from './timer.js'

const DAY_MS = 86_400_000

/** What sessions ask of the router. Addresses are normalised. */
export interface TimerCommands {
  /** In milliseconds; 0: off. */
  get(user: string, address: string): Promise<number>
  /** Resolves, once it is on disk, with the seq that the change took; 0: it was so already. */
  set(user: string, address: string, afterMs: number): Promise<number>
}

export class Timers implements TimerCommands {
  readonly #shard: Shard
  readonly #groups: Groups

  constructor(shard: Shard, groups: Groups) {
    this.#shard = shard
    this.#groups = groups
  }

  async get(user: string, address: string): Promise<number> {
    const conversation = await this.#shard.conversation(conversationName(user, address))
    mustBeMember(conversation, user)
    const { timerMs } = conversation
    if (!this.#shard.isSettledButForLate(conversation)) await this.#shard.committed()
    return timerMs
  }

  async set(user: string, address: string, afterMs: number): Promise<number> {
    if (afterMs !== 0 && (afterMs < LIMIT.timerMinMs || afterMs > LIMIT.timerMaxMs)) {
      throw new RouterError(ERROR.badRequest, `messages disappear after ${String(LIMIT.timerMinMs / 1000)} seconds at least and ${String(LIMIT.timerMaxMs / DAY_MS)} days at most`)
    }
    if (isGroup(address)) return this.#groups.change(user, address, { kind: 'timer', afterMs })
    return this.#shard.inTurn(conversationName(user, address), [], (route) => {
      mustBeMember(route.conversation, user)
      mustHaveRoom(route)
      const { transaction, nowMs, environment } = this.#shard
      const seq = setPairTimer(transaction, route, user, afterMs, nowMs, environment.limits.checkpointEvery, () => {
        const waitMs = strangerWaitMs(route.conversation, user, this.#shard.environment.limits, nowMs)
        if (waitMs > 0) throw new RouterError(ERROR.rateLimited, 'the other user has not answered', { retryAfterMs: waitMs })
      })
      this.#shard.schedule()
      return seq
    })
  }
}
