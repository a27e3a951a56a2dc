/** The elements of invites and search: builds what is asked, reads what is answered. Answers are checked; what makes no sense is null. */
import { element, uintAttribute } from '../element.js'
import type { Element } from '../element.js'
import { readAll, readBoolean, readMessage } from './query-elements.js'
import type { HistoryMessage } from './query-elements.js'

/** An invite as it is made: the code is shown this once. */
export interface MadeInvite {
  readonly id: string
  readonly code: string
  readonly uses: number
  /** Unix time. */
  readonly expiresMs: number
}

export interface InviteRecord {
  readonly id: string
  /** Unix time. */
  readonly createdMs: number
  /** Unix time. */
  readonly expiresMs: number
  readonly uses: number
  readonly used: number
  /** `open`, `used`, `expired`, `revoked`, or what a later version says. */
  readonly state: string
}

export interface SearchOptions {
  /** One conversation alone. */
  readonly with?: string
  /** Messages of this user alone. */
  readonly from?: string
  /** Unix time, inclusive. */
  readonly sinceMs?: number
  /** Unix time, exclusive. */
  readonly untilMs?: number
  /** `next` of the page before. */
  readonly after?: string
  /** Messages of the page at most; the server's default and maximum apply. */
  readonly limit?: number
}

export interface SearchResults {
  /** Newest first. */
  readonly messages: readonly HistoryMessage[]
  /** Whether there may be further ones: go on with `next`, also after an empty page. [SCH-3] */
  readonly more: boolean
  /** null: there are no more. */
  readonly next: string | null
}

const ID_LETTERS = '0123456789abcdefghjkmnpqrstvwxyz'

/** An id for a new invite, from 8 random bytes: asked again after a lost connection, it is the same invite. [INV-16] */
export function inviteId(random: Uint8Array): string {
  return Array.from(random, (byte) => ID_LETTERS[byte % ID_LETTERS.length]).join('')
}

export function inviteQuery(id: string, { uses, ageMs }: { readonly uses?: number; readonly ageMs?: number }): Element {
  return element('invite', { id, uses, age: ageMs })
}

export function readMadeInvite(answer: Element): MadeInvite | null {
  const id = answer.attributes.get('id')
  const code = answer.attributes.get('code')
  const uses = uintAttribute(answer, 'uses')
  const expiresMs = uintAttribute(answer, 'expires')
  if (answer.name !== 'invite' || id === undefined || code === undefined || uses === null || expiresMs === null) return null
  return { id, code, uses, expiresMs }
}

export function invitesQuery(after: string): Element {
  return element('invites', { after: after === '' ? undefined : after })
}

export function readInvites(answer: Element): { invites: readonly InviteRecord[]; more: boolean } | null {
  const more = readBoolean(answer, 'more')
  if (answer.name !== 'invites' || more === null) return null
  const invites = readAll(answer, 'invite', readInvite)
  return invites === null ? null : { invites, more }
}

function readInvite(node: Element): InviteRecord | null {
  const id = node.attributes.get('id')
  const state = node.attributes.get('state')
  const createdMs = uintAttribute(node, 'created')
  const expiresMs = uintAttribute(node, 'expires')
  const uses = uintAttribute(node, 'uses')
  const used = uintAttribute(node, 'used')
  if (id === undefined || state === undefined || createdMs === null || expiresMs === null || uses === null || used === null) return null
  return { id, createdMs, expiresMs, uses, used, state }
}

export function searchQuery(words: string, { with: conversation, from, sinceMs, untilMs, after, limit }: SearchOptions): Element {
  return element('search', { words, with: conversation, from, since: sinceMs, until: untilMs, after, limit })
}

export function readSearch(answer: Element, user: string): SearchResults | null {
  const more = readBoolean(answer, 'more')
  const next = answer.attributes.get('next') ?? null
  if (answer.name !== 'search' || more === null || (more && next === null)) return null
  const messages = readAll(answer, 'message', (node) => {
    const conversation = node.attributes.get('with')
    return conversation === undefined ? null : readMessage(node, conversation, user)
  })
  return messages === null ? null : { messages, more, next }
}
