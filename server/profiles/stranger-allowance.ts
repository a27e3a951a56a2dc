/** How many messages somebody may send who has not been answered [PRF-18]; also how many reports. */
import type { ShardLimits } from '../shard/environment.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { ACQUAINTANCES } from './pair.js'

/** Who is refused stays so for at least this long: what is in flight behind it must not pass it. [MSG-21] */
const WAIT_MS_MIN = 500

export class StrangerAllowance {
  #tokens: number
  #filledMs: number
  #refusedUntilMs = 0

  constructor(burst: number, nowMs: number) {
    this.#tokens = burst
    this.#filledMs = nowMs
  }

  /** 0: one was taken off it; else the milliseconds until there is room, at least 1. A clock set back gives nothing. */
  take(perSecond: number, burst: number, nowMs: number): number {
    const passedMs = nowMs - this.#filledMs
    this.#filledMs = nowMs
    this.#tokens = Math.min(burst, this.#tokens + Math.max(0, passedMs) * perSecond / 1000)
    // Set back, the clock would keep it refused for as long.
    if (passedMs < 0) this.#refusedUntilMs = 0
    if (nowMs < this.#refusedUntilMs) return this.#refusedUntilMs - nowMs
    if (this.#tokens >= 1) {
      this.#tokens--
      return 0
    }
    const waitMs = Math.max(WAIT_MS_MIN, Math.ceil((1 - this.#tokens) * 1000 / perSecond))
    this.#refusedUntilMs = nowMs + waitMs
    return waitMs
  }
}

/** How long the user has to wait before something more of it may reach who has not answered; 0: it may now, and is counted. [PRF-18] [PRF-21] */
export function strangerWaitMs(
  conversation: ConversationState, user: string, { strangerPerSecond, strangerBurst }: Pick<ShardLimits, 'strangerPerSecond' | 'strangerBurst'>, nowMs: number,
): number {
  const { pair } = conversation
  if (pair === null || pair === ACQUAINTANCES) return 0
  const other = conversation.positionOf(user) === 0 ? pair[1] : pair[0]
  if (other.hasWritten || other.isContact || strangerPerSecond === 0) return 0
  conversation.strangerAllowance ??= new StrangerAllowance(strangerBurst, nowMs)
  return conversation.strangerAllowance.take(strangerPerSecond, strangerBurst, nowMs)
}
