/**
 * Presences that a session's connection was too busy for, at a node that gets them over a link: the shard can't be told in time, so
 * they wait here, the latest of each user, and are told when there is room. See PresenceCore, which does the same for its own. [PRS-1]
 */
import { ACTIVITY } from '../../protocol/generated/registry.js'
import { normalizeUser } from '../../protocol/address.js'
import type { PresenceSink } from '../presence/watch.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import type { Scheduler } from '../shard/environment.js'

interface Place {
  readonly sink: PresenceSink
}

interface Late {
  readonly state: number
  readonly lastSeenMs: number
}

export class LatePresences {
  readonly #scheduler: Scheduler
  /** By place, then by user: never more than it watches. */
  readonly #late = new Map<Place, Map<string, Late>>()
  /** Told nothing until they are active again. */
  readonly #inactive = new Set<Place>()
  #isWaiting = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  tell(place: Place, user: string, state: number, lastSeenMs: number): void {
    const late = this.#late.get(place)
    // What came before it is not to be told any more.
    late?.delete(user)
    if (place.sink.presence(user, state, lastSeenMs)) return
    if (late === undefined) this.#late.set(place, new Map([[user, { state, lastSeenMs }]]))
    else late.set(user, { state, lastSeenMs })
    this.#tellLater()
  }

  setActivity(place: Place, activity: number): void {
    if (activity === ACTIVITY.inactive) this.#inactive.add(place)
    else if (activity === ACTIVITY.active && this.#inactive.delete(place)) this.#tellLater()
  }

  /** None: all. */
  unwatch(place: Place, users: readonly string[]): void {
    if (users.length === 0) this.#late.delete(place)
    const late = this.#late.get(place)
    if (late !== undefined) for (const user of users) late.delete(normalizeUser(user) ?? user)
  }

  forget(place: Place): void {
    this.#late.delete(place)
    this.#inactive.delete(place)
  }

  #tellLater(): void {
    if (this.#isWaiting || this.#late.size === 0) return
    this.#isWaiting = true
    this.#scheduler.after(PRESENCE_LIMITS.retryMs, () => {
      this.#isWaiting = false
      let areLeft = false
      for (const [place, late] of this.#late) {
        if (this.#inactive.has(place)) continue
        for (const [user, { state, lastSeenMs }] of late) {
          if (!place.sink.presence(user, state, lastSeenMs)) break
          late.delete(user)
        }
        if (late.size === 0) this.#late.delete(place)
        else areLeft = true
      }
      if (areLeft) this.#tellLater()
    })
  }
}
