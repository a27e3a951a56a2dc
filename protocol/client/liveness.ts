/** Whether the peer still lives: when to send a ping, and when its silence means that the connection is dead. */
import { LIMIT } from '../generated/registry.js'

/** A ping goes out this much before the silence gets as long as allowed, so that a late timer does no harm. [KAL-1] */
const KEEP_ALIVE_SHARE = 0.9

export class Liveness {
  #keepAliveMs: number = LIMIT.keepAliveMs
  #sentMs = 0
  #heardMs = 0
  /** When the ping without an answer was sent; -1: none. */
  #pingMs = -1
  /** When the last stanza was sent that has no answer yet; -1: none. */
  #askedMs = -1

  opened(nowMs: number, keepAliveMs: number): void {
    this.#keepAliveMs = keepAliveMs
    this.#sentMs = nowMs
    this.#heardMs = nowMs
    this.#pingMs = -1
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs
    // Anything heard is a sign of life as good as the pong. [KAL-4]
    this.#pingMs = -1
  }

  sent(nowMs: number): void {
    this.#sentMs = nowMs
  }

  pinged(nowMs: number): void {
    this.#pingMs = nowMs
  }

  /** A stanza or query went out; `answered` when none is without an answer any more. */
  asked(nowMs: number): void {
    this.#askedMs = nowMs
  }

  answered(): void {
    this.#askedMs = -1
  }

  /** When a ping is due. [KAL-1] [KAL-5] */
  get pingDueMs(): number {
    if (this.#pingMs >= 0) return Infinity
    const idleDueMs = this.#sentMs + this.#keepAliveMs * KEEP_ALIVE_SHARE
    if (this.#askedMs < 0) return idleDueMs
    return Math.min(idleDueMs, Math.max(this.#askedMs, this.#heardMs) + LIMIT.pongTimeoutMs)
  }

  /** When the connection counts as dead. [KAL-4] */
  get deadMs(): number {
    return this.#pingMs < 0 ? Infinity : this.#pingMs + LIMIT.pongTimeoutMs
  }
}
