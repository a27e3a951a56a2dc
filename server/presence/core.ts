/**
 * Who is online, who watches whom, and what to tell when. No I/O and no store: clock, scheduler and what is to be saved are passed in.
 *
 *     user ◀── seat (one for each session) ──▶ watches ──▶ user
 *              seat (one for each other shard) ──▶ watches ──▶ user
 *
 * A change of a user waits for `delayMs`, then each of its watchers is told what it may see, if that differs from what it was told
 * last. So a login costs nothing where nobody watches, flapping costs one frame or none, and n users who come and go cost as many
 * frames as there are watches. Everything here goes with its sessions; a user is here while it has a session or a watcher.
 */
import { TYPING } from '../../protocol/generated/registry.js'
import { LastSeen, type LastSeenHost } from './last-seen.js'
import { Telling, type TellingHost } from './telling.js'
import { Typed } from './typed.js'
import { NO_SEATS, type PresenceSink, Seat, UNTOLD, User, Watch } from './watch.js'

/** Users who are at home in other shards: what they do is heard from there. */
export interface Elsewhere {
  has(user: string): boolean
  /** Nobody here watches the user any more. */
  forget(user: string): void
}

export interface PresenceHost extends TellingHost, LastSeenHost {
  /** null: all are at home here. */
  readonly elsewhere: Elsewhere | null
}

export class PresenceCore {
  readonly #host: PresenceHost
  readonly #users = new Map<string, User>()
  readonly #telling: Telling
  readonly #lastSeen: LastSeen

  constructor(host: PresenceHost) {
    this.#host = host
    this.#telling = new Telling(host)
    this.#lastSeen = new LastSeen(host)
  }

  /** Users in memory. */
  get size(): number {
    return this.#users.size
  }

  /** A session begins, and is active. `lastSeenMs` as stored. [PRS-2] */
  enter(name: string, sink: PresenceSink, lastSeenMs: number): Seat {
    const user = this.#userOf(name)
    if (user.lastSeenMs === 0) user.lastSeenMs = lastSeenMs
    const seat = new Seat(user, sink)
    user.seats = user.seats.concat(seat)
    this.#came(user)
    return seat
  }

  /** Another shard begins to watch; it is nobody itself. It sees everything: who there may see what is found out there. */
  enterShard(sink: PresenceSink): Seat {
    const nobody = new User('', false)
    const seat = new Seat(nobody, sink, true)
    nobody.seats = [seat]
    return seat
  }

  leave(seat: Seat): void {
    const { user } = seat
    if (!user.seats.includes(seat)) return
    this.unwatchAll(seat)
    user.seats = user.seats.filter((each) => each !== seat)
    if (seat.isActive) this.#went(user)
    seat.isActive = false
    seat.typed = null
    // The end of a session is written anyway, so this goes with it.
    if (user.seats.length === 0) this.#lastSeen.save(user) // [PRS-4]
    this.#forget(user)
  }

  /** [PRS-2] [PRS-3] */
  setActive(seat: Seat, isActive: boolean): void {
    if (seat.isActive === isActive || !seat.user.seats.includes(seat)) return
    seat.isActive = isActive
    if (!isActive) {
      this.#went(seat.user)
      return
    }
    this.#came(seat.user)
    this.#catchUp(seat)
  }

  /** At once, but for a device that can't make up its mind: that one is looked at once in a delay. */
  #catchUp(seat: Seat): void {
    if (seat.isCatchingUp || seat.watches === null) return
    const { delayMs } = this.#host.limits
    const nowMs = this.#host.clock.nowMs()
    if (Math.abs(nowMs - seat.caughtUpMs) < delayMs) {
      seat.isCatchingUp = true
      this.#host.scheduler.after(delayMs, () => {
        seat.isCatchingUp = false
        this.#catchUp(seat)
      })
      return
    }
    seat.caughtUpMs = nowMs
    for (const watch of seat.watches.values()) this.#telling.queue(watch)
  }

  isActive(name: string): boolean {
    return (this.#users.get(name)?.active ?? 0) > 0
  }

  /**
   * The session wants to know of a user. Nothing is told before `show` says what it may see. null: it watches as many as it may. Of one
   * watched already the watch is returned, and told anew. [PRS-5] [PRS-6]
   */
  watch(seat: Seat, name: string): Watch | null {
    const known = seat.watches?.get(name)
    if (known !== undefined) {
      known.toldState = UNTOLD
      return known
    }
    // What a shard watches is bounded by what its sessions may.
    if ((seat.watchCount >= this.#host.limits.watchesMax && !seat.isShard) || !seat.user.seats.includes(seat)) return null
    const user = this.#userOf(name)
    const watch = new Watch(seat, user)
    seat.watches ??= new Map()
    seat.watches.set(name, watch)
    user.watchers ??= new Set()
    user.watchers.add(watch)
    return watch
  }

  unwatch(seat: Seat, name: string): void {
    const watch = seat.watches?.get(name)
    if (watch === undefined) return
    seat.watches?.delete(name)
    this.#end(watch)
  }

  unwatchAll(seat: Seat): void {
    const { watches } = seat
    if (watches === null) return
    seat.watches = null
    for (const watch of watches.values()) this.#end(watch)
  }

  /** What the watcher may see from now on, and what is stored of the user. */
  show(watch: Watch, sees: number, lastSeenMs: number): void {
    if (watch.isOver) return
    watch.sees = sees
    watch.isKnown = true
    // What is in memory is never older than what is stored.
    if (watch.user.lastSeenMs === 0) watch.user.lastSeenMs = lastSeenMs
    this.#telling.queue(watch)
  }

  /** Every watch of a session that what the user shows or may see has a part in. */
  watchesOf(name: string): Watch[] {
    const user = this.#users.get(name)
    if (user === undefined) return []
    return [...this.watchersOf(name), ...user.seats.flatMap((seat) => [...seat.watches?.values() ?? []])]
  }

  /** The sessions that watch the user. */
  watchersOf(name: string): Watch[] {
    return [...this.#users.get(name)?.watchers ?? []].filter(({ seat }) => !seat.isShard)
  }

  /** What was heard of a user who is at home elsewhere; 0: nothing of when it was last seen. */
  hear(name: string, isActive: boolean, lastSeenMs: number): void {
    const user = this.#users.get(name)
    if (user?.isElsewhere !== true) return
    user.isHeard = true
    user.active = isActive ? 1 : 0
    if (lastSeenMs > 0) user.lastSeenMs = lastSeenMs
    // It was delayed where it is at home.
    for (const watch of user.watchers ?? []) this.#telling.queue(watch)
  }

  /** Those of the two users that watch each other, in either direction. */
  watchesBetween(one: string, other: string): Watch[] {
    const ofOne = this.#users.get(one)?.seats ?? NO_SEATS
    const ofOther = one === other ? NO_SEATS : this.#users.get(other)?.seats ?? NO_SEATS
    return [...ofOne.map((seat) => seat.watches?.get(other)), ...ofOther.map((seat) => seat.watches?.get(one))].filter((watch) => watch !== undefined)
  }

  /** Whether this typing is news for the others; remembered as told if it is. [PRS-13] */
  isNews(seat: Seat, conversation: string, kind: number): boolean {
    const typed = seat.typed ??= new Typed(this.#host.limits)
    return typed.isNews(conversation, kind, this.#host.clock.nowMs())
  }

  /** It was not forwarded after all. */
  forgetTyping(seat: Seat, conversation: string): void {
    seat.typed?.forget(conversation)
  }

  /** Tells a member's active devices, who call the conversation so. [PRS-12] */
  tellTyping(member: string, conversation: string, from: string, kind: number): void {
    const expiresMs = kind === TYPING.paused ? 0 : this.#host.limits.typingExpiryMs
    for (const seat of this.#users.get(member)?.seats ?? NO_SEATS) {
      if (seat.isActive) seat.sink.typing(conversation, from, kind, expiresMs)
    }
  }

  // Users

  #userOf(name: string): User {
    const known = this.#users.get(name)
    if (known !== undefined) return known
    const user = new User(name, this.#host.elsewhere?.has(name) === true)
    this.#users.set(name, user)
    return user
  }

  #forget(user: User): void {
    if (user.seats.length > 0 || user.watchers !== null) return
    this.#users.delete(user.name)
    if (user.isElsewhere) this.#host.elsewhere?.forget(user.name)
  }

  #came(user: User): void {
    user.active++
    if (user.active > 1) return
    user.cameMs = this.#host.clock.nowMs()
    user.isToldOnline = false
    if (user.cameMs - user.lastSeenMs > this.#host.limits.staleMs) this.#lastSeen.saveLater(user)
    this.#telling.noteChange(user)
  }

  #went(user: User): void {
    user.active--
    if (user.active > 0) return
    const nowMs = this.#host.clock.nowMs()
    // A phone that connects in the background says so at once: nobody was there to be seen.
    const wasSeen = user.isToldOnline || nowMs < user.cameMs || nowMs - user.cameMs >= this.#host.limits.delayMs
    if (wasSeen) {
      user.lastSeenMs = nowMs
      this.#lastSeen.saveLater(user)
    }
    this.#telling.noteChange(user)
  }

  #end(watch: Watch): void {
    const { user } = watch
    watch.isOver = true
    if (user.watchers?.delete(watch) === true && user.watchers.size === 0) user.watchers = null
    this.#forget(user)
  }
}
