/**
 * Users at home elsewhere whom sessions here watch. Their homes are asked what they show to each who watches them, many at once, and tell
 * what they do from then on (followers.ts). What was lost is missed by its number, or at the next renewal; then, and when a home was away,
 * all that is watched there is asked for anew. While it is away its users are offline: their sessions have ended with it, as far as
 * anybody knows here.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Elsewhere } from './core.js'
import type { PresenceLimits } from './limits.js'
import { type PresenceState, SHOWN_UNKNOWN, type Told, type ViewChange, type Viewing } from './news.js'

/** What goes in one request. */
const VIEWINGS_AT_ONCE = 256
/** Renewals without an answer until a home counts as away. */
const UNANSWERED_MAX = 3
/** An answer may never come. */
const ANSWER_MS = 10_000

/** The other shards, and what is made of what they say. */
export interface FollowingHost {
  readonly environment: Pick<ShardEnvironment, 'scheduler' | 'random32'>
  readonly limits: PresenceLimits
  /** The shard that is home to the user; null: this one. */
  homeOf(user: string): number | null
  /** What each of these shows to who watches it; SEES_…, or SHOWN_UNKNOWN. */
  askWatched(shard: number, life: number, number: number, viewings: readonly Viewing[]): Promise<readonly number[]>
  askRenewed(shard: number, life: number): Promise<Told>
  tellUnwatched(shard: number, life: number, number: number, users: readonly string[]): void
  /** `lastSeenMs` 0: as before. */
  hear(user: string, isActive: boolean, lastSeenMs: number): void
  /** What the viewer may see of the user is to be asked for anew; '': what anybody may. */
  lookAt(user: string, viewer: string): Promise<void>
}

interface Question extends Viewing {
  readonly resolve: (shown: number) => void
  readonly reject: (error: unknown) => void
}

/** A home of users who are watched here. */
class Source {
  readonly shard: number
  readonly users = new Set<string>()
  questions: Question[] = []
  unwatched = new Set<string>()
  /** Of the last request. */
  number = 0
  /** What was heard last; life 0: nothing. */
  heard: Told = { life: 0, number: 0 }
  /** What it said at the last renewal that it had told: by the next one that has to be here. */
  due = 0
  unanswered = 0
  isAway = false
  /** A request was not answered, so that it is not known what some may see: all is looked at anew when it answers. */
  hasFailed = false
  isLooking = false
  isLookDue = false

  constructor(shard: number) {
    this.shard = shard
  }
}

export class Following implements Elsewhere {
  readonly #host: FollowingHost
  readonly #life: number
  readonly #sources = new Map<number, Source>()
  #isRenewing = false

  constructor(host: FollowingHost) {
    this.#host = host
    this.#life = host.environment.random32()
  }

  has(user: string): boolean {
    return this.#host.homeOf(user) !== null
  }

  /** Told to its home in a later turn, unless somebody watches it by then. */
  forget(user: string): void {
    const source = this.#sourceOf(user)
    source.users.delete(user)
    this.#unwatchSoon(source, user)
  }

  /** What the user, who is at home elsewhere, shows to the viewer, who watches it. Rejects with RouterError where that can't be said. */
  shown(viewer: string, user: string): Promise<number> {
    const source = this.#sourceOf(user)
    source.users.add(user)
    this.#renewLater()
    return new Promise((resolve, reject) => {
      source.questions.push({ viewer, user, resolve, reject })
      if (source.questions.length === 1) this.#host.environment.scheduler.defer(() => { this.#ask(source) })
    })
  }

  /** A home tells what its users do, and of whom it should be asked again. */
  hear(shard: number, told: Told, states: readonly PresenceState[], changes: readonly ViewChange[]): void {
    const source = this.#source(shard)
    const { life, number } = source.heard
    if (told.life === life && told.number <= number) return
    const isNext = told.life === life ? told.number === number + 1 : life === 0 && told.number === 1
    source.heard = told
    for (const { user, isActive, lastSeenMs } of states) {
      if (source.users.has(user)) this.#host.hear(user, isActive, lastSeenMs)
      else this.#unwatchSoon(source, user)
    }
    for (const { user, viewer } of changes) void this.#host.lookAt(user, viewer)
    if (!isNext) this.#lookAgain(source)
  }

  #sourceOf(user: string): Source {
    return this.#source(this.#host.homeOf(user) ?? -1)
  }

  #source(shard: number): Source {
    const known = this.#sources.get(shard)
    if (known !== undefined) return known
    const source = new Source(shard)
    this.#sources.set(shard, source)
    return source
  }

  // ——— Asking ———

  /** All that was asked for in the turn. */
  #ask(source: Source): void {
    const { questions } = source
    source.questions = []
    for (let from = 0; from < questions.length; from += VIEWINGS_AT_ONCE) this.#askSome(source, questions.slice(from, from + VIEWINGS_AT_ONCE))
  }

  #askSome(source: Source, questions: readonly Question[]): void {
    const viewings = questions.map(({ viewer, user }) => ({ viewer, user }))
    this.#inTime(this.#host.askWatched(source.shard, this.#life, ++source.number, viewings)).then(
      (answers) => {
        for (const [at, { resolve, reject }] of questions.entries()) {
          const shown = answers[at] ?? SHOWN_UNKNOWN
          if (shown === SHOWN_UNKNOWN) reject(unavailable())
          else resolve(shown)
        }
      },
      (error: unknown) => {
        source.hasFailed = true
        for (const { reject } of questions) reject(error)
      },
    )
  }

  #inTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(resolve, reject)
      this.#host.environment.scheduler.after(ANSWER_MS, () => { reject(unavailable()) })
    })
  }

  #unwatchSoon(source: Source, user: string): void {
    source.unwatched.add(user)
    if (source.unwatched.size > 1) return
    this.#host.environment.scheduler.defer(() => {
      const users = [...source.unwatched].filter((name) => !source.users.has(name))
      source.unwatched = new Set()
      for (let from = 0; from < users.length; from += VIEWINGS_AT_ONCE) {
        this.#host.tellUnwatched(source.shard, this.#life, ++source.number, users.slice(from, from + VIEWINGS_AT_ONCE))
      }
    })
  }

  // ——— What was lost ———

  /** One timer for all homes. */
  #renewLater(): void {
    if (this.#isRenewing) return
    this.#isRenewing = true
    this.#host.environment.scheduler.after(this.#host.limits.renewMs, () => {
      this.#isRenewing = false
      for (const source of this.#sources.values()) if (source.users.size > 0) this.#renew(source)
    })
  }

  #renew(source: Source): void {
    this.#renewLater()
    if (++source.unanswered > UNANSWERED_MAX) this.#lost(source)
    this.#host.askRenewed(source.shard, this.#life).then((told) => { this.#renewed(source, told) }, () => undefined)
  }

  #renewed(source: Source, told: Told): void {
    const { heard, due, isAway, hasFailed } = source
    source.unanswered = 0
    source.isAway = false
    const hasForgotten = told.life !== heard.life
    const isMissing = heard.number < due
    source.due = told.number
    if (hasForgotten || isMissing) source.heard = told
    if (hasForgotten || isMissing || isAway || hasFailed) this.#lookAgain(source)
  }

  #lost(source: Source): void {
    if (source.isAway) return
    source.isAway = true
    for (const user of source.users) this.#host.hear(user, false, 0)
  }

  #lookAgain(source: Source): void {
    source.isLookDue = source.isLooking
    if (source.isLooking) return
    source.isLooking = true
    source.hasFailed = false
    void this.#lookAtAll(source, [...source.users]).then(() => {
      source.isLooking = false
      if (source.isLookDue) this.#lookAgain(source)
    })
  }

  async #lookAtAll(source: Source, users: readonly string[]): Promise<void> {
    for (let from = 0; from < users.length; from += VIEWINGS_AT_ONCE) {
      // The others would be asked for in vain, too.
      if (source.hasFailed) return
      await Promise.all(users.slice(from, from + VIEWINGS_AT_ONCE).map((user) => this.#host.lookAt(user, '')))
    }
  }
}

function unavailable(): RouterError {
  return new RouterError(ERROR.unavailable, 'the home of the user can\'t say now')
}
