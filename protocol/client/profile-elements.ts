/** The elements of profiles, contacts, blocking, flags and reports: builds what is asked, reads what is answered. null: makes no sense. */
import { element, uintAttribute } from '../element.js'
import type { Element } from '../element.js'
import { readAll, readBoolean } from './query-elements.js'

export interface Profile {
  /** Not unique: show the address beside it. [PRF-19] */
  readonly name: string
  readonly about: string
  /** Reference of a blob; empty: none. */
  readonly picture: string
}

/** Asked with a version: `profile` is null where it still has that one. */
export interface ProfileInfo {
  readonly user: string
  readonly version: number
  readonly profile: Profile | null
}

/** A page by name behind `after`, or of what changed behind the version `since`. [PRF-7] */
export interface ListRequest {
  readonly after?: string
  readonly since?: number
  readonly limit?: number
}

export interface ListPage<T> {
  /** Of the list: ask `since` it for what changes later. */
  readonly version: number
  /** `since` was asked for and is not known any more: this is the first page of the whole list. */
  readonly isFull: boolean
  readonly items: readonly T[]
  readonly more: boolean
}

export interface ContactInfo {
  readonly user: string
  /** What the user calls it; may be empty. */
  readonly name: string
  readonly version: number
  readonly isRemoved: boolean
}

export interface BlockedInfo {
  readonly user: string
  /** Unix time; 0 where it is removed. */
  readonly sinceMs: number
  readonly version: number
  readonly isRemoved: boolean
}

/** What the user has set for a conversation, for all own devices. */
export interface Flags {
  /** Unix time, 0: not muted, Infinity: until it is changed. A time that is over counts as not muted. */
  readonly mutedUntilMs: number
  readonly isArchived: boolean
  readonly isPinned: boolean
  /** Marked as unread by hand. */
  readonly isMarked: boolean
}

export interface FlagsInfo extends Flags {
  readonly conversation: string
  readonly version: number
}

export function profilesQuery(users: readonly (string | { readonly user: string; readonly version: number })[]): Element {
  return element('profile', {}, ...users.map((each) =>
    typeof each === 'string' ? element('user', { id: each }) : element('user', { id: each.user, version: each.version })))
}

export function changeProfileQuery({ name, about, picture }: Partial<Profile>): Element {
  return element('profile', { name, about, picture })
}

/** null for a user that does not exist. */
export function readProfiles(answer: Element): readonly (ProfileInfo | null)[] | null {
  const users = readAll(answer, 'user', readProfile)
  return answer.name === 'profile' && users !== null ? users.map(({ info }) => info) : null
}

function readProfile(node: Element): { info: ProfileInfo | null } | null {
  const { attributes } = node
  const user = attributes.get('id')
  const version = uintAttribute(node, 'version')
  if (user === undefined) return null
  if (readBoolean(node, 'missing') === true) return { info: null }
  if (version === null) return null
  if (readBoolean(node, 'unchanged') === true) return { info: { user, version, profile: null } }
  const profile = { name: attributes.get('name') ?? '', about: attributes.get('about') ?? '', picture: attributes.get('picture') ?? '' }
  return { info: { user, version, profile } }
}

export function listQuery(name: 'contacts' | 'blocked' | 'flags', { after, since, limit }: ListRequest): Element {
  return element(name, { after: after === '' ? undefined : after, since, limit })
}

export function readContacts(answer: Element): ListPage<ContactInfo> | null {
  return readList(answer, 'contacts', 'contact', (node) => {
    const user = node.attributes.get('user')
    const version = uintAttribute(node, 'version')
    if (user === undefined || version === null) return null
    return { user, name: node.attributes.get('name') ?? '', version, isRemoved: readBoolean(node, 'removed') === true }
  })
}

export function readBlocked(answer: Element): ListPage<BlockedInfo> | null {
  return readList(answer, 'blocked', 'user', (node) => {
    const user = node.attributes.get('id')
    const version = uintAttribute(node, 'version')
    if (user === undefined || version === null) return null
    return { user, sinceMs: uintAttribute(node, 'time') ?? 0, version, isRemoved: readBoolean(node, 'removed') === true }
  })
}

export function readFlagsList(answer: Element): ListPage<FlagsInfo> | null {
  return readList(answer, 'flags', 'conversation', (node) => {
    const conversation = node.attributes.get('with')
    const version = uintAttribute(node, 'version')
    return conversation === undefined || version === null ? null : { conversation, version, ...readFlags(node) }
  })
}

export function changeFlagsQuery(conversation: string, { mutedUntilMs, isArchived, isPinned, isMarked }: Partial<Flags>): Element {
  const mute = mutedUntilMs === undefined ? undefined : mutedUntilMs === Infinity ? 'forever' : mutedUntilMs <= 0 ? 'off' : Math.ceil(mutedUntilMs)
  return element('flags', { with: conversation, mute, archived: textOf(isArchived), pinned: textOf(isPinned), marked: textOf(isMarked) })
}

/** Of an element that has only those attributes that are set. */
export function readFlags(node: Element): Flags {
  const isForever = node.attributes.get('mute') === 'forever'
  return {
    mutedUntilMs: isForever ? Infinity : uintAttribute(node, 'mute') ?? 0,
    isArchived: readBoolean(node, 'archived') === true,
    isPinned: readBoolean(node, 'pinned') === true,
    isMarked: readBoolean(node, 'marked') === true,
  }
}

/** The list's version after a change of one of its items. */
export function readVersion(answer: Element): number | null {
  return uintAttribute(answer, 'version')
}

function textOf(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}

function readList<T>(answer: Element, name: string, item: string, read: (node: Element) => T | null): ListPage<T> | null {
  const version = uintAttribute(answer, 'version')
  const items = readAll(answer, item, read)
  if (answer.name !== name || version === null || items === null) return null
  // The answer to a change of flags is the one that changed, without a page around it.
  return { version, isFull: readBoolean(answer, 'full') === true, items, more: readBoolean(answer, 'more') === true }
}
