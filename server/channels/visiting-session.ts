/** A session at home in another shard, as the author of commands in this one. Answers go to its sink as its own shard's do. */
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { userKeys } from '../../storage/keyspace.js'
import type { Attachment } from '../router/router.js'
import type { Author } from '../shard/author.js'
import type { Feed } from '../shard/feed.js'
import type { Shard } from '../shard/shard.js'
import { UserState } from '../shard/state.js'
import type { Route } from '../shard/transaction.js'

/** Conversations that a session finds without looking them up. */
const ROUTES_MAX = 64

export class VisitingSession implements Attachment, Author {
  readonly shard: Shard
  readonly #home: Shard
  readonly #feed: Feed
  #user: UserState
  readonly routes = new Map<string, Route>()

  constructor(shard: Shard, home: Shard, feed: Feed) {
    this.shard = shard
    this.#home = home
    this.#feed = feed
    this.#user = new UserState(feed.user.name, userKeys(feed.user.name))
    this.#user.die()
    shard.visiting.add(this)
  }

  /** While none of its conversations is in memory a stand-in, of which nothing but the name counts. */
  get user(): UserState {
    if (!this.#user.alive) this.#user = this.shard.lookup(this.#user.name) ?? this.#user
    return this.#user
  }

  get device(): { readonly number: number } {
    return this.#feed.device
  }

  get outboxEpoch(): number {
    return this.#feed.outboxEpoch
  }

  get hasEnded(): boolean {
    return this.#feed.hasEnded
  }

  get sink(): Feed['sink'] {
    return this.#feed.sink
  }

  remember(address: string, route: Route): void {
    for (const [known, { isAlive }] of this.routes) if (!isAlive) this.routes.delete(known)
    const oldest = this.routes.keys().next()
    if (this.routes.size >= ROUTES_MAX && oldest.done !== true) this.routes.delete(oldest.value)
    this.routes.set(address, route)
  }

  /** What it has sent here is lost: it has to begin anew, and to send it again. */
  expel(error: ErrorCode): void {
    this.leave()
    if (!this.#feed.hasEnded) this.#home.expel(this.#feed, error)
  }

  /** It has ended. */
  leave(): void {
    this.shard.visiting.delete(this)
  }
}
