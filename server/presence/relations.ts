/** What presence has to know of two users beside their settings: who is whose contact, and who has blocked whom. */
import { pairName } from '../../storage/conversation-keys.js'
import type { Shard } from '../shard/shard.js'

export interface Relations {
  /** Whether `owner` has `other` among the contacts. Neither need exist. */
  isContact(owner: string, other: string): boolean | Promise<boolean>
  /** Whether `owner` has blocked `other`. */
  isBlocked(owner: string, other: string): boolean | Promise<boolean>
}

/** As long as nobody keeps contacts: one's contacts are those one has a conversation with, and nobody is blocked. */
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
