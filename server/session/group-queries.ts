/** The queries of groups: from elements to the router and back. [GRP-5, GRP-6] */
import { normalizeGroup } from '../../protocol/address.js'
import { element, type Element, elementSize } from '../../protocol/element.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { readChange, readNewGroup } from '../groups/change.js'
import type { GroupCommands, GroupDetails, GroupLink } from '../groups/group-commands.js'
import { RouterError } from '../router/router.js'
import { behind, fitting } from './query-answers.js'
import { optionalBoolean, optionalUint } from './query-fields.js'

/** The answer; null: the query is not one of groups. */
export async function answerGroupQuery(groups: GroupCommands, user: string, query: Element, frameBytesMax: number): Promise<Element | null> {
  switch (query.name) {
    case 'group-create': {
      const id = groupOf(query)
      return element('group-create', { id, seq: await groups.create(user, id, readNewGroup(query, id)) })
    }
    case 'group': {
      const id = groupOf(query)
      const { attributes } = query
      return detailsAnswer(id, await groups.details(user, id, attributes.get('link') ?? null), attributes.get('after') ?? '', frameBytesMax)
    }
    case 'group-change': {
      const id = groupOf(query)
      return element('group-change', { id, seq: await groups.change(user, id, readChange(onlyChild(query))) })
    }
    case 'group-join': {
      const id = groupOf(query)
      const { seq, isPending } = await groups.join(user, id, query.attributes.get('link') ?? null)
      return element('group-join', { id, seq, pending: isPending ? 'true' : undefined })
    }
    case 'group-link': {
      const id = groupOf(query)
      const expiresMs = optionalUint(query, 'expires')
      const uses = optionalUint(query, 'uses')
      if (uses === 0) throw badRequest('uses is 0')
      const link = await groups.makeLink(user, id, {
        ...expiresMs === null ? {} : { expiresMs }, ...uses === null ? {} : { uses }, needsApproval: optionalBoolean(query, 'approval') ?? false,
      })
      return linkElement('group-link', link, { id })
    }
    case 'group-unlink': {
      const id = groupOf(query)
      const code = query.attributes.get('code') ?? ''
      await groups.revokeLink(user, id, code)
      return element('group-unlink', { id, code })
    }
    default: return null
  }
}

/** Of members and guests those behind `after`, as many as fit; links stand behind the last of them. [GRP-24] */
function detailsAnswer(id: string, details: GroupDetails, after: string, frameBytesMax: number): Element {
  const { displayName, about, picture, createdMs, size, role, inside } = details
  const shown = { id, name: displayName, about, picture: picture === '' ? undefined : picture, created: createdMs, members: size, role }
  if (inside === null) return element('group', shown)
  const settings = { ...shown, tail: inside.tail, ...inside.policy }
  const users = behind(after, [
    ...inside.members.map((member) => element('member', { name: member.user, role: member.role, since: member.sinceMs })),
    ...inside.guests.map((guest) => element(guest.kind, { name: guest.user, by: guest.by === '' ? undefined : guest.by })),
  ])
  const links = inside.links.map((link) => linkElement('link', link))
  const room = frameBytesMax - elementSize(element('group', settings))
  const kept = fitting(users.concat(links), room)
  if (kept.length === users.length + links.length) return element('group', settings, ...kept)
  return element('group', { ...settings, more: 'true' }, ...kept.slice(0, users.length))
}

function linkElement(name: string, link: GroupLink, attributes: Readonly<Record<string, string>> = {}): Element {
  return element(name, {
    ...attributes, code: link.code, by: link.by, created: link.createdMs, approval: String(link.needsApproval),
    expires: link.expiresMs === Infinity ? undefined : link.expiresMs, uses: link.usesLeft === Infinity ? undefined : link.usesLeft,
  })
}

function onlyChild(query: Element): Element {
  const children = query.children.filter((child) => typeof child !== 'string')
  const [child] = children
  if (child === undefined || children.length > 1) throw badRequest('group-change holds one change')
  return child
}

function groupOf(query: Element): string {
  const value = query.attributes.get('id')
  if (value === undefined) throw badRequest('id is missing: name the group')
  const group = normalizeGroup(value)
  if (group === null) throw new RouterError(ERROR.malformedAddress, 'id is no group')
  return group
}

function badRequest(message: string): RouterError {
  return new RouterError(ERROR.badRequest, message)
}
