/** Bugs of channels, to be planted in a server with several shards, or in one of its shards. */
import { channelEntries, channelTakenKey } from '../../../storage/channel-keys.js'
import { encodeNumber } from '../../channels/entries.js'
import type { Incoming } from '../../channels/incoming.js'
import type { Shard } from '../../shard/shard.js'
import type { SimServer } from './server.js'

/** How far a channel was taken is written with the transaction after the one that holds the effects. */
export function cursorOutsideBatch(server: SimServer): void {
  eachShard(server, writeCursorOutsideBatch)
}

export function writeCursorOutsideBatch(shard: Shard): void {
  const seal = shard.seal.bind(shard)
  let late: ReadonlyMap<Incoming, number> = new Map()
  shard.seal = (transaction, withLate) => {
    for (const [channel, number] of late) transaction.batch.put(channelTakenKey(channel.shard), encodeNumber(number))
    const applied = new Map(transaction.channels.applied)
    transaction.channels.applied.clear()
    seal(transaction, withLate)
    for (const [channel, number] of applied) transaction.channels.applied.set(channel, number)
    late = applied
  }
}

/** An entry is confirmed when it has taken effect in memory. */
export function confirmedBeforeCommit(server: SimServer): void {
  eachShard(server, confirmBeforeCommit)
}

export function confirmBeforeCommit(shard: Shard): void {
  const seal = shard.seal.bind(shard)
  shard.seal = (transaction, withLate) => {
    for (const [channel, number] of transaction.channels.applied) shard.environment.federation?.peers.confirm(channel.shard, number, false)
    seal(transaction, withLate)
  }
}

/** An entry is deleted when it has been sent. */
export function deletedBeforeConfirmed(server: SimServer): void {
  eachShard(server, deleteBeforeConfirmed)
}

export function deleteBeforeConfirmed(shard: Shard): void {
  const finish = shard.finish.bind(shard)
  shard.finish = (transaction) => {
    finish(transaction)
    for (const channel of transaction.channels.rows.keys()) shard.engine.trim(channelEntries(channel.shard, 0, channel.sender.sent + 1)).catch(() => undefined)
  }
}

/** Who registers again, while the account is being made elsewhere, uses the invite once more. */
export function pendingUsesForgotten(server: SimServer): void {
  eachShard(server, (shard) => {
    const load = shard.invite.bind(shard)
    shard.invite = async (id) => {
      const invite = await load(id)
      if (invite.row !== null) invite.row = { ...invite.row, pending: [] }
      return invite
    }
  })
}

/** What is lost of who is online is never missed. */
export function newsUnmissed(server: SimServer): void {
  eachShard(server, ({ environment: { federation } }) => {
    if (federation === undefined) return
    const { peers } = federation
    const ask = peers.ask.bind(peers)
    peers.ask = (shard, name, ...args) => name === 'watchesRenewed' ? new Promise(() => undefined) : ask(shard, name, ...args)
  })
}

const planted = new WeakSet<Shard>()

/** Each once: a shard that dies is followed by one that knows nothing of the bug, among others that have it. */
function eachShard({ shards }: SimServer, plant: (shard: Shard) => void): void {
  for (const { shard } of shards) {
    if (planted.has(shard)) continue
    planted.add(shard)
    plant(shard)
  }
}
