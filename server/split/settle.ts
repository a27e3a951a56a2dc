/**
 * Has shards take what they have given each other, and queues what stands in a journal yet, so that nothing is between them when their rows are split: the
 * entries take effect as they would at the next start of a server. It is done in the data itself, which says the same before and after; a copy would have to be as large as all of it.
 */
import { StorageError } from '../../storage/engine.js'
import type { Channels } from '../channels/channels.js'
import { startShards } from '../control/offline-shards.js'
import { RouterError } from '../router/router.js'
import { recoverJournal } from '../shard/journal-recovery.js'
import type { ShardEnvironment } from '../shard/environment.js'
import type { Shard } from '../shard/shard.js'
import { Refusal } from './refusal.js'
import type { ShardStores } from './shard-stores.js'
import { entriesUnderWay } from './under-way.js'

/** Waits for an answer (channels/limits.ts) in which nothing at all was taken, until it is given up. */
const IDLE_WAITS_MAX = 3
/** Lives of the shards in which what was left of the one before is taken. */
const LIVES_MAX = 3
/** Of a timer that does nothing. */
const KEPT_ALIVE_MS = 60_000

/** Resolves to how many entries there were; with none the stores are as good as only read. Rejects with Refusal where they are not taken. */
export async function settle(stores: ShardStores, environment: ShardEnvironment): Promise<number> {
  // What shards wait for keeps no process alive, and here nothing else may be left to do: node would end without a word.
  const alive = setInterval(() => undefined, KEPT_ALIVE_MS)
  try {
    return await settled(stores, environment)
  } finally {
    clearInterval(alive)
  }
}

async function settled(stores: ShardStores, environment: ShardEnvironment): Promise<number> {
  await writeOutJournals(stores, environment)
  const waiting = await entriesUnderWay(stores.engines)
  let left = waiting
  for (let life = 0; left > 0; life++) {
    if (life === LIVES_MAX) throw notTaken(left)
    await take(stores, environment)
    // What the shards have given each other while they were closed.
    left = await entriesUnderWay(stores.engines)
  }
  await writeOutJournals(stores, environment)
  return waiting
}

/** What queues were about to be given, as at a start. */
async function writeOutJournals({ engines }: ShardStores, { log }: ShardEnvironment): Promise<void> {
  for (const engine of engines) {
    await recoverJournal(engine, log, () => false).catch((error: unknown) => {
      throw error instanceof StorageError ? storeFailed(error) : error
    })
  }
}

/** One life of the shards. */
async function take(stores: ShardStores, environment: ShardEnvironment): Promise<void> {
  const shards = startShards(stores.engines, stores.shardOf, environment).map(({ shard }) => shard)
  try {
    await untilTaken(shards)
  } finally {
    for (const shard of shards) await shard.close()
  }
}

async function untilTaken(shards: readonly Shard[]): Promise<void> {
  const all = shards.flatMap(({ channels }) => channels ?? [])
  // They are others in the next life of a store.
  const mustBeWell = (): void => {
    if (shards.some(({ channels, isAvailable }, at) => channels !== all[at] || !isAvailable)) throw storeFailed()
  }
  for (const channels of all) if (!await isDone(channels.opened())) throw storeFailed()
  for (let idle = 0; ;) {
    const before = waitingIn(all)
    if (before === 0) return
    // What is taken may have others give something in turn.
    const areTaken = await isDone(Promise.all(all.map((channels) => channels.allTaken())))
    mustBeWell()
    idle = areTaken || waitingIn(all) !== before ? 0 : idle + 1
    if (idle === IDLE_WAITS_MAX) throw notTaken(before)
  }
}

/** false: rejected by a shard. */
async function isDone(task: Promise<unknown>): Promise<boolean> {
  try {
    await task
    return true
  } catch (error) {
    if (error instanceof RouterError) return false
    throw error
  }
}

function waitingIn(all: readonly Channels[]): number {
  return all.flatMap((channels) => channels.states()).reduce((sum, { waiting }) => sum + waiting, 0)
}

function storeFailed(cause?: StorageError): Refusal {
  const said = cause === undefined ? '' : ` (${cause.message})`
  return new Refusal(`a store has failed while its shards took what was under way${said}: see to the disk, and try again`, cause === undefined ? {} : { cause })
}

function notTaken(entries: number): Refusal {
  return new Refusal(`${String(entries)} entries between its shards are not taken: start the server on it, and see chatd_channel_entries_waiting in /metrics fall to 0 before it is stopped`)
}
