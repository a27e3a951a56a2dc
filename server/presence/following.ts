/**
 * Users at home elsewhere whom sessions here watch. Their homes are asked what they show to each who watches them, many at once, and tell
 * what they do from then on (followers.ts). What was lost is missed by its number at the next renewal; then, and when a home was away,
 * all that is watched there is asked for anew. While it is away its users are offline: their sessions have ended with it, as far as
 * anybody knows here.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Elsewhere } from './core.js'
import type { PresenceLimits } from './limits.js'
import { SEES_NOTHING } from './privacy.js'
import { type PresenceState, SHOWN_UNKNOWN, type Told, type ViewChange, type Viewing } from './news.js'

/** What goes in one request. */
const VIEWINGS_AT_ONCE = 256
/** Renewals without an answer until a home counts as away. */
const UNANSWERED_MAX = 3
/** More at once is not looked for one by one. */
const MISSING_MAX = 1024
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
  /** Each with the number by which its home told of it last. */
  readonly users = new Map<string, number>()
  questions: Question[] = []
  unwatched = new Set<string>()
  /** Of the last request. */
  number = 0
  /** The latest that was heard; life 0: nothing. */
  heard: Told = { life: 0, number: 0 }
  /** Earlier ones that were not. */
  readonly missing = new Set<number>()
  /** What it said at the last renewal that it had told: by the next one that has to be here. */
  due = 0
  unanswered = 0
  isAway = false
  /** Something is not known, since a request was not answered, or the home has begun anew: with the next renewal all is looked at. */
  isStale = false
  isLooking = false

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

  /**
   * What the user, who is at home elsewhere, shows to the viewer, who watches it: nothing as long as its home can't be asked, and that is looked at
   * anew then. Rejects with RouterError where its home can't say.
   */
  shown(viewer: string, user: string): Promise<number> {
    const source = this.#sourceOf(user)
    if (!source.users.has(user)) source.users.set(user, 0)
    if (source.isAway) this.#host.hear(user, false, 0)
    this.#renewLater()
    return new Promise((resolve, reject) => {
      source.questions.push({ viewer, user, resolve, reject })
      if (source.questions.length === 1) this.#host.environment.scheduler.defer(() => { this.#ask(source) })
    })
  }

  /** A home tells what its users do, and of whom it should be asked again. */
  hear(shard: number, told: Told, states: readonly PresenceState[], changes: readonly ViewChange[]): void {
    const source = this.#source(shard)
    this.#note(source, told)
    for (const { user, isActive, lastSeenMs } of states) {
      const known = source.users.get(user)
      if (known === undefined) this.#unwatchSoon(source, user)
      else if (told.number > known) {
        source.users.set(user, told.number)
        this.#host.hear(user, isActive, lastSeenMs)
      }
    }
    for (const { user, viewer } of changes) void this.#host.lookAt(user, viewer)
  }

  #note(source: Source, told: Told): void {
    const { heard, missing } = source
    if (told.life !== heard.life) {
      // At the very first nothing is stale.
      source.isStale ||= heard.life !== 0
      begin(source, told)
      return
    }
    missing.delete(told.number)
    if (told.number <= heard.number) return
    if (told.number - heard.number > MISSING_MAX) source.isStale = true
    else for (let number = heard.number + 1; number < told.number; number++) missing.add(number)
    source.heard = told
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
      () => {
        // Who watches goes on watching, and is shown nothing until the home can be asked.
        source.isStale = true
        for (const { resolve } of questions) resolve(SEES_NOTHING)
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
    const { heard, missing, due, isAway } = source
    source.unanswered = 0
    source.isAway = false
    source.due = told.number
    if (told.life !== heard.life) begin(source, told)
    else if (heard.number >= due && missing.size === 0 && !isAway && !source.isStale) return
    this.#lookAgain(source)
  }

  #lost(source: Source): void {
    if (source.isAway) return
    source.isAway = true
    for (const user of source.users.keys()) this.#host.hear(user, false, 0)
  }

  #lookAgain(source: Source): void {
    // Then with the renewal after this one.
    source.isStale = source.isLooking
    if (source.isLooking) return
    source.isLooking = true
    source.missing.clear()
    void this.#lookAtAll(source, [...source.users.keys()]).then(() => { source.isLooking = false })
  }

  async #lookAtAll(source: Source, users: readonly string[]): Promise<void> {
    for (let from = 0; from < users.length; from += VIEWINGS_AT_ONCE) {
      // The others would be asked for in vain, too.
      if (source.isStale) return
      await Promise.all(users.slice(from, from + VIEWINGS_AT_ONCE).map((user) => this.#host.lookAt(user, '')))
    }
  }
}

/** Numbers of another life, or of a new one. */
function begin(source: Source, heard: Told): void {
  source.heard = heard
  source.due = 0
  source.missing.clear()
  for (const user of source.users.keys()) source.users.set(user, 0)
}

function unavailable(): RouterError {
  return new RouterError(ERROR.unavailable, 'the home of the user can\'t say now')
}
