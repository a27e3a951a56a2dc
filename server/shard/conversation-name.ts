/** Names of conversations: in the store one for all, and one for each of its members, who address it by the other. */
import { pairName } from '../../storage/conversation-keys.js'
import { isGroup } from '../../protocol/address.js'

/** How this user addresses a conversation, by its name in the store: by the other user, by the group, by itself for its notes. */
export function addressIn(name: string, user: string): string {
  if (isGroup(name)) return name
  const [one = name, other = one] = name.split(':')
  return one === user ? other : one
}

/** Whether a conversation, by its name in the store, is that of two: neither a group nor a user's own. */
export function isOfTwo(name: string): boolean {
  return name.includes(':')
}

/** The conversation's name in the store, as this user addresses it. */
export function conversationName(user: string, address: string): string {
  return isGroup(address) ? address : pairName(user, address)
}
