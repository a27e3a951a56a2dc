/** What `/privacy …` asks for, and how the settings read. Pure. */
import { normalizeUser } from '../../protocol/address.js'
import type { Audience, Privacy } from '../../protocol/client/node.js'

export const AUDIENCES: readonly Audience[] = ['everybody', 'contacts', 'except', 'nobody']

const USAGE = '/privacy shows it; /privacy seen|online everybody|contacts|except|nobody; /privacy except NAME… sets the list'

/** A change, empty for none; or a sentence that says what is wrong. */
export function privacyChange(words: readonly string[]): Partial<Privacy> | string {
  const [what, ...rest] = words
  if (what === undefined) return {}
  if (what === 'except') return exceptChange(rest)
  const audience = AUDIENCES.find((each) => each === rest[0])
  if ((what !== 'seen' && what !== 'online') || audience === undefined || rest.length > 1) return USAGE
  return what === 'seen' ? { seen: audience } : { online: audience }
}

/** The list alone means nothing, so it is put in force for both. */
function exceptChange(names: readonly string[]): Partial<Privacy> | string {
  const except: string[] = []
  for (const name of names) {
    const user = normalizeUser(name)
    if (user === null) return `'${name}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`
    except.push(user)
  }
  return except.length === 0 ? { except } : { seen: 'except', online: 'except', except }
}

/** `last seen: everybody · online: everybody but bob, carol` */
export function privacyText({ seen, online, except }: Privacy): string {
  const read = (audience: Audience): string => audience === 'except' ? `everybody but ${except.length === 0 ? 'nobody' : except.join(', ')}` : audience
  return `last seen: ${read(seen)} · online: ${read(online)}`
}
