/** What goes between two shards of users of one whom sessions of the other watch: plain values, all of them. */

/** How often what goes from one shard to another is lost is known by numbers: each stretch of telling has a life, and counts from 1. */
export interface Told {
  readonly life: number
  /** Of the last that was told. */
  readonly number: number
}

/** What a user does. */
export interface PresenceState {
  readonly user: string
  readonly isActive: boolean
  /** When it was last seen, before it came if it is active; 0: not known. */
  readonly lastSeenMs: number
}

/** What this viewer may see of the user has changed, or '': what anybody may. */
export interface ViewChange {
  readonly user: string
  readonly viewer: string
}

/** Somebody who watches, and whom. */
export interface Viewing {
  readonly viewer: string
  readonly user: string
}

/** In an answer to what a viewer is shown: it can't be said now. */
export const SHOWN_UNKNOWN = 8
