/**
 * Who is here: the sessions of devices at their user's shard, and those of users at home elsewhere that have given commands. When the
 * store fails all of them end; their stamps and their number go on from life to life.
 */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { VisitingSession } from '../channels/visiting-session.js'
import type { ShardEnvironment } from './environment.js'
import type { Feed } from './feed.js'
import type { LateWrites } from './late-writes.js'
import type { UserState } from './user-state.js'

/** Sessions that may begin in a millisecond, on average over a shard's life, before its stamps are ahead of the clock. */
const STAMPS_BY_MS = 1024

/** What sessions ask of their shard. */
export interface SessionsHost {
  readonly environment: Pick<ShardEnvironment, 'clock' | 'firstStamp'>
  /** The transaction that fills at present. */
  readonly transaction: { readonly late: LateWrites }
  /** Asks for a commit before long that writes what can wait. */
  scheduleLazily(): void
}

export class Sessions {
  readonly #host: SessionsHost
  readonly #feeds = new Set<Feed>()
  /** Of users at home elsewhere, who have sent commands here. */
  readonly visiting = new Set<VisitingSession>()
  #lastStamp: number
  #online = 0
  /** Told of every session that is over, by whoever ended it. */
  onRemoved: (feed: Feed) => void = () => {}

  constructor(host: SessionsHost) {
    const { firstStamp, clock } = host.environment
    this.#host = host
    this.#lastStamp = firstStamp ?? clock.nowMs() * STAMPS_BY_MS
  }

  get size(): number {
    return this.#feeds.size
  }

  /** Users with a session or more. */
  get online(): number {
    return this.#online
  }

  /** In the order in which they began; some may go and come meanwhile. */
  [Symbol.iterator](): Iterator<Feed> {
    return this.#feeds.values()
  }

  /** Of the next session; see Attached.stamp. */
  nextStamp(): number {
    return ++this.#lastStamp
  }

  add(feed: Feed): void {
    this.#feeds.add(feed)
    if (!feed.user.isOnline) this.#online++
    feed.user.addFeed(feed)
    feed.device.feed = feed
  }

  /** The session is over; its device's place in the queue stays. */
  remove(feed: Feed): void {
    feed.end()
    if (!this.#feeds.delete(feed)) return
    feed.user.removeFeed(feed)
    if (!feed.user.isOnline) this.#online--
    if (feed.device.feed === feed) feed.device.feed = null
    feed.device.lastActiveMs = this.#host.environment.clock.nowMs()
    if (feed.user.alive && feed.user.devices.includes(feed.device)) {
      this.#host.transaction.late.moveCursor(feed.user, feed.device)
      this.#host.scheduleLazily()
    }
    this.onRemoved(feed)
  }

  expel(feed: Feed, error: ErrorCode): void {
    this.remove(feed)
    feed.sink.ended(error)
  }

  /** The store has failed. */
  expelAll(): void {
    for (const feed of [...this.#feeds]) this.expel(feed, ERROR.storageUnavailable)
    this.expelVisitors()
  }

  /** What they have asked for and was not answered is lost here. */
  expelVisitors(): void {
    for (const session of [...this.visiting]) session.expel(ERROR.storageUnavailable)
  }

  /** When the user was last seen goes along with some commit. */
  noteSeen(user: UserState, lastSeenMs: number): void {
    if (!user.alive || !user.exists) return
    user.lastSeenMs = lastSeenMs
    this.#host.transaction.late.noteSeen(user)
    this.#host.scheduleLazily()
  }
}
