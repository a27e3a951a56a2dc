/** What the shard of this process is asked about conversations of users who are at home elsewhere, and the other way round. */
import { normalizeConversation } from '../../protocol/address.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { mustBeMember } from '../groups/access.js'
import type { ConversationFlags } from '../profiles/flags.js'
import type { ProfileVersions } from '../profiles/profile.js'
import type { SearchPage, SearchRequest } from '../search/search-router.js'
import { search } from '../search/search.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { LocalSummaries, settledWatermarks, type SummaryPart, type Viewer } from '../shard/views.js'
import type { HomeCommands } from './home-router.js'
import { type MemberWatermarks, RouterError } from './router.js'

export class LocalHome implements HomeCommands {
  readonly #shard: Shard

  constructor(shard: Shard) {
    this.#shard = shard
  }

  async receipts(viewer: Viewer, conversation: string): Promise<readonly MemberWatermarks[]> {
    const state = await this.#shard.conversation(nameOf(viewer.name, conversation))
    mustBeMember(state, viewer.name)
    return settledWatermarks(this.#shard, state, viewer)
  }

  async summaryPart(name: string, viewer: Viewer): Promise<SummaryPart | null> {
    const summaries = new LocalSummaries(this.#shard)
    const part = await summaries.part(name, viewer)
    await summaries.settled()
    return part
  }

  profileVersions(owner: string): Promise<ProfileVersions> {
    return new LocalSummaries(this.#shard).profileVersions(owner)
  }

  conversationNames(user: string): Promise<readonly string[]> {
    return new LocalSummaries(this.#shard).names(user)
  }

  flags(user: string, address: string): Promise<ConversationFlags> {
    return new LocalSummaries(this.#shard).flags(user, address)
  }

  searchIn(user: string, request: SearchRequest, names: readonly string[]): Promise<SearchPage> {
    return search(this.#shard, user, request, names)
  }
}

/** The name in the store of the conversation that the user addresses so. Throws RouterError malformed-address. */
export function nameOf(user: string, address: string): string {
  const normalized = normalizeConversation(address)
  if (normalized === null) throw new RouterError(ERROR.malformedAddress, 'not the address of a conversation')
  return conversationName(user, normalized)
}
