/**
 * Other shards that watch users of this one, for their own sessions: one watch for each user and shard, however many watch there. What a
 * user does goes there as it goes to sessions, with a number, so that what is lost is missed. Nothing is stored: a shard that is not heard
 * of for a while is forgotten, and one that finds that it was watches anew.
 */
import { PRESENCE } from '../../protocol/generated/registry.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { PresenceCore } from './core.js'
import type { PresenceSink, Seat, Watch } from './watch.js'
import type { PresenceLimits } from './limits.js'
import type { PresenceState, Told, ViewChange } from './news.js'

/** In renewals: for how long a shard is not heard of before it is forgotten. */
const SILENT_RENEWALS_MAX = 3

export interface FollowersHost {
  readonly core: PresenceCore
  readonly environment: Pick<ShardEnvironment, 'clock' | 'scheduler' | 'random32'>
  readonly limits: PresenceLimits
  tell(shard: number, told: Told, states: readonly PresenceState[], changes: readonly ViewChange[]): void
}

export class Followers {
  readonly #host: FollowersHost
  readonly #followers = new Map<number, Follower>()
  #isWatching = false

  constructor(host: FollowersHost) {
    this.#host = host
  }

  /** A shard wants to know of these users, by its request of that number. Returns their watches, of which what they do will be told anew. */
  watch(shard: number, life: number, number: number, users: Iterable<string>): Watch[] {
    const { seat, asked } = this.#heard(shard, life)
    const watches: Watch[] = []
    for (const user of users) {
      asked.set(user, number)
      const watch = this.#host.core.watch(seat, user)
      if (watch !== null) watches.push(watch)
    }
    return watches
  }

  /** It does not any more, unless it has asked again later than this. */
  unwatch(shard: number, life: number, number: number, users: Iterable<string>): void {
    const { seat, asked } = this.#heard(shard, life)
    for (const user of users) {
      if ((asked.get(user) ?? Infinity) > number) continue
      asked.delete(user)
      this.#host.core.unwatch(seat, user)
    }
  }

  /** What it should have heard by now. */
  renew(shard: number, life: number): Told {
    return this.#heard(shard, life).told
  }

  /** What the user shows has changed, to this viewer of that shard. */
  changedFor(shard: number, user: string, viewer: string): void {
    this.#followers.get(shard)?.change(user, viewer)
  }

  /** The same to all. */
  changed(user: string): void {
    for (const follower of this.#followers.values()) follower.change(user, '')
  }

  /** A shard that has begun anew has forgotten what it watched. */
  #heard(shard: number, life: number): Follower {
    const { core, environment: { clock, random32 } } = this.#host
    let follower = this.#followers.get(shard)
    if (follower?.theirLife !== life) {
      this.#drop(shard)
      // Never 0, which says that nothing has been heard.
      follower = new Follower(shard, life, 1 + random32(), this.#host)
      follower.seat = core.enterShard(follower)
      this.#followers.set(shard, follower)
      this.#lookLater()
    }
    follower.heardMs = clock.nowMs()
    return follower
  }

  #drop(shard: number): void {
    const follower = this.#followers.get(shard)
    if (follower === undefined) return
    this.#host.core.leave(follower.seat)
    this.#followers.delete(shard)
  }

  #lookLater(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    const { environment: { clock, scheduler }, limits: { renewMs } } = this.#host
    scheduler.after(renewMs, () => {
      this.#isWatching = false
      for (const [shard, { heardMs }] of this.#followers) if (clock.nowMs() - heardMs > SILENT_RENEWALS_MAX * renewMs) this.#drop(shard)
      if (this.#followers.size > 0) this.#lookLater()
    })
  }
}

/** One of them: gathers what it is told in a turn. */
class Follower implements PresenceSink {
  readonly #shard: number
  readonly theirLife: number
  readonly #life: number
  readonly #host: FollowersHost
  seat!: Seat
  /** By user, the number of the request that asked for it last. */
  readonly asked = new Map<string, number>()
  heardMs = 0
  #number = 0
  #states = new Map<string, PresenceState>()
  #changes = new Map<string, ViewChange>()
  #isDue = false

  constructor(shard: number, theirLife: number, life: number, host: FollowersHost) {
    this.#shard = shard
    this.theirLife = theirLife
    this.#life = life
    this.#host = host
  }

  get told(): Told {
    return { life: this.#life, number: this.#number }
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    this.#states.set(user, { user, isActive: state === PRESENCE.online, lastSeenMs })
    this.#tellSoon()
    return true
  }

  /** Nobody types to a shard: that goes its own way. */
  typing(): void {}

  change(user: string, viewer: string): void {
    if (!this.asked.has(user)) return
    this.#changes.set(`${user} ${viewer}`, { user, viewer })
    this.#tellSoon()
  }

  #tellSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#host.environment.scheduler.defer(() => {
      this.#isDue = false
      const [states, changes] = [[...this.#states.values()], [...this.#changes.values()]]
      this.#states = new Map()
      this.#changes = new Map()
      this.#number++
      this.#host.tell(this.#shard, this.told, states, changes)
    })
  }
}
