/** Users, their sessions, and who watches whom. */
import type { Typed } from './typed.js'

/** What a session can be told. */
export interface PresenceSink {
  /** false: its connection is busy with other things, and nothing was sent. */
  presence(user: string, state: number, lastSeenMs: number): boolean
  typing(conversation: string, from: string, kind: number, expiresMs: number): void
}

export const NO_SEATS: readonly Seat[] = []
/** Told nothing yet. */
export const UNTOLD = -1

export class User {
  readonly name: string
  /** Replaced by each change; most have one. */
  seats: readonly Seat[] = NO_SEATS
  /** Seats that are active. */
  active = 0
  /** When the last active seat went; 0: not known. */
  lastSeenMs = 0
  /** When the first active seat came. */
  cameMs = 0
  /** Whether somebody has been told since then that it is online. */
  isToldOnline = false
  /** null: nobody. */
  watchers: Set<Watch> | null = null
  /** Whether its watchers are to be told when the delay is over. */
  hasChanged = false
  /** Whether it has a session, and its last seen is not stored as it is. */
  isUnsaved = false
  readonly isElsewhere: boolean
  /** Whether it is known what it does; of who is at home elsewhere that has to be heard first, and nothing is told before. */
  isHeard: boolean

  constructor(name: string, isElsewhere: boolean) {
    this.name = name
    this.isElsewhere = isElsewhere
    this.isHeard = !isElsewhere
  }
}

/** A session's place here, or another shard's, which watches for sessions there. */
export class Seat {
  readonly user: User
  readonly sink: PresenceSink
  readonly isShard: boolean
  isActive = true
  /** When it was last caught up with what it watches; 0: never. */
  caughtUpMs = 0
  isCatchingUp = false
  /** By name of the user who is watched; null: none. */
  watches: Map<string, Watch> | null = null
  /** null: nothing yet. */
  typed: Typed | null = null

  constructor(user: User, sink: PresenceSink, isShard = false) {
    this.user = user
    this.sink = sink
    this.isShard = isShard
  }

  get watchCount(): number {
    return this.watches?.size ?? 0
  }
}

export class Watch {
  readonly seat: Seat
  readonly user: User
  /** SEES_…: what the watcher may see. */
  sees = 0
  /** Whether it has been found out what the watcher may see; nothing is told before. */
  isKnown = false
  isOver = false
  /** Rises with each time that is being found out: an older answer than the last one asked for does not count. */
  turn = 0
  /** In the list of those to be told. */
  isQueued = false
  toldState = UNTOLD
  toldMs = 0

  constructor(seat: Seat, user: User) {
    this.seat = seat
    this.user = user
  }
}
