/** The queries of spec/profiles.md: attributes in, elements out. What they mean is the router's. */
import { normalizeConversation, normalizeUser } from '../../protocol/address.js'
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { MUTED_FOR_EVER, type ConversationFlags } from '../profiles/flags.js'
import type { Profile } from '../profiles/profile.js'
import type { BlockedUser, Contact, FlaggedConversation, List, ListRequest, ProfileRequest, ShownProfile } from '../profiles/service.js'
import { fitting, flagAttributes } from './query-answers.js'
import { QueryError } from './query-error.js'
import { conversationOf, limitOf, optionalBoolean, optionalUint, userOf } from './query-fields.js'
import type { Session } from './session.js'

/** The answer; null where it is no such query. */
export function answerProfileQuery(session: Session, query: Element): Promise<Element> | null {
  switch (query.name) {
    case 'profile': return profile(session, query)
    case 'contacts': return contacts(session, query)
    case 'contact': return contact(session, query)
    case 'blocked': return blocked(session, query)
    case 'block': case 'unblock': return block(session, query)
    case 'flags': return flags(session, query)
    case 'report': return report(session, query)
    default: return null
  }
}

async function profile({ user, environment }: Session, query: Element): Promise<Element> {
  const { profiles } = environment.router
  const change = profileChange(query)
  const others = query.children.flatMap((child) => typeof child !== 'string' && child.name === 'user' ? [requestOf(child, 'id')] : [])
  if (query.attributes.has('user')) others.push(requestOf(query, 'user'))
  if (others.length === 0) {
    const own = await profiles.changeProfile(user, change)
    return element('profile', {}, profileElement(own, optionalUint(query, 'version') ?? 0))
  }
  if (Object.keys(change).length > 0) throw new QueryError(ERROR.badRequest, 'nobody changes the profile of others')
  // [PRF-5]
  if (others.length > LIMIT.profileUsersMax) throw new QueryError(ERROR.badRequest, `more than ${String(LIMIT.profileUsersMax)} users`)
  const shown = await profiles.profiles(user, others)
  if (others.length === 1 && shown[0] === null) throw new QueryError(ERROR.noSuchUser, `there is no user ${others[0]?.user ?? ''}`)
  return element('profile', {}, ...shown.map((each, index) =>
    each === null ? element('user', { id: others[index]?.user, missing: 'true' }) : profileElement(each, 0)))
}

function profileChange(query: Element): Partial<Profile> {
  const { attributes } = query
  const name = attributes.get('name')
  const about = attributes.get('about')
  const picture = attributes.get('picture')
  return { ...name === undefined ? {} : { name }, ...about === undefined ? {} : { about }, ...picture === undefined ? {} : { picture } }
}

function requestOf(query: Element, name: string): ProfileRequest {
  return { user: userOf(query, name), version: optionalUint(query, 'version') ?? 0 }
}

function profileElement({ user, version, profile: content }: ShownProfile, known: number): Element {
  if (content === null || version === known) return element('user', { id: user, version, unchanged: 'true' })
  return element('user', { id: user, version, ...content })
}

async function contacts({ user, environment: { router, config } }: Session, query: Element): Promise<Element> {
  const page = await router.profiles.contacts(user, listRequest(query))
  return listAnswer('contacts', page, query, contactElement, config.limits.frameBytesMax)
}

function contactElement({ user, name, version, isRemoved }: Contact): Element {
  return element('contact', { user, version, ...isRemoved ? { removed: 'true' } : { name } })
}

async function contact({ user, environment: { router } }: Session, query: Element): Promise<Element> {
  const other = userOf(query, 'user')
  const isRemoved = optionalBoolean(query, 'removed') === true
  const name = query.attributes.get('name') ?? ''
  const version = isRemoved ? await router.profiles.removeContact(user, other) : await router.profiles.setContact(user, other, name)
  return element('contact', { user: other, version, ...isRemoved ? { removed: 'true' } : { name } })
}

async function blocked({ user, environment: { router, config } }: Session, query: Element): Promise<Element> {
  const page = await router.profiles.blocked(user, listRequest(query))
  return listAnswer('blocked', page, query, blockedElement, config.limits.frameBytesMax)
}

function blockedElement({ user, sinceMs, version, isRemoved }: BlockedUser): Element {
  return element('user', { id: user, version, ...isRemoved ? { removed: 'true' } : { time: sinceMs } })
}

async function block({ user, environment: { router } }: Session, query: Element): Promise<Element> {
  const other = userOf(query, 'user')
  const version = await (query.name === 'block' ? router.profiles.block(user, other) : router.profiles.unblock(user, other))
  return element(query.name, { user: other, version })
}

async function flags({ user, environment: { router, config } }: Session, query: Element): Promise<Element> {
  if (!query.attributes.has('with')) {
    return listAnswer('flags', await router.profiles.flags(user, listRequest(query)), query, flaggedElement, config.limits.frameBytesMax)
  }
  const flagged = await router.profiles.changeFlags(user, conversationOf(query), flagChange(query))
  return element('flags', { version: flagged.version }, flaggedElement(flagged))
}

function flaggedElement({ conversation, flags: set, version }: FlaggedConversation): Element {
  return element('conversation', { with: conversation, version, ...flagAttributes(set) })
}

function flagChange(query: Element): Partial<ConversationFlags> {
  const mutedUntilMs = muteOf(query)
  const isArchived = optionalBoolean(query, 'archived')
  const isPinned = optionalBoolean(query, 'pinned')
  const isMarked = optionalBoolean(query, 'marked')
  return {
    ...mutedUntilMs === null ? {} : { mutedUntilMs }, ...isArchived === null ? {} : { isArchived },
    ...isPinned === null ? {} : { isPinned }, ...isMarked === null ? {} : { isMarked },
  }
}

/** `off`, `forever`, or Unix time. */
function muteOf(query: Element): number | null {
  const value = query.attributes.get('mute')
  if (value === 'off') return 0
  if (value === 'forever') return MUTED_FOR_EVER
  return optionalUint(query, 'mute')
}

async function report({ user, environment: { router } }: Session, query: Element): Promise<Element> {
  const conversation = conversationOf(query)
  const reason = query.children.map((child) => typeof child === 'string' ? child : '').join('')
  await router.profiles.report(user, { conversation, reason, blocks: optionalBoolean(query, 'block') === true })
  return element('report', { with: conversation })
}

function listRequest(query: Element): ListRequest {
  const after = query.attributes.get('after') ?? ''
  const normalized = after === '' ? '' : normalizeConversation(after) ?? normalizeUser(after)
  if (normalized === null) throw new QueryError(ERROR.malformedAddress, 'after is no address')
  return { after: normalized, since: optionalUint(query, 'since'), limit: limitOf(query, LIMIT.listPageMax) }
}

/** `full` tells who asked for changes alone that it gets everything. [PRF-7] */
function listAnswer<T>(name: string, page: List<T>, query: Element, toElement: (item: T) => Element, frameBytesMax: number): Element {
  const items = page.items.map(toElement)
  const kept = fitting(items, frameBytesMax)
  const isSurprise = page.isFull && query.attributes.has('since')
  return element(name, { version: page.version, more: String(page.more || kept.length < items.length), ...isSurprise ? { full: 'true' } : {} }, ...kept)
}
