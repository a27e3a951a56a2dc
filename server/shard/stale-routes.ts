/**
 * Routes hold the states of all members, also of those that were let go since: whoever writes by one finds that out, but a session may
 * never write to a conversation again. So for each state that goes a session and a conversation are looked at, in turn: what is held
 * without need is at most about as many states as there are sessions and conversations in memory.
 */
import type { Feed } from './feed.js'
import type { ConversationState } from './conversation-state.js'

export class StaleRoutes {
  readonly #feeds: Rotation<Feed>
  readonly #conversations: Rotation<ConversationState>

  constructor(feeds: Iterable<Feed>, conversations: Iterable<ConversationState>) {
    this.#feeds = new Rotation(feeds)
    this.#conversations = new Rotation(conversations)
  }

  /** Called for each state that is let go. */
  look(): void {
    this.#feeds.next()?.forgetStale()
    const conversation = this.#conversations.next()
    if (conversation?.route?.isAlive === false) conversation.route = null
  }
}

/** One after the other, and again from the beginning; sets and maps may change on the way. */
class Rotation<T> {
  readonly #all: Iterable<T>
  #at: Iterator<T> | null = null

  constructor(all: Iterable<T>) {
    this.#all = all
  }

  next(): T | null {
    this.#at ??= this.#all[Symbol.iterator]()
    const next = this.#at.next() as IteratorResult<T, undefined>
    if (next.done !== true) return next.value
    this.#at = null
    return null
  }
}
