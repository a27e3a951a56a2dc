/** Keeps when users were last seen: once in a while for all who stay connected, and for who leaves with the end of its session. [PRS-4] */
import type { Clock, Scheduler } from '../shard/environment.js'
import type { PresenceLimits } from './limits.js'
import type { User } from './watch.js'

export interface LastSeenHost {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly limits: PresenceLimits
  /** Last seen is to be stored; nobody waits for it. */
  save(user: string, lastSeenMs: number): void
}

export class LastSeen {
  readonly #host: LastSeenHost
  /** Users to be saved when it is time for it. */
  readonly #unsaved = new Set<User>()
  #isDue = false

  constructor(host: LastSeenHost) {
    this.#host = host
  }

  /** Once in a while for all; who leaves is saved then. */
  saveLater(user: User): void {
    if (user.isUnsaved) return
    user.isUnsaved = true
    this.#unsaved.add(user)
    if (this.#isDue) return
    this.#isDue = true
    this.#host.scheduler.after(this.#host.limits.saveEveryMs, () => {
      this.#isDue = false
      this.#saveSome([...this.#unsaved], 0)
    })
  }

  /** A turn's worth of rows. */
  #saveSome(users: readonly User[], from: number): void {
    const to = Math.min(users.length, from + this.#host.limits.turnFramesMax)
    for (let i = from; i < to; i++) this.save(users[i]!)
    if (to < users.length) this.#host.scheduler.defer(() => { this.#saveSome(users, to) })
  }

  save(user: User): void {
    if (!user.isUnsaved) return
    user.isUnsaved = false
    this.#unsaved.delete(user)
    const isSeen = user.active > 0 && this.#host.clock.nowMs() - user.cameMs >= this.#host.limits.delayMs
    const lastSeenMs = isSeen ? this.#host.clock.nowMs() : user.lastSeenMs
    if (lastSeenMs > 0) this.#host.save(user.name, lastSeenMs)
  }
}
