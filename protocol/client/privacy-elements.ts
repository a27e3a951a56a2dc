/** The element of the query `privacy`: builds what is asked, reads what is answered. [PRS-17] */
import { childOf, element } from '../element.js'
import type { Element } from '../element.js'

/** `except`: everybody but the users on the list. */
export type Audience = 'everybody' | 'contacts' | 'except' | 'nobody'

export interface Privacy {
  /** Who sees when the user was last seen; who hides it sees it of nobody. */
  readonly seen: Audience
  /** Who sees that the user is online; likewise. */
  readonly online: Audience
  /** The users that `except` means, for both. */
  readonly except: readonly string[]
}

const AUDIENCES: readonly string[] = ['everybody', 'contacts', 'except', 'nobody'] satisfies Audience[]

function isAudience(value: string | undefined): value is Audience {
  return value !== undefined && AUDIENCES.includes(value)
}

export function privacyQuery({ seen, online, except }: Partial<Privacy>): Element {
  const list = except === undefined ? [] : [element('except', {}, ...except.map((name) => element('user', { name })))]
  return element('privacy', { seen, online }, ...list)
}

export function readPrivacy(answer: Element): Privacy | null {
  const seen = answer.attributes.get('seen')
  const online = answer.attributes.get('online')
  const list = childOf(answer, 'except')
  if (answer.name !== 'privacy' || !isAudience(seen) || !isAudience(online) || list === null) return null
  const except: string[] = []
  for (const child of list.children) {
    const name = typeof child === 'string' || child.name !== 'user' ? undefined : child.attributes.get('name')
    if (name === undefined) return null
    except.push(name)
  }
  return { seen, online, except }
}
