/** Whom a message for a group names with `@name`. Pure. */
import { isGroup, normalizeUser } from '../../protocol/address.js'
import { LIMIT } from '../../protocol/generated/registry.js'

/** Not within a word, as in an address of mail, and not the beginning of one: letters of other alphabets are not in names. */
const NAMED = /(?<![\p{L}\p{M}\p{N}_.@-])@([\w.-]+)(?![\p{L}\p{M}\p{N}_.-])/gu
/** A name may end in them; but it is not known here who is in the group, and nearly always a sentence does. */
const FULL_STOPS = /\.+$/

/** Each once, as many as a message may mention, in their order; none for a user alone. Of who is not in the group nothing comes. [OPS-17] */
export function mentionsIn(to: string, text: string): string[] {
  if (!isGroup(to) || !text.includes('@')) return []
  const users = [...text.matchAll(NAMED)].map(([, name = '']) => normalizeUser(name.replace(FULL_STOPS, '')))
  return [...new Set(users.filter((user) => user !== null))].slice(0, LIMIT.mentionsMax)
}
