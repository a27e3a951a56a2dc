/** Groups, as an application asks for them. Every method rejects with a ClientError: the code that the server answered with. */
import { element, uintAttribute } from '../element.js'
import type { Element } from '../element.js'
import { nextPage } from './query-elements.js'

export type GroupRole = 'owner' | 'admin' | 'member'

/** Who may do what in a group, and what new members may read. */
export interface GroupPolicy {
  readonly post: 'all' | 'admins'
  readonly add: 'all' | 'admins'
  readonly edit: 'all' | 'admins'
  readonly history: 'all' | 'joined'
}

/** What may be asked to change; `role` and the others that name members take several at once. */
export type GroupChange =
  | { readonly kind: 'add' | 'invite' | 'deny' | 'remove' | 'owner', readonly members: readonly string[] }
  | { readonly kind: 'role', readonly members: readonly string[], readonly role: 'admin' | 'member' }
  | { readonly kind: 'info', readonly name?: string, readonly about?: string, readonly picture?: string }
  | { readonly kind: 'policy', readonly policy: Partial<GroupPolicy> }
  | { readonly kind: 'leave' | 'disband' }

export interface NewGroupOptions {
  readonly name?: string
  readonly about?: string
  readonly members?: readonly string[]
  readonly policy?: Partial<GroupPolicy>
}

export interface GroupMember {
  readonly user: string
  readonly role: GroupRole
  /** Unix time. */
  readonly sinceMs: number
}

export interface GroupLinkInfo {
  readonly code: string
  readonly createdMs: number
  /** Unix time; null: never. */
  readonly expiresMs: number | null
  /** null: any number. */
  readonly usesLeft: number | null
  readonly needsApproval: boolean
}

export interface GroupInfo {
  readonly group: string
  readonly name: string
  readonly about: string
  readonly picture: string
  readonly createdMs: number
  readonly size: number
  /** Of this user: invited, or none where it came with a link. */
  readonly role: GroupRole | 'invited' | 'none'
  /** The rest is for members. */
  readonly policy: GroupPolicy | null
  readonly members: readonly GroupMember[]
  readonly invited: readonly string[]
  readonly requests: readonly string[]
  readonly links: readonly GroupLinkInfo[]
}

export type Ask = <T>(query: Element, read: (answer: Element) => T | null) => Promise<T>

const ROLES: readonly string[] = ['owner', 'admin', 'member']

export class GroupClient {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** `group`: `#` and a name that nobody has taken. Resolves with the seq of the first change. [GRP-17] */
  create(group: string, { name, about, members = [], policy = {} }: NewGroupOptions = {}): Promise<number> {
    return this.#ask(element('group-create', { id: group, name, about, ...policy }, ...members.map(memberElement)), readSeq)
  }

  /** With a link also what somebody who is no member may know. [GRP-19] Page by page, of a group with many members. [GRP-24] */
  async info(group: string, link?: string): Promise<GroupInfo> {
    const pages: GroupInfo[] = []
    for (let after: string | undefined = undefined; ;) {
      const { info, next }: GroupPage = await this.#ask(element('group', { id: group, link, after }), readGroupPage)
      pages.push(info)
      // A page without progress would go on for ever.
      if (next === null || (after !== undefined && next <= after)) break
      after = next
    }
    const first = pages[0]!
    if (pages.length === 1) return first
    return {
      ...first, members: pages.flatMap(({ members }) => members), invited: pages.flatMap(({ invited }) => invited),
      requests: pages.flatMap(({ requests }) => requests), links: pages.flatMap(({ links }) => links),
    }
  }

  /** Resolves with the seq of the change; 0: it was so already. [GRP-6] */
  change(group: string, change: GroupChange): Promise<number> {
    return this.#ask(element('group-change', { id: group }, changeElement(change)), readSeq)
  }

  /** By a link, or without one by an invitation. */
  join(group: string, link?: string): Promise<{ readonly seq: number, readonly isPending: boolean }> {
    return this.#ask(element('group-join', { id: group, link }), (answer) => {
      const seq = readSeq(answer)
      return seq === null ? null : { seq, isPending: answer.attributes.get('pending') === 'true' }
    })
  }

  makeLink(group: string, { expiresMs, uses, needsApproval = false }: { expiresMs?: number, uses?: number, needsApproval?: boolean } = {}): Promise<GroupLinkInfo> {
    return this.#ask(element('group-link', { id: group, expires: expiresMs, uses, approval: String(needsApproval) }), readLink)
  }

  async revokeLink(group: string, code: string): Promise<void> {
    await this.#ask(element('group-unlink', { id: group, code }), (answer) => answer)
  }
}

function changeElement(change: GroupChange): Element {
  switch (change.kind) {
    case 'role': return element('role', { role: change.role }, ...change.members.map(memberElement))
    case 'info': return element('info', { name: change.name, about: change.about, picture: change.picture })
    case 'policy': return element('policy', { ...change.policy })
    case 'leave':
    case 'disband': return element(change.kind)
    default: return element(change.kind, {}, ...change.members.map(memberElement))
  }
}

function memberElement(name: string): Element {
  return element('member', { name })
}

/** Names of the members that a change names. */
export function membersOf(change: Element): string[] {
  return named(change, 'member')
}

function named(parent: Element, name: string): string[] {
  return parent.children.flatMap((child) => typeof child !== 'string' && child.name === name ? child.attributes.get('name') ?? [] : [])
}

function readSeq(answer: Element): number | null {
  return uintAttribute(answer, 'seq')
}

interface GroupPage {
  readonly info: GroupInfo
  /** The user behind which the list goes on; null: it does not. */
  readonly next: string | null
}

function readGroupPage(answer: Element): GroupPage | null {
  const info = readGroup(answer)
  return info === null ? null : { info, next: nextPage(answer) }
}

function readGroup(answer: Element): GroupInfo | null {
  const { attributes } = answer
  const group = attributes.get('id')
  const name = attributes.get('name')
  const size = uintAttribute(answer, 'members')
  const createdMs = uintAttribute(answer, 'created')
  const role = attributes.get('role') as GroupInfo['role'] | undefined
  if (answer.name !== 'group' || group === undefined || name === undefined || size === null || createdMs === null || role === undefined) return null
  const members = answer.children.flatMap((child) => typeof child !== 'string' && child.name === 'member' ? readMember(child) ?? [] : [])
  const links = answer.children.flatMap((child) => typeof child !== 'string' && child.name === 'link' ? readLink(child) ?? [] : [])
  return {
    group, name, about: attributes.get('about') ?? '', picture: attributes.get('picture') ?? '', createdMs, size, role,
    policy: readPolicy(answer), members, invited: named(answer, 'invited'), requests: named(answer, 'request'), links,
  }
}

function readPolicy({ attributes }: Element): GroupPolicy | null {
  const post = attributes.get('post')
  if (post === undefined) return null
  const who = (name: string): 'all' | 'admins' => attributes.get(name) === 'all' ? 'all' : 'admins'
  return { post: who('post'), add: who('add'), edit: who('edit'), history: attributes.get('history') === 'all' ? 'all' : 'joined' }
}

function readMember(node: Element): GroupMember | null {
  const user = node.attributes.get('name')
  const role = node.attributes.get('role') ?? ''
  return user === undefined || !ROLES.includes(role) ? null : { user, role: role as GroupRole, sinceMs: uintAttribute(node, 'since') ?? 0 }
}

function readLink(node: Element): GroupLinkInfo | null {
  const code = node.attributes.get('code')
  const createdMs = uintAttribute(node, 'created')
  if (code === undefined || createdMs === null) return null
  return { code, createdMs, expiresMs: uintAttribute(node, 'expires'), usesLeft: uintAttribute(node, 'uses'), needsApproval: node.attributes.get('approval') === 'true' }
}
