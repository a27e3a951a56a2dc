/** A session of a user who is at home in another shard, as the author of commands in this one. */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { normalizeUser } from '../../protocol/address.js'
import { userKeys } from '../../storage/user-keys.js'
import type { Visitor, VisitSink } from '../router/home-router.js'
import { type Attachment, RouterError } from '../router/router.js'
import type { Author } from '../shard/author.js'
import type { Shard } from '../shard/shard.js'
import { UserState } from '../shard/user-state.js'
import type { Route } from '../shard/transaction.js'

/** Conversations that a session finds without looking them up. */
const ROUTES_MAX = 64

export class VisitingSession implements Attachment, Author {
  readonly shard: Shard
  readonly device: { readonly number: number }
  readonly outboxEpoch: number
  readonly sink: VisitSink
  #user: UserState
  readonly routes = new Map<string, Route>()
  hasEnded = false

  /** Throws RouterError malformed-address for a name that no user has. */
  constructor(shard: Shard, { user, deviceNumber, outboxEpoch }: Visitor, sink: VisitSink) {
    if (normalizeUser(user) !== user) throw new RouterError(ERROR.malformedAddress, 'not the name of a user')
    this.shard = shard
    this.device = { number: deviceNumber }
    this.outboxEpoch = outboxEpoch
    this.sink = sink
    this.#user = new UserState(user, userKeys(user))
    this.#user.die()
    shard.sessions.visiting.add(this)
  }

  /** While none of its conversations is in memory a stand-in, of which nothing but the name counts. */
  get user(): UserState {
    if (!this.#user.alive) this.#user = this.shard.lookup(this.#user.name) ?? this.#user
    return this.#user
  }

  remember(address: string, route: Route): void {
    for (const [known, { isAlive }] of this.routes) if (!isAlive) this.routes.delete(known)
    const oldest = this.routes.keys().next()
    if (this.routes.size >= ROUTES_MAX && oldest.done !== true) this.routes.delete(oldest.value)
    this.routes.set(address, route)
  }

  /** What it has sent here and was not answered is lost. */
  expel(error: ErrorCode): void {
    if (this.hasEnded) return
    this.leave()
    this.sink.ended(error)
  }

  /** It is over, and told nothing any more. */
  leave(): void {
    this.hasEnded = true
    this.shard.sessions.visiting.delete(this)
  }
}
