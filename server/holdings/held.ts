/** Reads what a change of holdings needs, and holds it in memory until the change is made. */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { unavailable } from '../shard/commit-loop.js'
import { Hold } from '../shard/holds.js'
import type { Residents } from '../shard/residents.js'
import type { Shard } from '../shard/shard.js'
import type { Resident } from '../shard/state.js'
import { type HeldBlob, hasSquares } from './ledger.js'
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
    const { users, blobStates: { holdings, blobs, totals } } = this.#shard
    const [owner, holding, blob, all] = await Promise.all([
      this.state(users, user), this.state(holdings, holdingName(user, id)), this.state(blobs, id), this.state(totals, TOTALS),
    ])
    return { user: owner, holding, blob, totals: all }
  }
}

export async function holding<T>(shard: Shard, task: (held: Held) => Promise<T>): Promise<T> {
  if (!shard.isAvailable) throw unavailable()
  const hold = new Hold()
  try {
    return await task(new Held(shard, hold))
  } finally {
    hold.release()
  }
}

/** Throws RouterError where it can't be the picture of a profile or a group. [PRF-3] */
export function mustBePicture(held: HeldBlob | null): void {
  const blob = held?.holding.row === null ? undefined : held?.blob.row?.blob
  if (blob === undefined || !hasSquares(blob)) throw noSuchBlob('the user holds no such picture')
}

export function noSuchBlob(message = 'there is no such blob'): RouterError {
  return new RouterError(ERROR.noSuchBlob, message)
}
