/** The query `privacy`: what it asks for, and how it is answered. [PRS-17] */
import { childOf, element, type Element } from '../../protocol/element.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { AUDIENCES, type Audience, type Privacy } from '../presence/privacy.js'
import type { PrivacyChange } from '../router/router.js'
import { QueryError } from './query-error.js'

/** null: nothing is to be changed. Throws a QueryError for what makes no sense. */
export function privacyChange(query: Element): PrivacyChange | null {
  const seen = audienceOf(query, 'seen')
  const online = audienceOf(query, 'online')
  const list = childOf(query, 'except')
  if (seen === null && online === null && list === null) return null
  return {
    ...seen === null ? {} : { seen },
    ...online === null ? {} : { online },
    ...list === null ? {} : { except: namesIn(list) },
  }
}

export function privacyAnswer({ seen, online, except }: Privacy): Element {
  return element('privacy', { seen, online }, element('except', {}, ...except.map((name) => element('user', { name }))))
}

function audienceOf(query: Element, name: string): Audience | null {
  const value = query.attributes.get(name)
  if (value === undefined) return null
  const audience = AUDIENCES.find((each) => each === value)
  if (audience === undefined) throw new QueryError(ERROR.badRequest, `${name} is one of ${AUDIENCES.join(', ')}`)
  return audience
}

function namesIn(list: Element): string[] {
  return list.children.map((child) => {
    const name = typeof child === 'string' || child.name !== 'user' ? undefined : child.attributes.get('name')
    if (name === undefined) throw new QueryError(ERROR.badRequest, 'except holds a user for each name')
    return name
  })
}
