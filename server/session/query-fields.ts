/** The attributes of queries as checked values. */
import { normalizeConversation, normalizeUser } from '../../protocol/address.js'
import { type Element, uintAttribute } from '../../protocol/element.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { QueryError } from './query-error.js'

/** Messages or conversations of a page where the query names no limit. */
const PAGE_DEFAULT = 50

export function conversationOf(query: Element): string {
  const value = query.attributes.get('with')
  if (value === undefined) throw new QueryError(ERROR.badRequest, 'with is missing: name the conversation')
  const conversation = normalizeConversation(value)
  if (conversation === null) throw new QueryError(ERROR.malformedAddress, 'with is no user or group')
  return conversation
}

export function optionalUint(query: Element, name: string): number | null {
  if (!query.attributes.has(name)) return null
  const value = uintAttribute(query, name)
  if (value === null) throw new QueryError(ERROR.badRequest, `${name} is no number`)
  return value
}

export function limitOf(query: Element, max: number): number {
  const limit = optionalUint(query, 'limit') ?? PAGE_DEFAULT
  if (limit === 0) throw new QueryError(ERROR.badRequest, 'limit is 0')
  return Math.min(limit, max)
}

/** A user, normalised. */
export function userOf(query: Element, name: string): string {
  const value = query.attributes.get(name)
  if (value === undefined) throw new QueryError(ERROR.badRequest, `${name} is missing: name the user`)
  const user = normalizeUser(value)
  if (user === null) throw new QueryError(ERROR.malformedAddress, `${name} is no user`)
  return user
}

/** `true` or `false`; null: it is not there. */
export function optionalBoolean(query: Element, name: string): boolean | null {
  const value = query.attributes.get(name)
  if (value === undefined) return null
  if (value !== 'true' && value !== 'false') throw new QueryError(ERROR.badRequest, `${name} is true or false`)
  return value === 'true'
}
