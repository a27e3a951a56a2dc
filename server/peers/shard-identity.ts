/** Who a shard is among the others. Both ends of a link say it before anything else: shards that don't mean the same ones must not talk. */
import { createHash } from 'node:crypto'
import { SLOT_COUNT } from '../../storage/slots.js'
import { ENTRIES_VERSION } from '../channels/entries.js'
import type { Federation } from '../channels/federation.js'
import { bytes, count, record } from '../channels/forms.js'
import { LINK_CLOSE, type LinkClose } from '../link/link-frames.js'

export interface ShardIdentity {
  /** The version of entries that it writes, and the last one that it reads. */
  readonly version: number
  readonly shards: number
  readonly shard: number
  /** SHA-256 over the owners of all slots, two bytes each. */
  readonly table: Uint8Array
}

export const identityForm = record<ShardIdentity>({ version: count, shards: count, shard: count, table: bytes })

export function identityOf({ shard, shards, shardOf }: Pick<Federation, 'shard' | 'shards' | 'shardOf'>): ShardIdentity {
  const owners = Buffer.alloc(2 * SLOT_COUNT)
  for (let slot = 0; slot < SLOT_COUNT; slot++) owners.writeUInt16BE(shardOf(slot), 2 * slot)
  return { version: ENTRIES_VERSION, shards, shard, table: createHash('sha256').update(owners).digest() }
}

/** Why a channel from one to the other can't be; null: it can. */
export function disagreement(giver: ShardIdentity, taker: ShardIdentity): LinkClose | null {
  const isSame = giver.shards === taker.shards && giver.shard !== taker.shard && giver.shard < giver.shards && Buffer.from(giver.table).equals(taker.table)
  if (!isSame) return LINK_CLOSE.otherShards
  return giver.version > taker.version ? LINK_CLOSE.unsupportedVersion : null
}
