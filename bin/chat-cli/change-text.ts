/** What changed in a group, in words and for scripts. */
import type { Element } from '../../protocol/element.js'
import { membersOf } from '../../protocol/client/group-client.js'
import { spanText } from '../span.js'
import { safeText } from './safe-text.js'

/** From whose eyes, and whether the group has to be named. null: nobody's; the reader sees which group it is. */
export interface ChangeView {
  readonly me: string | null
  readonly group: string | null
  /** What the reader calls a user; absent: the address. */
  readonly nameOf?: (user: string) => string
}

/** Names in one sentence; more are counted. */
const NAMES_MAX = 10

/** `alice added bob to #skiing`, or `you added bob` on the screen; safe for a terminal. A change not known is still told. [GRP-20] */
export function changeText(change: Element, from: string, { me, group, nameOf = (user) => user }: ChangeView): string {
  const named = (name: string): string => name === me ? 'you' : safeText(nameOf(name))
  const who = named(from)
  const members = membersOf(change)
  const names = nameList(members.map(named))
  const inGroup = (word: string): string => group === null ? '' : ` ${word} ${safeText(group)}`
  const it = group === null ? 'the group' : safeText(group)
  switch (change.name) {
    case 'create': {
      const others = members.filter((name) => name !== from).map(named)
      return `${who} made ${it}${others.length === 0 ? '' : ` with ${nameList(others)}`}`
    }
    case 'info': return `${who} ${infoText(change, it)}`
    case 'policy': return `${who} changed what may be done in ${it}: ${policyText(change)}`
    case 'add': return `${who} added ${names}${inGroup('to')}`
    case 'invite': return `${who} invited ${names}${inGroup('to')}`
    case 'join': return `${who} joined${group === null ? '' : ` ${it}`}`
    case 'request': return `${who} asked to join${group === null ? '' : ` ${it}`}`
    case 'deny': return members.length === 1 && members[0] === from ? `${who} decided not to join${group === null ? '' : ` ${it}`}` : `${who} turned down ${names}${inGroup('for')}`
    case 'remove': return `${who} removed ${names}${inGroup('from')}`
    case 'leave': return `${who} left${group === null ? '' : ` ${it}`}`
    case 'role': return `${who} made ${names} ${roleText(change, members.length)}${inGroup('of')}`
    case 'owner': return `${who} made ${names} the owner${inGroup('of')}`
    case 'timer': return `${who} ${timerText(change)}${inGroup('in')}`
    case 'disband': return `${who} disbanded ${it}`
    default: return `${who} changed something${inGroup('in')} that this version does not know`
  }
}

/** The change as scripts get it. */
export function changeObject(change: Element): { name: string; attributes: Record<string, string>; members: readonly string[] } {
  return { name: change.name, attributes: Object.fromEntries(change.attributes), members: membersOf(change) }
}

function timerText({ attributes }: Element): string {
  const afterMs = Number(attributes.get('after') ?? 0)
  return afterMs > 0 ? `let new messages disappear after ${spanText(afterMs)}` : 'let new messages stay'
}

function infoText({ attributes }: Element, it: string): string {
  const name = attributes.get('name')
  const about = attributes.get('about')
  const parts: string[] = []
  if (name !== undefined) parts.push(`called ${it} “${safeText(name)}”`)
  if (about !== undefined) parts.push(about === '' ? `removed the description of ${it}` : `described ${it} as “${safeText(about)}”`)
  if (attributes.has('picture')) parts.push(attributes.get('picture') === '' ? `removed the picture of ${it}` : `changed the picture of ${it}`)
  return parts.length === 0 ? `changed ${it}` : nameList(parts)
}

const POLICY_TEXTS: Readonly<Record<string, string>> = {
  'post=all': 'all may write',
  'post=admins': 'only admins may write',
  'add=all': 'all may add people',
  'add=admins': 'only admins may add people',
  'edit=all': 'all may rename and describe it',
  'edit=admins': 'only admins may rename and describe it',
  'history=all': 'new members see what was written before',
  'history=joined': 'new members see nothing of before',
}

/** One policy in words. */
export function policyText(change: Pick<Element, 'attributes'>): string {
  const parts = [...change.attributes].map(([key, value]) => POLICY_TEXTS[`${key}=${value}`] ?? safeText(`${key}=${value}`))
  return parts.join(', ')
}

function roleText({ attributes }: Element, count: number): string {
  const role = attributes.get('role') ?? 'member'
  if (role === 'admin') return count === 1 ? 'an admin' : 'admins'
  if (role === 'member') return count === 1 ? 'a plain member' : 'plain members'
  return safeText(role)
}

/** `a`, `a and b`, `a, b and c`, `a, b and 9 others` */
function nameList(names: readonly string[]): string {
  const shown = names.length > NAMES_MAX ? [...names.slice(0, NAMES_MAX - 1), `${names.length - NAMES_MAX + 1} others`] : names
  if (shown.length < 2) return shown[0] ?? 'nobody'
  return `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) ?? ''}`
}
