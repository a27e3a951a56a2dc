/** What other shards have told of blobs takes effect. */
import type { BlobEntry } from '../channels/entries.js'
import type { Hold } from '../shard/holds.js'
import type { Residents } from '../shard/residents.js'
import type { UserState } from '../shard/user-state.js'
import type { BlobHome } from './homes.js'
import type { BlobLedger } from './ledger.js'
import { decodeDescription } from './rows.js'
import { type BlobStates, holdingName, TOTALS } from './states.js'

export interface ArrivedHost {
  readonly users: Residents<UserState>
  readonly blobStates: BlobStates
  readonly ledger: BlobLedger
}

/** Reads what the entry needs, which stays in memory as long as `hold` lasts. What is returned makes the change, in the turn in which it is called. */
export async function readForBlobEntry(host: ArrivedHost, hold: Hold, from: number, entry: BlobEntry): Promise<() => void> {
  const { ledger, ledger: { homes } } = host
  switch (entry.kind) {
    case 'blob-hold': {
      const blob = decodeDescription(entry.description)
      const home = await homeOf(host, hold, blob.content.hash)
      return () => { homes.hold(home, from, blob, entry.loan) }
    }
    case 'blob-drop': {
      const home = await homeOf(host, hold, entry.blob)
      return () => { homes.drop(home, from) }
    }
    case 'carried': {
      const [user, holding] = await Promise.all([
        hold.state(host.users, entry.user), hold.state(host.blobStates.holdings, holdingName(entry.user, entry.blob)),
      ])
      return () => { ledger.carriedElsewhere(user, holding, from, entry, entry.isCarried) }
    }
  }
}

async function homeOf({ blobStates: { homes, totals } }: ArrivedHost, hold: Hold, id: string): Promise<BlobHome> {
  const [state, all] = await Promise.all([hold.state(homes, id), hold.state(totals, TOTALS)])
  return { state, totals: all }
}
