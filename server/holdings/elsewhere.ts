/** What a shard asks the others about blobs, and what it answers them. All of it rejects with RouterError where a shard can't be asked. */
import type { Blob } from '../blobs/blob-router.js'
import type { Shard } from '../shard/shard.js'
import { carriedBlob } from './find.js'
import { holding } from './held.js'
import { type Lent, storedBlob } from './homes.js'
import type { HeldFacts } from './rows.js'
import { holdingName } from './states.js'

/** Asked by a shard in which messages are to carry what a user of this one holds; null for what it does not hold. */
export function heldFacts(shard: Shard, user: string, ids: readonly string[]): Promise<readonly (HeldFacts | null)[]> {
  return holding(shard, async (held) => {
    const holdings = await Promise.all(ids.map((id) => held.state(shard.blobStates.holdings, holdingName(user, id))))
    const facts = holdings.map(({ row }) => row)
    if (!holdings.every((holding) => shard.isSettledButForLate(holding))) await shard.committed()
    return facts
  })
}

/** Asked of the home of a blob by a shard that is about to hold it; null: there is no such blob, or none any more. */
export function lend(shard: Shard, id: string, to: number): Promise<Lent | null> {
  return holding(shard, async (held) => {
    const home = await held.home(id)
    held.check()
    const lent = home === null ? null : shard.ledger.homes.lend(home, to)
    if (lent !== null) await shard.committed()
    return lent
  })
}

/** Asked by the home of a blob: whether it has to go on keeping what it has lent. All that this shard has given it by then has been taken. */
export function awaitsLoan(shard: Shard, id: string): Promise<boolean> {
  return holding(shard, async (held) => {
    const state = await held.state(shard.blobStates.blobs, id)
    const before = state.lastChange
    await shard.committed()
    const to = shard.channels?.to(id) ?? null
    if (to !== null) await shard.channels?.allTaken([to])
    // Who is about to take it holds it in memory, as this does.
    return state.holds > 1 || !state.alive || state.lastChange !== before
  })
}

/** Of a blob that is at home here; null: there is none, or none any more. */
export function homeBlob(shard: Shard, id: string): Promise<Blob | null> {
  return holding(shard, async (held) => {
    const home = await held.home(id)
    const blob = home === null ? null : storedBlob(home.state)
    if (home !== null && !shard.isSettledButForLate(home.state)) await shard.committed()
    return blob
  })
}

/** Rejects where a user may not read it in a conversation that is at home here. */
export async function mustCarry(shard: Shard, user: string, conversation: string, seq: number, id: string): Promise<void> {
  await carriedBlob(shard, user, conversation, seq, id)
}
