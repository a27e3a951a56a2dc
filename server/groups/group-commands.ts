/** What sessions ask of groups through the router. Each promise resolves when what it did is on disk, and is rejected with RouterError. */
import type { Change, NewGroup } from './change.js'
import type { Policy, Role } from './group-state.js'

export interface GroupCommands {
  /** Those that change something resolve with the last seq that it took, 0 where nothing had to change. [GRP-6] */
  create(user: string, group: string, request: NewGroup): Promise<number>
  change(user: string, group: string, change: Change): Promise<number>
  /** By a link, or null for an invitation. */
  join(user: string, group: string, link: string | null): Promise<{ seq: number, isPending: boolean }>
  /** What the user may know of the group. [GRP-19] */
  details(user: string, group: string, link: string | null): Promise<GroupDetails>
  makeLink(user: string, group: string, request: GroupLinkRequest): Promise<GroupLink>
  revokeLink(user: string, group: string, link: string): Promise<void>
}

/** How a group is set up, to a user who may know. */
export interface GroupDetails {
  readonly displayName: string
  readonly about: string
  readonly picture: string
  readonly createdMs: number
  /** Members. */
  readonly size: number
  /** Of the user who asks; none: it came with a link. */
  readonly role: Role | 'invited' | 'none'
  /** For members only. */
  readonly inside: {
    readonly tail: number
    readonly policy: Policy
    readonly members: readonly { readonly user: string, readonly role: Role, readonly sinceMs: number }[]
    readonly guests: readonly { readonly user: string, readonly kind: 'invited' | 'request', readonly by: string }[]
    /** Those in force, for who may make them. */
    readonly links: readonly GroupLink[]
  } | null
}

export interface GroupLinkRequest {
  /** Unix time. */
  readonly expiresMs?: number
  readonly uses?: number
  readonly needsApproval: boolean
}

export interface GroupLink {
  readonly code: string
  readonly by: string
  readonly createdMs: number
  /** Infinity: never. */
  readonly expiresMs: number
  /** Infinity: any number. */
  readonly usesLeft: number
  readonly needsApproval: boolean
}
