/** Contacts without lists of them, for tests that have none. */
import { pairName } from '../../storage/conversation-keys.js'
import type { Relations } from '../presence/relations.js'
import type { Shard } from '../shard/shard.js'

/** One's contacts are those one has a conversation with, and nobody is blocked. */
export class ConversationRelations implements Relations {
  readonly #shard: Shard

  constructor(shard: Shard) {
    this.#shard = shard
  }

  async isContact(owner: string, other: string): Promise<boolean> {
    const user = await this.#shard.user(owner)
    const row = await this.#shard.reading(this.#shard.engine.get(user.keys.conversation(pairName(owner, other))))
    return row !== undefined
  }

  isBlocked(): boolean {
    return false
  }
}
