/** What sessions, the operator and other services ask of the profiles; every promise is rejected with RouterError alone. */
import type { StoredMessage } from '../router/router.js'
import type { ConversationFlags } from './flags.js'
import type { Profile } from './profile.js'

/** `version` 0: nothing is known of it. */
export interface ProfileRequest {
  readonly user: string
  readonly version: number
}

export interface ShownProfile {
  readonly user: string
  readonly version: number
  /** null: the asker has it in this version. */
  readonly profile: Profile | null
}

/** A page by name behind `after`, or where `since` is given of what changed behind that version. */
export interface ListRequest {
  readonly after: string
  readonly since: number | null
  readonly limit: number
}

export interface List<T> {
  readonly version: number
  readonly isFull: boolean
  readonly items: readonly T[]
  readonly more: boolean
}

/** `version`: of the list, when this changed. */
export interface Contact {
  readonly user: string
  /** What its owner calls it; may be empty. */
  readonly name: string
  readonly version: number
  readonly isRemoved: boolean
}

export interface BlockedUser {
  readonly user: string
  readonly sinceMs: number
  readonly version: number
  readonly isRemoved: boolean
}

export interface FlaggedConversation {
  readonly conversation: string
  readonly flags: ConversationFlags
  readonly version: number
}

export interface ReportRequest {
  /** A user or group; what is reported of a user is the conversation with it. */
  readonly conversation: string
  readonly reason: string
  /** Blocks the other of the pair too. */
  readonly blocks: boolean
}

export interface Report {
  readonly id: number
  readonly timeMs: number
  readonly reporter: string
  readonly conversation: string
  readonly reason: string
  /** As the reporter could see them, ascending. */
  readonly messages: readonly Pick<StoredMessage, 'seq' | 'from' | 'timeMs' | 'text'>[]
}

export interface RelationChange {
  readonly owner: string
  readonly other: string
  readonly isBlocked: boolean
  readonly isContact: boolean
}

/** For sessions: all calls act for `user`, whose session asks. */
export interface ProfileService {
  /** In the order asked for; null: there is no such user. [PRF-5] */
  profiles(user: string, requests: readonly ProfileRequest[]): Promise<readonly (ShownProfile | null)[]>
  /** The profile after the change; without one as it is. [PRF-2] */
  changeProfile(user: string, change: Partial<Profile>): Promise<ShownProfile>

  contacts(user: string, request: ListRequest): Promise<List<Contact>>
  /** Resolves to the version of the list. */
  setContact(user: string, other: string, name: string): Promise<number>
  removeContact(user: string, other: string): Promise<number>

  blocked(user: string, request: ListRequest): Promise<List<BlockedUser>>
  /** Resolves to the version of the list. [PRF-10] */
  block(user: string, other: string): Promise<number>
  unblock(user: string, other: string): Promise<number>

  flags(user: string, request: ListRequest): Promise<List<FlaggedConversation>>
  /** Resolves to all flags of the conversation. [PRF-16] */
  changeFlags(user: string, conversation: string, change: Partial<ConversationFlags>): Promise<FlaggedConversation>

  /** [PRF-17] */
  report(user: string, request: ReportRequest): Promise<void>

  /** For other services (presence, groups): what the lists say, as it is on disk. */
  isBlocked(owner: string, other: string): Promise<boolean>
  isContact(owner: string, other: string): Promise<boolean>
}

/** For the operator. */
export interface ProfileAdmin {
  /** Reports that wait, by id behind `after`. */
  reports(after: number, limit: number): Promise<{ reports: readonly Report[]; more: boolean }>
  /** null: there is none of this id. */
  readReport(id: number): Promise<Report | null>
  /** false: there is none of this id. */
  closeReport(id: number): Promise<boolean>
}
