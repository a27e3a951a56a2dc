/** Registration at the shard: the account and the use of its invite, in one transaction. See admissions.ts for invites at home elsewhere. */
import { writeNewAccount } from '../shard/accounts.js'
import type { Shard } from '../shard/shard.js'
import { inviteInvalid, isRepeat, isUsable, nameTaken, withInvite, writeInvite } from './invite-use.js'
import type { Registration } from './registration-router.js'

/** See RegistrationRouter. */
export async function register(shard: Shard, { user: name, verifier, invite: proof, isKeptBack }: Registration): Promise<boolean> {
  const id = proof === 'none' || proof === null ? null : proof.id
  const { user, invite, isNew } = await withInvite(shard, id, () => shard.user(name), (inviting, user) => {
    const { invite } = inviting
    if (isRepeat(user.account, verifier)) return { user, invite, isNew: false } // [INV-7]
    // The code comes first: without one nobody learns which names there are. [INV-4]
    if (proof !== 'none' && !isUsable(shard, inviting, proof)) throw inviteInvalid()
    if (user.account !== null || isKeptBack) throw nameTaken() // [INV-6]
    writeNewAccount(shard, user, verifier)
    const row = invite?.row ?? null
    if (invite !== null && row !== null) writeInvite(shard, invite, { ...row, used: row.used + 1 })
    return { user, invite, isNew: true }
  })
  // A repeat finds what is perhaps not on disk yet.
  if (!shard.isSettled(user) || (invite !== null && !shard.isSettled(invite))) await shard.committed()
  return isNew
}
