/** The part of the router that makes accounts by themselves, and the invites for it. */
import type { Verifier } from '../router/router.js'

/** What an invite code proves to be: the id is public, of the rest only the hash is ever passed on. [INV-8] */
export interface InviteProof {
  readonly id: string
  /** SHA-256, 32 bytes */
  readonly secretHash: Uint8Array
}

export interface Registration {
  /** In its normal form. */
  readonly user: string
  readonly verifier: Verifier
  /** 'none': none is needed. null: one is needed and what came is no code; it is refused after the same work as a wrong one. */
  readonly invite: InviteProof | 'none' | null
  /** The server keeps the name back: taken, as far as anybody can tell. */
  readonly isKeptBack: boolean
}

export interface NewInvite extends InviteProof {
  /** '': an operator */
  readonly maker: string
  readonly uses: number
  /** Unix time; 0: never. */
  readonly expiresMs: number
  /** null: no limit. */
  readonly allowance: Allowance | null
}

/** How many people one account may bring in over time. [INV-12] */
export interface Allowance {
  /** Of all invites made within the period or not expired, the one to be made included. */
  readonly uses: number
  readonly periodMs: number
}

/** What can be told of an invite; never its code. */
export interface InviteInfo {
  readonly id: string
  /** '': an operator */
  readonly maker: string
  readonly createdMs: number
  /** Unix time; 0: never. */
  readonly expiresMs: number
  readonly uses: number
  readonly used: number
  readonly state: 'open' | 'used' | 'expired' | 'revoked'
}

export interface RegistrationRouter {
  /**
   * Makes an account with the use of an invite in one commit. [INV-5] Rejects with invite-invalid, name-taken; resolves to false, and
   * without a change, where the same has succeeded before. [INV-7]
   */
  register(registration: Registration): Promise<boolean>
  /** Rejects with conflict where the id is in use, with too-many-invites, and with no-such-user. */
  makeInvite(invite: NewInvite): Promise<void>
  /** By id, behind `after`. `maker` null: those of everybody. */
  invites(maker: string | null, after: string, limit: number): Promise<{ invites: readonly InviteInfo[]; more: boolean }>
  /** Rejects with no-such-invite, also for one of another maker. `maker` null: whoever made it. */
  revokeInvite(maker: string | null, id: string): Promise<void>
}
