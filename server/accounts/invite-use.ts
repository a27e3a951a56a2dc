/** The use of an invite: whether it lets somebody in, and what is written then. */
import { timingSafeEqual } from 'node:crypto'
import { inviteKey } from '../../storage/shard-keys.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Verifier } from '../router/router.js'
import { RouterError } from '../router/router.js'
import type { Shard } from '../shard/shard.js'
import type { AccountRow, UserState } from '../shard/user-state.js'
import { encodeInvite, type InviteRow, type InviteState, isOpen } from './invite-state.js'
import type { InviteProof } from './registration-router.js'

/** Stands in for the hash of an invite that is not there, so that the comparison takes the same time. */
export const NO_HASH = new Uint8Array(32)

export interface Inviting {
  /** null: none is needed, or none was named. */
  readonly invite: InviteState | null
  /** Who made the invite; null for an operator's. */
  readonly maker: UserState | null
}

/** Calls `decide` in the one turn in which the invite of this id and its maker are in memory, and what `more` loads. Returns what it does. */
export async function withInvite<T, M>(shard: Shard, id: string | null, more: () => Promise<M>, decide: (inviting: Inviting, more: M) => T): Promise<T> {
  for (;;) {
    const invite = id === null ? null : await shard.invite(id)
    const makerName = invite?.row?.maker ?? ''
    const maker = makerName === '' ? null : await shard.user(makerName)
    const loaded = await more()
    if (invite?.alive === false || maker?.alive === false) continue
    return decide({ invite, maker }, loaded)
  }
}

/** Whether the code is that of the invite. */
export function isProved({ invite }: Inviting, proof: InviteProof | null): boolean {
  return timingSafeEqual(invite?.row?.secretHash ?? NO_HASH, proof?.secretHash ?? NO_HASH) && proof !== null
}

/** Whether it makes an account now. [INV-9] */
export function isUsable(shard: Shard, inviting: Inviting, proof: InviteProof | null): boolean {
  const { invite, maker } = inviting
  const row = invite?.row ?? null
  if (!isProved(inviting, proof) || row === null || !isOpen(row, shard.environment.clock.nowMs())) return false
  return row.maker === '' || (maker !== null && maker.exists && maker.account?.disabled === false)
}

/** Into the open transaction. */
export function writeInvite(shard: Pick<Shard, 'transaction'>, invite: InviteState, row: InviteRow): void {
  invite.row = row
  shard.transaction.touch(invite)
  shard.transaction.batch.put(inviteKey(invite.name), encodeInvite(row))
}

/** Whoever has this very verifier is who made the account: nobody else ever saw its keys. [INV-7] */
export function isRepeat(account: AccountRow | null, wanted: Verifier): boolean {
  if (account === null || account.removed) return false
  const { verifier } = account
  const parts = [[verifier.salt, wanted.salt], [verifier.storedKey, wanted.storedKey], [verifier.serverKey, wanted.serverKey]] as const
  let isSame = verifier.iterations === wanted.iterations
  for (const [one, other] of parts) isSame = one.length === other.length && timingSafeEqual(one, other) && isSame
  return isSame
}

export function inviteInvalid(): RouterError {
  return new RouterError(ERROR.inviteInvalid, 'the invite code is not valid')
}

export function nameTaken(): RouterError {
  return new RouterError(ERROR.nameTaken, 'the name is taken')
}
