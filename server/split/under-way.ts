/** What shards have given each other and not taken yet, as their stores say it while nobody runs. */
import { channelConfirmedKey, channelEntries, channelNumberAt, channelTakenKey } from '../../storage/channel-keys.js'
import { type Engine, StorageError } from '../../storage/engine.js'
import { pagesOf } from '../../storage/pages.js'
import { checkEntry, decodeNumber } from '../channels/entries.js'
import { readRow } from '../channels/entry-row.js'
import { PackedEntries } from '../channels/packed-entries.js'
import { Refusal } from './refusal.js'

/** How many entries there are between these shards; 0: nothing. Rejects with Refusal where they will never be taken, or not as they were given. */
export async function entriesUnderWay(stores: readonly Engine[]): Promise<number> {
  let waiting = 0
  for (const [from, giver] of stores.entries()) {
    for (const [to, taker] of stores.entries()) if (from !== to) waiting += await underWay(giver, from, taker, to)
  }
  return waiting
}

/** As channels/channels.ts would find it, and go on with it. */
async function underWay(giver: Engine, from: number, taker: Engine, to: number): Promise<number> {
  const confirmed = decodeNumber(await giver.get(channelConfirmedKey(to)))
  const taken = decodeNumber(await taker.get(channelTakenKey(from)))
  let last = confirmed
  for await (const page of pagesOf(giver, channelEntries(to, confirmed + 1))) {
    for (const [key, row] of page) {
      last = channelNumberAt(key)
      if (last > taken && !isReadable(row)) {
        throw new Refusal(`an entry from shard ${String(from)} to shard ${String(to)} can't be read: start the server on it, which logs what it leaves out, and stop it again`)
      }
    }
  }
  if (taken < confirmed || taken > last) {
    throw new Refusal(`the channel from shard ${String(from)} to shard ${String(to)} is stopped, since one of them has lost its memory: restore all shards from one backup`)
  }
  return last - taken
}

function isReadable(row: Uint8Array): boolean {
  const bytes = readRow(row)
  if (bytes === null) return false
  try {
    for (const entries = new PackedEntries(bytes); entries.next();) checkEntry(bytes.subarray(entries.start, entries.end))
    return true
  } catch (error) {
    if (error instanceof StorageError && error.code === 'corrupt') return false
    throw error
  }
}
