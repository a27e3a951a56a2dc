/** Invites at the shard: making, listing, revoking. Every method resolves when its change is on disk. */
import { inviteIdAt, inviteKey, inviteListKey, inviteListRange, inviteRange } from '../../storage/shard-keys.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { Turns } from '../shard/turns.js'
import { RouterError } from '../router/router.js'
import type { Shard } from '../shard/shard.js'
import { inviteInfo, type InviteRow, type InviteState, isExpired } from './invite-state.js'
import { writeInvite } from './invite-use.js'
import type { Allowance, InviteInfo, NewInvite } from './registration-router.js'

const PAGE_MAX = 1000
/** Of an operator's invites, which have no bound, so many are looked at with each that is made: whether they may go. */
const SWEPT_AT_ONCE = 100

export class Invites {
  readonly #shard: Shard
  /** What a user may have is counted in the store, so a user's invites are made one after the other. */
  readonly #turns = new Turns()
  /** The last of an operator's invites that was looked at; '': it begins anew. */
  #sweptTo = ''

  constructor(shard: Shard) {
    this.#shard = shard
  }

  make(invite: NewInvite): Promise<void> {
    return this.#turns.run(invite.maker, () => this.#make(invite))
  }

  async #make({ id, secretHash, maker, uses, expiresMs, allowance }: NewInvite): Promise<void> {
    const { clock } = this.#shard.environment
    if (maker !== '' && !(await this.#shard.user(maker)).exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${maker}'`)
    if (await this.#isTakenElsewhere(id)) throw idTaken()
    const over = allowance === null ? await this.#sweepSome(maker, id) : await this.#countOthers(maker, id, uses, allowance)
    const invite = await this.#shard.invite(id)
    if (invite.row !== null && !isAskedAgain(invite.row, maker)) throw idTaken()
    writeInvite(this.#shard, invite, { secretHash, maker, createdMs: clock.nowMs(), expiresMs, uses, used: 0, revoked: false, pending: [] })
    this.#shard.transaction.batch.put(inviteListKey(maker, id), new Uint8Array(0))
    for (const each of over) if (each !== invite) this.#drop(each)
    await this.#shard.committed()
  }

  /** Invites are at home where their makers are, so that others may have the id. Two at once both get it: their codes differ all the same. */
  async #isTakenElsewhere(id: string): Promise<boolean> {
    const { federation } = this.#shard.environment
    if (federation === undefined) return false
    const { shard: here, shards, peers } = federation
    const others = Array.from({ length: shards }, (_, shard) => shard).filter((shard) => shard !== here)
    return (await Promise.all(others.map((shard) => peers.ask(shard, 'isInvite', id)))).includes(true)
  }

  async isThere(id: string): Promise<boolean> {
    return (await this.#shard.invite(id)).row !== null
  }

  /** Returns those of the maker's invites that go now. Rejects with too-many-invites. */
  async #countOthers(maker: string, besides: string, uses: number, allowance: Allowance): Promise<InviteState[]> {
    const sinceMs = this.#shard.environment.clock.nowMs() - allowance.periodMs
    const over: InviteState[] = []
    let given = uses
    for (let after = '', more = true; more;) {
      const page = await this.#ids(maker, after, PAGE_MAX)
      for (const id of page.ids) {
        const invite = await this.#shard.invite(id)
        if (invite.row === null || id === besides) continue
        if (this.#isOver(invite.row, sinceMs)) over.push(invite)
        // Of a revoked one only what was used counts; of a used one all does, or revoking would make room without end.
        else given += invite.row.revoked ? invite.row.used : invite.row.uses
      }
      if (given > allowance.uses) throw new RouterError(ERROR.tooManyInvites, 'the user may give out no more invites for now')
      after = page.ids.at(-1) ?? ''
      more = page.more
    }
    return over
  }

  /** The same for who makes as many as it likes: some of them, in turn. */
  async #sweepSome(maker: string, besides: string): Promise<InviteState[]> {
    const { ids, more } = await this.#ids(maker, this.#sweptTo, SWEPT_AT_ONCE)
    this.#sweptTo = more ? ids.at(-1) ?? '' : ''
    const invites = await Promise.all(ids.filter((id) => id !== besides).map((id) => this.#shard.invite(id)))
    return invites.filter(({ row }) => row !== null && this.#isOver(row, Infinity))
  }

  /**
   * Whether nothing depends on it any more. An expired one counts as long as if it had been made for the longest time there is, or short
   * ones would bring in people without end.
   */
  #isOver(row: InviteRow, sinceMs: number): boolean {
    if (row.revoked && row.used === 0) return true
    return isExpired(row, this.#shard.environment.clock.nowMs()) && row.createdMs <= sinceMs
  }

  /** The account is gone, and its invites with it, also one that is being made. */
  dropAll(maker: string): Promise<void> {
    return this.#turns.run(maker, () => this.#dropAll(maker))
  }

  async #dropAll(maker: string): Promise<void> {
    for (let after = '', more = true; more;) {
      const page = await this.#ids(maker, after, PAGE_MAX)
      for (const id of page.ids) this.#drop(await this.#shard.invite(id))
      await this.#shard.committed()
      after = page.ids.at(-1) ?? ''
      more = page.more
    }
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
    if (!row.revoked) writeInvite(this.#shard, invite, { ...row, revoked: true })
    await this.#shard.committed()
  }

  /** Committed ones, by id. */
  async #ids(maker: string | null, after: string, limit: number): Promise<{ ids: string[]; more: boolean }> {
    const range = maker === null ? inviteRange(after) : inviteListRange(maker, after)
    const rows = await this.#shard.reading(this.#shard.engine.range({ ...range, limit: limit + 1 }))
    return { ids: rows.slice(0, limit).map(([key]) => inviteIdAt(key)), more: rows.length > limit }
  }

  #drop(invite: InviteState): void {
    if (!invite.alive || invite.row === null) return
    this.#shard.transaction.touch(invite)
    this.#shard.transaction.batch.delete(inviteKey(invite.name))
    this.#shard.transaction.batch.delete(inviteListKey(invite.row.maker, invite.name))
    invite.row = null
  }
}

function idTaken(): RouterError {
  return new RouterError(ERROR.conflict, 'the id of the invite is in use')
}

/** Nobody has used it, and nobody but its maker can have seen its code: the answer was lost. [INV-16] */
function isAskedAgain(row: InviteRow, maker: string): boolean {
  return maker !== '' && row.maker === maker && row.used === 0 && !row.revoked
}
