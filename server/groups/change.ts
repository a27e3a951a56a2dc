/**
 * Changes of a group as elements: what a query asks for, what stands in the log, what members are told. Reading one checks its form;
 * whether its author may do it is the group's to say. [GRP-2]
 */
import { isBlobId } from '../../protocol/attachments.js'
import { normalizeUser } from '../../protocol/address.js'
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { type Policy, POLICY_VALUES } from './group-state.js'

export type Change =
  | { readonly kind: 'add' | 'invite' | 'deny' | 'remove' | 'owner', readonly users: readonly string[] }
  | { readonly kind: 'role', readonly users: readonly string[], readonly role: 'admin' | 'member' }
  | { readonly kind: 'info', readonly name?: string, readonly about?: string, readonly picture?: string }
  | { readonly kind: 'policy', readonly policy: Partial<Policy> }
  /** Asked for by a query of its own. [DIS-1] */
  | { readonly kind: 'timer', readonly afterMs: number }
  | { readonly kind: 'leave' | 'disband' }

/** What a new group is asked to be. */
export interface NewGroup {
  readonly displayName: string
  readonly about: string
  readonly policy: Partial<Policy>
  /** Without the creator. */
  readonly users: readonly string[]
}

// What may not stand in a name or description: control characters but line feed and tab, and marks that turn the direction of text
// beyond their own end.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/u
const LINE_BREAK = /[\t\n]/

/** A change as a query names it. Throws RouterError bad-request and others of its form. */
export function readChange(item: Element): Change {
  switch (item.name) {
    case 'add':
    case 'invite':
    case 'deny':
    case 'remove':
      return { kind: item.name, users: namedUsers(item) }
    case 'owner': {
      const users = namedUsers(item)
      if (users.length !== 1) throw badRequest('owner names one member')
      return { kind: 'owner', users }
    }
    case 'role': {
      const role = item.attributes.get('role')
      if (role !== 'admin' && role !== 'member') throw badRequest('role is admin or member')
      return { kind: 'role', users: namedUsers(item), role }
    }
    case 'info': {
      const name = item.attributes.get('name')
      const about = item.attributes.get('about')
      const picture = item.attributes.get('picture')
      if (name === undefined && about === undefined && picture === undefined) throw badRequest('info names what to change')
      if (picture !== undefined && picture !== '' && !isBlobId(picture)) throw new RouterError(ERROR.noSuchBlob, 'the picture is no blob')
      return {
        kind: 'info',
        ...name === undefined ? {} : { name: checkedName(name) },
        ...about === undefined ? {} : { about: checkedAbout(about) },
        ...picture === undefined ? {} : { picture },
      }
    }
    case 'policy': {
      const policy = readPolicy(item)
      if (Object.keys(policy).length === 0) throw badRequest('policy names what to change')
      return { kind: 'policy', policy }
    }
    case 'leave':
    case 'disband':
      return { kind: item.name }
    default:
      throw badRequest(`there is no change ${item.name}`)
  }
}

/** What `group-create` asks for. `address`: of the group, normalised. */
export function readNewGroup(query: Element, address: string): NewGroup {
  const name = query.attributes.get('name') ?? ''
  return {
    displayName: name === '' ? address.slice(1) : checkedName(name),
    about: checkedAbout(query.attributes.get('about') ?? ''),
    policy: readPolicy(query),
    users: memberNames(query),
  }
}

export function readPolicy(item: Element): Partial<Policy> {
  const policy: Record<string, string> = {}
  for (const [key, values] of Object.entries(POLICY_VALUES)) {
    const value = item.attributes.get(key)
    if (value === undefined) continue
    if (!(values as readonly string[]).includes(value)) throw badRequest(`${key} is ${values.join(' or ')}`)
    policy[key] = value
  }
  return policy
}

/** The change with these users, as it stands in the log. */
export function namingElement(kind: string, users: readonly string[], attributes: Readonly<Record<string, string>> = {}): Element {
  return element(kind, attributes, ...users.map((name) => element('member', { name })))
}

function namedUsers(item: Element): string[] {
  const users = memberNames(item)
  if (users.length === 0) throw badRequest(`${item.name} names nobody`)
  return users
}

/** Each once, in their order. */
function memberNames(item: Element): string[] {
  const users = new Set<string>()
  for (const child of item.children) {
    if (typeof child === 'string' || child.name !== 'member') continue
    const user = normalizeUser(child.attributes.get('name') ?? '')
    if (user === null) throw new RouterError(ERROR.malformedAddress, 'a member is no user')
    users.add(user)
  }
  // Nobody can be added beyond it, and what names more is not worth looking up.
  if (users.size > LIMIT.groupMembersMax) throw new RouterError(ERROR.groupFull, `more than ${String(LIMIT.groupMembersMax)} names`)
  return [...users]
}

function checkedName(name: string): string {
  if (name.trim() === '' || UNSAFE.test(name) || LINE_BREAK.test(name)) throw new RouterError(ERROR.malformedText, 'not a name for a group')
  if ([...name].length > LIMIT.groupNameCharactersMax) throw new RouterError(ERROR.textTooLong, 'the name is too long')
  return name
}

function checkedAbout(about: string): string {
  if (UNSAFE.test(about)) throw new RouterError(ERROR.malformedText, 'not a description')
  if ([...about].length > LIMIT.groupAboutCharactersMax) throw new RouterError(ERROR.textTooLong, 'the description is too long')
  return about
}

function badRequest(message: string): RouterError {
  return new RouterError(ERROR.badRequest, message)
}
