/** Makes the index again from the logs, conversation by conversation. Searches find everything meanwhile: what has no index is read. */
import { conversationKeys } from '../../storage/conversation-keys.js'
import { everything } from '../../storage/owner-keys.js'
import { searchKeys } from '../../storage/search-keys.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { nextConversation } from '../shard/conversation-walk.js'
import type { Shard } from '../shard/shard.js'
import type { Indexer } from './indexer.js'
import type { RebuildResult } from './search-router.js'
import { SEGMENT_MESSAGES, segmentEnd } from './segment.js'

/** Segments between two commits: what is in memory at once. */
const SEGMENTS_PER_COMMIT = 16

/** See SearchRouter. */
export async function rebuildSearch(shard: Shard): Promise<RebuildResult> {
  const { indexer } = shard
  if (indexer === null) throw new RouterError(ERROR.noSearch, 'search is off: turn search.enabled on')
  let conversations = 0
  let segments = 0
  for (let from = everything().gte; ;) {
    const name = await nextConversation(shard, from)
    if (name === null) break
    from = conversationKeys(name).all().lt
    segments += await rebuildOne(shard, indexer, name)
    conversations++
  }
  await shard.committed()
  return { conversations, segments }
}

async function rebuildOne(shard: Shard, indexer: Indexer, name: string): Promise<number> {
  const keys = searchKeys(name)
  await shard.reading(shard.engine.trim(keys.all()))
  const { committedTail, trimmedTo } = await shard.conversation(name)
  let made = 0
  for (let end = segmentEnd(trimmedTo + 1); end <= committedTail; end += SEGMENT_MESSAGES) {
    if (await indexer.makeAnew(name, end) !== null && ++made % SEGMENTS_PER_COMMIT === 0) await shard.committed()
  }
  return made
}
