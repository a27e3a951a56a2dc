/**
 * Tells watchers what has changed: after a delay, so that who flaps costs one frame or none; a turn's worth of frames at a time; and later
 * where a connection is busy. What is told is what is true by then, and only where it differs from what was told last.
 */
import { PRESENCE } from '../../protocol/generated/registry.js'
import type { Scheduler } from '../shard/environment.js'
import { Fifo } from '../shard/fifo.js'
import type { PresenceLimits } from './limits.js'
import { SEES_BEFORE, SEES_LAST_SEEN, SEES_ONLINE } from './privacy.js'
import type { User, Watch } from './watch.js'

export interface TellingHost {
  readonly scheduler: Scheduler
  readonly limits: PresenceLimits
}

export class Telling {
  readonly #host: TellingHost
  /** To be looked at when the delay is over. */
  #changed: User[] = []
  #isDelaying = false
  /** To be told in the next turns. */
  readonly #due = new Fifo<Watch>()
  #isTelling = false
  /** Those whose connection was busy. */
  #late: Watch[] = []

  constructor(host: TellingHost) {
    this.#host = host
  }

  /** The user came or went: its watchers are told after the delay. */
  noteChange(user: User): void {
    if (user.watchers === null || user.hasChanged) return
    user.hasChanged = true
    this.#changed.push(user)
    if (this.#isDelaying) return
    this.#isDelaying = true
    this.#host.scheduler.after(this.#host.limits.delayMs, () => {
      this.#isDelaying = false
      const changed = this.#changed
      this.#changed = []
      for (const user of changed) {
        user.hasChanged = false
        for (const watch of user.watchers ?? []) this.queue(watch)
      }
    })
  }

  /** The watcher is told in one of the next turns, if it may be. */
  queue(watch: Watch): void {
    if (watch.isQueued || watch.isOver || !watch.isKnown || !watch.user.isHeard || !watch.seat.isActive) return
    watch.isQueued = true
    this.#due.push(watch)
    this.#tellSoon()
  }

  #tellSoon(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    this.#host.scheduler.defer(() => {
      this.#isTelling = false
      this.#tellSome()
    })
  }

  /** A turn's worth of frames. */
  #tellSome(): void {
    for (let count = 0; count < this.#host.limits.turnFramesMax; count++) {
      const watch = this.#due.shift()
      if (watch === undefined) return
      watch.isQueued = false
      this.#tell(watch)
    }
    if (this.#due.length > 0) this.#tellSoon()
  }

  #tell(watch: Watch): void {
    if (watch.isOver || !watch.seat.isActive) return
    const { user, sees } = watch
    const isOnline = (sees & SEES_ONLINE) !== 0 && user.active > 0
    const state = isOnline ? PRESENCE.online : PRESENCE.offline
    // Of a user who is online that is the time before, so that it does not tell what is not shown. [PRS-9]
    const isTimeHidden = (sees & SEES_LAST_SEEN) === 0 || (isOnline && (sees & SEES_BEFORE) === 0)
    const lastSeenMs = isTimeHidden ? 0 : user.lastSeenMs
    if (state === watch.toldState && lastSeenMs === watch.toldMs) return
    if (watch.seat.sink.presence(user.name, state, lastSeenMs)) {
      watch.toldState = state
      watch.toldMs = lastSeenMs
      if (isOnline) user.isToldOnline = true
    } else {
      this.#tellLater(watch)
    }
  }

  /** What is true then, once for all that happens meanwhile. [PRS-1] */
  #tellLater(watch: Watch): void {
    watch.isQueued = true
    this.#late.push(watch)
    if (this.#late.length > 1) return
    this.#host.scheduler.after(this.#host.limits.retryMs, () => {
      const late = this.#late
      this.#late = []
      for (const watch of late) {
        watch.isQueued = false
        this.queue(watch)
      }
    })
  }
}
