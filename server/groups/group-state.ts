/**
 * What makes a conversation a group: who is in it with which role, who was, who may become a member, and its settings. It stands in
 * one row; what is appended to the log with each change is the history of this row.
 */
import type { Member } from '../shard/member.js'
import { Awaiting } from './awaiting.js'
import { SlowestMembers } from './slowest-members.js'

export const ROLES = ['member', 'admin', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** Seqs that a user may read, both ends included; `to` Infinity while it is a member. */
export interface Interval {
  readonly from: number
  to: number
}

/** Somebody who was a member: what it may read, and how the group stood when it left, which is all that it is shown of it. [GRP-11] [GRP-22] */
export interface FormerMember {
  readonly intervals: readonly Interval[]
  readonly displayName: string
  readonly size: number
  /** Up to where all others had received and read. */
  readonly delivered: number
  readonly read: number
}

/** How a group stands in the list of one who is, was or may become a member. */
export type Standing = 'member' | 'guest' | 'former'

/** Who may do what; see POLICY_VALUES. */
export interface Policy {
  readonly post: 'all' | 'admins'
  readonly add: 'all' | 'admins'
  readonly edit: 'all' | 'admins'
  readonly history: 'all' | 'joined'
}

export const POLICY_VALUES: { readonly [K in keyof Policy]: readonly [Policy[K], Policy[K]] } = {
  post: ['all', 'admins'],
  add: ['all', 'admins'],
  edit: ['all', 'admins'],
  history: ['all', 'joined'],
}

export const POLICY_AT_FIRST: Policy = { post: 'all', add: 'admins', edit: 'admins', history: 'joined' }

/** Somebody who was invited, or who has asked to join. */
export interface Guest {
  readonly kind: 'invited' | 'request'
  /** Who invited; '' for a request. */
  readonly by: string
  readonly timeMs: number
}

export interface Link {
  /** 16 random bytes. [GRP-18] */
  readonly code: Uint8Array
  readonly by: string
  readonly createdMs: number
  /** Unix time; Infinity: never. */
  readonly expiresMs: number
  /** Infinity: any number. */
  usesLeft: number
  /** Whether an admin has to approve of those who come by it. */
  readonly needsApproval: boolean
}

/** A member's part that only groups have. */
export class Membership {
  role: Role
  readonly sinceMs: number
  /** Seq of the change that made it a member: it is waited for in messages behind it only. [GRP-15] */
  readonly sinceSeq: number
  /** The last one is the present one. [GRP-9] */
  readonly intervals: readonly Interval[]
  /** Own messages that not all others are known to have received, or read, as far as the member was told. [GRP-14] */
  readonly undelivered: Unsettled
  readonly unread: Unsettled
  /**
   * Up to where it was told that all others have read while somebody who tells nobody was left out; kept, since the floor falls when
   * that one tells again, and what was told must not. [RCP-2]
   */
  readToldWithoutSome = 0

  constructor(role: Role, sinceMs: number, sinceSeq: number, intervals: readonly Interval[]) {
    this.role = role
    this.sinceMs = sinceMs
    this.sinceSeq = sinceSeq
    this.intervals = intervals
    this.undelivered = new Unsettled(sinceSeq)
    this.unread = new Unsettled(sinceSeq)
  }

  get isAdmin(): boolean {
    return this.role !== 'member'
  }
}

/** Own messages remembered one by one. */
const UNSETTLED_MAX = 64

/**
 * Seqs of a member's messages that wait for a watermark, ascending. Of those before, as of what was sent before the conversation was
 * loaded, only the last one is known: any rise up to it may concern one of them, so that a few receipts are told that nobody needed.
 */
export class Unsettled {
  #seqs: number[] = []
  /** There may be others up to here. */
  #unknownTo = 0
  /** The highest watermark seen. */
  #settledTo: number

  /** @param sinceSeq what it wrote before is not waited for, and nothing up to there is told again to who has come back */
  constructor(sinceSeq: number) {
    this.#settledTo = sinceSeq
  }

  add(seq: number): void {
    if (this.#seqs.length >= UNSETTLED_MAX) this.#unknownTo = this.#seqs.shift() ?? 0
    this.#seqs.push(seq)
  }

  /** After a load: the last message, and the watermark then, of which all that there was to tell was told. */
  restore(last: number, watermark: number): void {
    this.#unknownTo = last
    this.#settledTo = Math.max(this.#settledTo, watermark)
  }

  /** Whether no rise of a watermark concerns any of them. */
  get isSettled(): boolean {
    return this.#seqs.length === 0 && this.#unknownTo <= this.#settledTo
  }

  /** Forgets those up to the watermark; whether there were any, or may have been. */
  settle(watermark: number): boolean {
    let count = 0
    while (count < this.#seqs.length && this.#seqs[count]! <= watermark) count++
    if (count > 0) this.#seqs.splice(0, count)
    const isRise = watermark > this.#settledTo
    const mayConcern = isRise && this.#settledTo < this.#unknownTo
    if (isRise) this.#settledTo = watermark
    return count > 0 || mayConcern
  }
}

export class GroupState {
  displayName: string
  about = ''
  /** Id of a blob; '' for none. COMPAT: in rows of chatd before blobs anything else; it is shown and can't be downloaded. */
  picture = ''
  /** Of the change that has made it the picture, which holds the blob; 0: none does. */
  pictureSeq = 0
  policy: Policy = POLICY_AT_FIRST
  readonly creator: string
  readonly guests = new Map<string, Guest>()
  readonly links: Link[] = []
  /** In the order in which they left. [GRP-9] */
  readonly former = new Map<string, FormerMember>()
  /** Whether its members know what of theirs is unsettled: found out when all users are in memory for the first time. */
  isUnsettledKnown = false
  /** Of those who have received. */
  readonly slowest = new SlowestMembers()
  readonly awaiting = new Awaiting()
  /** Who has read in the open transaction. */
  readers: Member[] = []

  constructor(displayName: string, creator: string) {
    this.displayName = displayName
    this.creator = creator
  }
}
