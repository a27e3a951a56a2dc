/** Whom a message for a group names with `@name`. Pure. */
import { isGroup, normalizeUser } from '../../protocol/address.js'
import { LIMIT } from '../../protocol/generated/registry.js'

/** Not within a word, as in an address of mail. */
const NAMED = /(?<![\w.@-])@([\w.-]+)/g

/** Each once, as many as a message may mention, in their order; none for a user alone. Of who is not in the group nothing comes. [OPS-17] */
export function mentionsIn(to: string, text: string): string[] {
  if (!isGroup(to) || !text.includes('@')) return []
  const users = [...text.matchAll(NAMED)].map(([, name = '']) => normalizeUser(name.replace(/[.\-_]+$/, '')))
  return [...new Set(users.filter((user) => user !== null))].slice(0, LIMIT.mentionsMax)
}
