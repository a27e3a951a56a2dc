/**
 * Registration with an invite that is at home elsewhere: at the home of who made it, for a name that is at home here. The use is counted
 * first, in one transaction with an entry of the channel that makes the account; what came of it goes back, and a use that made none is
 * given back. So an account costs one use, whoever dies on the way.
 *
 *     find it ──▶ all shards
 *     use it  ──▶ its home: used + 1 ══ admit ══▶ here: account, or the name is taken ══ admitted ══▶ its home: the use is settled
 *
 * Who registers once more while that is under way is known by name and keys, and costs nothing more.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Federation } from '../channels/federation.js'
import type { AdmitEntry } from '../channels/entries.js'
import type { Verifier } from '../router/router.js'
import { writeNewAccount } from '../shard/accounts.js'
import { unavailable } from '../shard/commit-loop.js'
import type { Shard } from '../shard/shard.js'
import type { UserState } from '../shard/user-state.js'
import type { Inviting } from './invite-use.js'
import { inviteInvalid, isProved, isRepeat, isUsable, nameTaken, NO_HASH, withInvite, writeInvite } from './invite-use.js'
import type { InviteState, PendingUse } from './invite-state.js'
import { register } from './register.js'
import type { InviteProof, Registration } from './registration-router.js'

/** Uses of one invite that are under way at once: all of them stand in its row. */
const PENDING_MAX = 256
/** Looked for where no code was given, so that it costs the same. */
const NO_PROOF: InviteProof = { id: '00000000', secretHash: NO_HASH }

export class Admissions {
  readonly #shard: Shard
  readonly #federation: Federation
  /** By user: who waits until it is known what came of it. */
  readonly #waiting = new Map<string, Set<() => void>>()

  constructor(shard: Shard, federation: Federation) {
    this.#shard = shard
    this.#federation = federation
  }

  // ——— At the home of the new user ———

  /** See RegistrationRouter; rejects with RouterError unavailable, too, where another shard does not answer. */
  async register(registration: Registration): Promise<boolean> {
    const { user, verifier, invite: proof } = registration
    if (proof === 'none' || isRepeat((await this.#shard.user(user)).account, verifier)) return register(this.#shard, registration)
    const home = await this.#find(proof ?? NO_PROOF, user)
    // Where there is none it is refused as within one shard.
    if (proof === null || home === null || home === this.#federation.shard) return register(this.#shard, registration)
    await this.#registerBy(home, registration, proof)
    return true
  }

  /** The shard that has the invite. Of a shard that can't be asked it is not known whether it has. */
  async #find({ id, secretHash }: InviteProof, user: string): Promise<number | null> {
    const { shard: here, shards, peers } = this.#federation
    const answers = await Promise.allSettled(Array.from({ length: shards }, (_, shard) =>
      shard === here ? this.isOpenTo(id, secretHash, user) : peers.ask(shard, 'isInviteOpen', id, secretHash, user)))
    const found = answers.findIndex((answer) => answer.status === 'fulfilled' && answer.value)
    if (found >= 0) return found
    if (answers.some(({ status }) => status === 'rejected')) throw unavailable()
    return null
  }

  async #registerBy(home: number, { user, verifier, isKeptBack }: Registration, { id, secretHash }: InviteProof): Promise<void> {
    if ((await this.#shard.user(user)).account !== null || isKeptBack) throw nameTaken() // [INV-6]
    const { peers } = this.#federation
    await this.#untilAdmitted(user, () => peers.ask(home, 'useInvite', id, secretHash, user, verifier))
    const { account } = await this.#shard.user(user)
    await this.#shard.committed()
    if (!isRepeat(account, verifier)) throw nameTaken()
  }

  /** Resolves when what `begin` has caused has taken effect here. Who has waited for too long asks again. */
  #untilAdmitted(user: string, begin: () => Promise<void>): Promise<void> {
    const waiting = this.#waiting.get(user) ?? new Set()
    this.#waiting.set(user, waiting)
    let end = (): void => {}
    const admitted = new Promise<void>((resolve, reject) => {
      waiting.add(end = resolve)
      begin().catch(reject)
      this.#shard.environment.scheduler.after(this.#federation.limits.answerMs, () => { reject(unavailable()) })
    })
    return admitted.finally(() => {
      waiting.delete(end)
      if (waiting.size === 0 && this.#waiting.get(user) === waiting) this.#waiting.delete(user)
    })
  }

  /** An entry has made the account, or found the name taken, in the open transaction. */
  admitted(user: string): void {
    for (const end of this.#waiting.get(user) ?? []) end()
  }

  // ——— At the home of the invite ———

  /** Whether the invite is at home here, and makes an account for this user, or is about to. */
  isOpenTo(id: string, secretHash: Uint8Array, user: string): Promise<boolean> {
    const proof = { id, secretHash }
    return withInvite(this.#shard, id, () => Promise.resolve(), (inviting) => pendingOf(inviting, proof, user) !== null || isUsable(this.#shard, inviting, proof))
  }

  /** Resolves when the use is on disk. Rejects with RouterError: invite-invalid, name-taken, unavailable. */
  async use(id: string, secretHash: Uint8Array, user: string, verifier: Verifier): Promise<void> {
    const proof = { id, secretHash }
    await this.#shard.channels?.opened()
    await withInvite(this.#shard, id, () => Promise.resolve(), (inviting) => {
      const digest = digestOf(verifier)
      const pending = pendingOf(inviting, proof, user)
      if (pending === null) this.#use(inviting, proof, { user, digest }, verifier)
      // Somebody else was faster.
      else if (!timingSafeEqual(pending.digest, digest)) throw nameTaken()
    })
    await this.#shard.committed()
  }

  #use(inviting: Inviting, proof: InviteProof, pending: PendingUse, verifier: Verifier): void {
    const { invite } = inviting
    const { channels } = this.#shard
    const away = channels?.to(pending.user) ?? null
    const row = invite?.row ?? null
    if (invite === null || row === null || !isUsable(this.#shard, inviting, proof)) throw inviteInvalid()
    if (row.pending.length >= PENDING_MAX || channels === null || away === null) throw unavailable()
    channels.give({ kind: 'admit', user: pending.user, invite: invite.name, maker: row.maker, verifier }, [away])
    writeInvite(this.#shard, invite, { ...row, used: row.used + 1, pending: [...row.pending, pending] })
  }
}

/** The effect of an entry, at the home of the user, in the open transaction. Whether it has made the account. */
export function admit(shard: Pick<Shard, 'environment' | 'transaction'>, user: UserState, { verifier }: AdmitEntry): boolean {
  if (user.account !== null) return false
  writeNewAccount(shard, user, verifier)
  return true
}

/** And at that of the invite. It may have gone meanwhile. */
export function settleUse(shard: Pick<Shard, 'transaction'>, invite: InviteState, user: string, isMade: boolean): void {
  const { row } = invite
  const pending = row?.pending.filter((each) => each.user !== user)
  if (row === null || pending === undefined || pending.length === row.pending.length) return
  writeInvite(shard, invite, { ...row, used: isMade ? row.used : row.used - 1, pending })
}

function pendingOf(inviting: Inviting, proof: InviteProof, user: string): PendingUse | null {
  return isProved(inviting, proof) ? inviting.invite?.row?.pending.find((each) => each.user === user) ?? null : null
}

function digestOf({ salt, iterations, storedKey, serverKey }: Verifier): Uint8Array {
  return createHash('sha256').update(salt).update(String(iterations)).update(storedKey).update(serverKey).digest()
}
