/** From conversation to conversation over the whole store, in the order of the keys, without a list of them in memory. */
import { ERROR } from '../../protocol/generated/registry.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { slotAt, SLOT_COUNT, slotRange } from '../../storage/slots.js'
import { RouterError } from '../router/router.js'
import type { Shard } from './shard.js'

/** The first conversation whose rows begin at this key or behind it; null: there is none. */
export async function nextConversation(shard: Shard, from: Uint8Array): Promise<string | null> {
  let gte = from
  for (let slot = slotAt(from); slot < SLOT_COUNT;) {
    let key: Uint8Array | undefined
    try {
      const page = await shard.reading(shard.engine.range({ gte, lt: everything().lt, limit: 1 }))
      key = page[0]?.[0]
      if (key === undefined) return null
      slot = slotAt(key)
      const owner = ownerAt(key)
      if (owner?.table === 'conversation') return owner.name
    } catch (error) {
      // A damaged row does not say whose it is; beyond its slot the walk goes on.
      if (!isInternal(error)) throw error
    }
    // Within a slot conversations come before everything else.
    slot++
    gte = slotRange(slot).gte
  }
  return null
}

/** A row that can't be read, and not a store that can't. */
export function isInternal(error: unknown): boolean {
  return error instanceof RouterError && error.code === ERROR.internalError
}
