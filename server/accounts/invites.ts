/** Invites at the shard: making, listing, revoking. Every method resolves when its change is on disk. */
import { inviteIdAt, inviteKey, inviteListKey, inviteListRange, inviteRange } from '../../storage/keyspace.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { Shard } from '../shard/shard.js'
import { encodeInvite, inviteInfo, type InviteRow, type InviteState, isExpired } from './invite-state.js'
import type { InviteInfo, NewInvite } from './registration-router.js'

const PAGE_MAX = 1000

export class Invites {
  readonly #shard: Shard
  /** What a user may have is counted in the store, so a user's invites are made one after the other. */
  readonly #making = new Map<string, Promise<void>>()

  constructor(shard: Shard) {
    this.#shard = shard
  }

  make(invite: NewInvite): Promise<void> {
    const before = this.#making.get(invite.maker) ?? Promise.resolve()
    const made = before.catch(() => undefined).then(() => this.#make(invite))
    this.#making.set(invite.maker, made)
    const forget = (): void => {
      if (this.#making.get(invite.maker) === made) this.#making.delete(invite.maker)
    }
    made.then(forget, forget)
    return made
  }

  async #make({ id, secretHash, maker, uses, expiresMs, allowance }: NewInvite): Promise<void> {
    const { clock } = this.#shard.environment
    if (maker !== '' && !(await this.#shard.user(maker)).exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${maker}'`)
    const expired = await this.#countOthers(maker, id, uses, allowance)
    const invite = await this.#shard.invite(id)
    if (invite.row !== null && !isAskedAgain(invite.row, maker)) throw new RouterError(ERROR.conflict, 'the id of the invite is in use')
    this.#write(invite, { secretHash, maker, createdMs: clock.nowMs(), expiresMs, uses, used: 0, revoked: false })
    this.#shard.transaction.batch.put(inviteListKey(maker, id), new Uint8Array(0))
    for (const each of expired) if (each !== invite) this.#drop(each)
    await this.#shard.committed()
  }

  /** Returns the maker's expired invites, which go now. Rejects with too-many-invites. */
  async #countOthers(maker: string, besides: string, uses: number, allowance: number | null): Promise<InviteState[]> {
    const nowMs = this.#shard.environment.clock.nowMs()
    const expired: InviteState[] = []
    let given = uses
    for (let after = '', more = true; more;) {
      const page = await this.#ids(maker, after, PAGE_MAX)
      for (const id of page.ids) {
        const invite = await this.#shard.invite(id)
        if (invite.row === null || id === besides) continue
        if (isExpired(invite.row, nowMs)) expired.push(invite)
        // Of a revoked one only what was used counts; of a used one all does, or revoking would make room without end.
        else given += invite.row.revoked ? invite.row.used : invite.row.uses
      }
      if (allowance !== null && given > allowance) throw new RouterError(ERROR.tooManyInvites, 'the user may give out no more invites for now')
      after = page.ids.at(-1) ?? ''
      more = page.more
    }
    return expired
  }

  async list(maker: string | null, after: string, limit: number): Promise<{ invites: readonly InviteInfo[]; more: boolean }> {
    const nowMs = this.#shard.environment.clock.nowMs()
    const { ids, more } = await this.#ids(maker, after, Math.min(limit, PAGE_MAX))
    const invites: InviteInfo[] = []
    let isSettled = true
    for (const id of ids) {
      const invite = await this.#shard.invite(id)
      isSettled &&= this.#shard.isSettled(invite)
      if (invite.row !== null) invites.push(inviteInfo(id, invite.row, nowMs))
    }
    if (!isSettled) await this.#shard.committed()
    return { invites, more }
  }

  async revoke(maker: string | null, id: string): Promise<void> {
    const invite = await this.#shard.invite(id)
    const { row } = invite
    if (row === null || (maker !== null && row.maker !== maker)) throw new RouterError(ERROR.noSuchInvite, 'there is no such invite')
    if (!row.revoked) this.#write(invite, { ...row, revoked: true })
    await this.#shard.committed()
  }

  /** Committed ones, by id. */
  async #ids(maker: string | null, after: string, limit: number): Promise<{ ids: string[]; more: boolean }> {
    const range = maker === null ? inviteRange(after) : inviteListRange(maker, after)
    const rows = await this.#shard.reading(this.#shard.engine.range({ ...range, limit: limit + 1 }))
    return { ids: rows.slice(0, limit).map(([key]) => inviteIdAt(key)), more: rows.length > limit }
  }

  #write(invite: InviteState, row: InviteRow): void {
    invite.row = row
    this.#shard.transaction.touch(invite)
    this.#shard.transaction.batch.put(inviteKey(invite.name), encodeInvite(row))
  }

  #drop(invite: InviteState): void {
    if (!invite.alive || invite.row === null) return
    this.#shard.transaction.touch(invite)
    this.#shard.transaction.batch.delete(inviteKey(invite.name))
    this.#shard.transaction.batch.delete(inviteListKey(invite.row.maker, invite.name))
    invite.row = null
  }
}

/** Nobody has used it, and nobody but its maker can have seen its code: the answer was lost. [INV-16] */
function isAskedAgain(row: InviteRow, maker: string): boolean {
  return maker !== '' && row.maker === maker && row.used === 0 && !row.revoked
}
