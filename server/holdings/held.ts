/** Reads what a change of holdings needs, and holds it in memory until the change is made. */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { unavailable } from '../shard/commit-loop.js'
import { Hold } from '../shard/holds.js'
import type { Residents } from '../shard/residents.js'
import type { Shard } from '../shard/shard.js'
import type { Resident } from '../shard/resident.js'
import type { BlobHome } from './homes.js'
import { type Claim, type HeldBlob, hasSquares } from './ledger.js'
import { type HeldFacts, keepsBlob } from './rows.js'
import { holdingName, TOTALS } from './states.js'

/**
 * States of the shard that are held until the task is over. Rejections of reads are the shard's. After the last read `check` has to be called:
 * what follows in that turn sees the present.
 */
export class Held {
  readonly #shard: Shard
  readonly #hold: Hold

  constructor(shard: Shard, hold: Hold) {
    this.#shard = shard
    this.#hold = hold
  }

  /** Throws RouterError where the store has failed meanwhile. */
  check(): void {
    if (!this.#shard.isAvailable || !this.#hold.isAlive) throw unavailable()
  }

  state<T extends Resident>(states: Residents<T>, name: string): Promise<T> {
    return this.#shard.reading(this.#hold.state(states, name))
  }

  async blob(user: string, id: string): Promise<HeldBlob> {
    const { users, channels, blobStates: { holdings, blobs, totals } } = this.#shard
    const isAway = (channels?.to(user) ?? null) !== null
    const [owner, holding, blob, all, home] = await Promise.all([
      isAway ? null : this.state(users, user), this.state(holdings, holdingName(user, id)), this.state(blobs, id), this.state(totals, TOTALS), this.home(id),
    ])
    return { user: owner, holding, blob, totals: all, home, lent: null, drops: 0 }
  }

  /** null: there is one shard, or the blob is at home in another. */
  async home(id: string): Promise<BlobHome | null> {
    const { channels, blobStates: { homes, totals } } = this.#shard
    if (channels === null || channels.to(id) !== null) return null
    const [state, all] = await Promise.all([this.state(homes, id), this.state(totals, TOTALS)])
    return { state, totals: all }
  }

  /** What the user is about to do something with, by the ids. Where the shard does not have one yet its home is asked, so that it can be taken. */
  async claims(user: string, ids: readonly string[]): Promise<readonly Claim[]> {
    const all = await Promise.all(ids.map((id) => this.blob(user, id)))
    const facts = await this.#facts(user, all)
    return Promise.all(all.map((held, at) => this.#claim(held, facts[at] ?? null)))
  }

  async claim(user: string, id: string): Promise<Claim> {
    const [claim] = await this.claims(user, [id])
    if (claim === undefined) throw new TypeError('one was asked for')
    return claim
  }

  /** So that the shard can take the blob, whoever holds it. */
  async borrow(held: HeldBlob): Promise<HeldBlob> {
    const { channels, environment: { limits } } = this.#shard
    const to = channels?.to(held.blob.name) ?? null
    if (channels === null || to === null) return held
    channels.mustHaveRoom([to])
    const { drops } = held.blob
    const lent = await channels.askInTime(limits.blobAnswerMs, to.shard, 'lendBlob', held.blob.name, channels.shard)
    return { ...held, lent, drops }
  }

  /** What the user holds of these; of who is at home elsewhere its home is asked. */
  async #facts(user: string, all: readonly HeldBlob[]): Promise<readonly (HeldFacts | null)[]> {
    const { channels, environment: { blobs, limits } } = this.#shard
    const home = channels?.to(user) ?? null
    const unknown = all.filter(({ holding }) => holding.row === null)
    // Where no blobs are kept nobody holds any more than is known here.
    if (channels === null || home === null || unknown.length === 0 || blobs === undefined) return all.map(({ holding }) => holding.row)
    const told = await channels.askInTime(limits.blobAnswerMs, home.shard, 'heldBlobs', user, unknown.map(({ blob }) => blob.name))
    return all.map((each) => each.holding.row ?? told[unknown.indexOf(each)] ?? null)
  }

  async #claim(held: HeldBlob, facts: HeldFacts | null): Promise<Claim> {
    if (facts === null || keepsBlob(held.holding.row) || this.#shard.channels === null) return { ...held, facts }
    const claim = await this.borrow(held)
    // What holds it, or does so no more, is on its way to the home of the blob, or to that of the user.
    if (claim.blob.row === null && this.#shard.ledger.offered(claim) === null) throw unavailable()
    return { ...claim, facts }
  }
}

export async function holding<T>(shard: Shard, task: (held: Held) => Promise<T>): Promise<T> {
  if (!shard.isAvailable) throw unavailable()
  // What changes may have to be told to others.
  if (shard.channels !== null) await shard.channels.opened()
  const hold = new Hold()
  try {
    return await task(new Held(shard, hold))
  } finally {
    hold.release()
  }
}

/** Throws RouterError where it can't be the picture of a profile or a group. [PRF-3] */
export function mustBePicture({ ledger }: Pick<Shard, 'ledger'>, claim: Claim | null): void {
  const blob = claim === null || claim.facts === null ? null : claim.blob.row?.blob ?? ledger.offered(claim)
  if (blob === null || !hasSquares(blob)) throw noSuchBlob('the user holds no such picture')
}

export function noSuchBlob(message = 'there is no such blob'): RouterError {
  return new RouterError(ERROR.noSuchBlob, message)
}
