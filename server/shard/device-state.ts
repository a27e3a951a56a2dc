/** A device of a user in memory, with its session, if it has one, and how far it has come in the queue. */
import type { Feed } from './feed.js'

/** A token as the server keeps it. [TOK-1] */
export interface TokenSlot {
  /** SHA-256 of the token, packed; see packed.ts. */
  readonly hash: string
  readonly issuedMs: number
}

export class DeviceState {
  readonly number: number
  readonly id: string
  readonly createdMs: number
  name: string
  lastActiveMs: number
  /** The highest epoch given to the device; its client ids count under it. */
  outboxEpoch = 0
  /** Last index the device has acknowledged. */
  cursor = 0
  /** The token last used, and the one issued since. [TOK-2] */
  tokenUsed: TokenSlot | null = null
  tokenIssued: TokenSlot | null = null
  /** Whether it has a place in the queue: false until it first binds to be sent entries. [QUE-18] */
  takes = true
  /** The open session of this device. */
  feed: Feed | null = null
  /** Whether its cursor is among what waits to be written late. */
  isMoved = false

  /**
   * Up to here the device needs no entry any more: what it has acknowledged, but not what its open session has yet to be sent again. A bind that comes late may
   * name more than the session that has begun since.
   */
  get doneTo(): number {
    if (!this.takes) return Infinity
    return this.isFed ? Math.min(this.cursor, this.feed!.acknowledged) : this.cursor
  }

  /** Whether its open session is sent entries. */
  get isFed(): boolean {
    return this.feed?.takes === true
  }

  constructor(number: number, id: string, name: string, createdMs: number) {
    this.number = number
    this.id = id
    this.name = name
    this.createdMs = createdMs
    this.lastActiveMs = createdMs
  }
}
