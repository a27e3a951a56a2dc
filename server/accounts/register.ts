/** Registration at the shard: the account and the use of its invite, in one transaction. */
import { timingSafeEqual } from 'node:crypto'
import { inviteKey } from '../../storage/shard-keys.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Verifier } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { writeNewAccount } from '../shard/accounts.js'
import type { Shard } from '../shard/shard.js'
import type { UserState } from '../shard/state.js'
import { encodeInvite, type InviteState, isOpen } from './invite-state.js'
import type { InviteProof, Registration } from './registration-router.js'

/** Stands in for the hash of an invite that is not there, so that the comparison takes the same time. */
const NO_HASH = new Uint8Array(32)

interface Loaded {
  readonly user: UserState
  /** null: none is needed, or none was named. */
  readonly invite: InviteState | null
  /** Who made the invite; null for an operator's. */
  readonly maker: UserState | null
}

/** See RegistrationRouter. */
export async function register(shard: Shard, registration: Registration): Promise<boolean> {
  let isNew = false
  const { user, invite } = await loadAll(shard, registration, (loaded) => {
    if (isRepeat(loaded.user, registration.verifier)) return // [INV-7]
    // The code comes first: without one nobody learns which names there are. [INV-4]
    if (registration.invite !== 'none' && !isUsable(shard, loaded, registration.invite)) {
      throw new RouterError(ERROR.inviteInvalid, 'the invite code is not valid')
    }
    if (loaded.user.account !== null || registration.isKeptBack) throw new RouterError(ERROR.nameTaken, 'the name is taken') // [INV-6]
    writeNewAccount(shard, loaded.user, registration.verifier)
    if (loaded.invite !== null) useInvite(shard, loaded.invite)
    isNew = true
  })
  // A repeat finds what is perhaps not on disk yet.
  if (!shard.isSettled(user) || (invite !== null && !shard.isSettled(invite))) await shard.committed()
  return isNew
}

/** Calls `decide` in the one turn in which all of it is in memory. */
async function loadAll(shard: Shard, registration: Registration, decide: (loaded: Loaded) => void): Promise<Loaded> {
  for (;;) {
    const invite = registration.invite === 'none' || registration.invite === null ? null : await shard.invite(registration.invite.id)
    const makerName = invite?.row?.maker ?? ''
    const maker = makerName === '' ? null : await shard.user(makerName)
    const user = await shard.user(registration.user)
    if (invite?.alive === false || maker?.alive === false) continue
    const loaded = { user, invite, maker }
    decide(loaded)
    return loaded
  }
}

/** [INV-9] */
function isUsable(shard: Shard, { invite, maker }: Loaded, proof: InviteProof | null): boolean {
  const row = invite?.row ?? null
  const isProved = timingSafeEqual(row?.secretHash ?? NO_HASH, proof?.secretHash ?? NO_HASH)
  if (row === null || proof === null || !isProved || !isOpen(row, shard.environment.clock.nowMs())) return false
  return row.maker === '' || (maker !== null && maker.exists && maker.account?.disabled === false)
}

function useInvite(shard: Shard, invite: InviteState): void {
  if (invite.row === null) return
  invite.row = { ...invite.row, used: invite.row.used + 1 }
  shard.transaction.touch(invite)
  shard.transaction.batch.put(inviteKey(invite.name), encodeInvite(invite.row))
}

/** Whoever has this very verifier is who made the account: nobody else ever saw its keys. */
function isRepeat({ account }: UserState, wanted: Verifier): boolean {
  if (account === null || account.removed) return false
  const { verifier } = account
  const parts = [[verifier.salt, wanted.salt], [verifier.storedKey, wanted.storedKey], [verifier.serverKey, wanted.serverKey]] as const
  let isSame = verifier.iterations === wanted.iterations
  for (const [one, other] of parts) isSame = one.length === other.length && timingSafeEqual(one, other) && isSame
  return isSame
}
