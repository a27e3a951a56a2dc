/** What queries are answered with: trees that fit into one frame. A page that would not fit is cut short and says there is more. */
import { element, type Element, elementSize } from '../../protocol/element.js'
import { decodeExtensions } from '../../protocol/extensions.js'
import { expiryOf } from '../../protocol/expiry.js'
import { EXTENSION, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { decodeText } from '../../protocol/utf8.js'
import type { Config } from '../config/settings.js'
import { type ConversationFlags, MUTED_FOR_EVER } from '../profiles/flags.js'
import type { ConversationSummary, DeviceInfo, HistoryPage, MemberWatermarks, ReactionCount, StoredMessage } from '../router/router.js'

/** Type, id and length of a result frame, and the outermost element without its children: never more than this. */
const ENVELOPE_BYTES = 512
/** Of the names of those who have reacted to one message: short enough for the smallest frameBytesMax. */
const NAMES_BYTES = 2048
const NAME_OVERHEAD_BYTES = 6

/**
 * A page of history. `isUpwards`: it was asked for from its lower end, so a cut takes the newest away, else the oldest: the client
 * goes on from where it was cut. [HIS-1]
 */
export function historyAnswer(conversation: string, page: HistoryPage, isUpwards: boolean, frameBytesMax: number): Element {
  const messages = page.messages.map((message) => messageElement('message', message))
  const kept = isUpwards ? fitting(messages, frameBytesMax) : fitting(messages.reverse(), frameBytesMax).reverse()
  const more = page.more || kept.length < page.messages.length
  return element('history', { with: conversation, more: String(more), tail: page.tail }, ...kept)
}

/** Only those that are set. [PRF-16] */
export function flagAttributes({ mutedUntilMs, isArchived, isPinned, isMarked }: ConversationFlags): Record<string, string | number> {
  return {
    ...mutedUntilMs === 0 ? {} : { mute: mutedUntilMs === MUTED_FOR_EVER ? 'forever' : mutedUntilMs },
    ...isArchived ? { archived: 'true' } : {}, ...isPinned ? { pinned: 'true' } : {}, ...isMarked ? { marked: 'true' } : {},
  }
}

/** A page of the list of conversations. [HIS-3] */
export function conversationsAnswer(conversations: readonly ConversationSummary[], more: boolean, frameBytesMax: number): Element {
  const all = conversations.map(({ conversation, tail, last, read, unread, others, group, flags, profileVersion, timerMs }) => element(
    'conversation',
    {
      with: conversation, tail, read, unread, ...group === null ? {} : { name: group.displayName, members: group.size, role: group.role },
      ...profileVersion === 0 ? {} : { profile: profileVersion }, ...timerMs === 0 ? {} : { timer: timerMs }, ...flagAttributes(flags),
    },
    ...last === null ? [] : [messageElement('last', last)], ...others.map(memberElement),
  ))
  const kept = fitting(all, frameBytesMax)
  return element('conversations', { more: String(more || kept.length < all.length) }, ...kept)
}

/** Members behind `after`, in the order of their addresses, as many as fit. [GRP-24] */
export function receiptsAnswer(conversation: string, members: readonly MemberWatermarks[], after: string, frameBytesMax: number): Element {
  const all = behind(after, members.map(memberElement))
  const kept = fitting(all, frameBytesMax)
  return element('receipts', { with: conversation, ...kept.length < all.length ? { more: 'true' } : {} }, ...kept)
}

/** Elements with a user's `name` behind this one, in the order of the names. */
export function behind(after: string, elements: readonly Element[]): Element[] {
  const nameOf = (item: Element): string => item.attributes.get('name') ?? ''
  return elements.filter((item) => nameOf(item) > after).sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
}

/** [DEV-1] */
export function devicesAnswer(devices: readonly DeviceInfo[], current: string): Element {
  return element('devices', {}, ...devices.map(({ device, name, createdMs, lastActiveMs, online }) => element('device', {
    'id': device, name, 'created': createdMs, 'last-active': lastActiveMs, 'current': String(device === current), 'online': String(online),
  })))
}

/** What clients show and count by and an operator may have changed. [SET-2] */
export function limitsAnswer(limits: Config['limits']): Element {
  const { editAgeMs, deleteAgeMs, devicesMax, groupMembersMax, groupsMax, contactsMax, blockedMax } = limits
  return element('limits', { editAgeMs, deleteAgeMs, devicesMax, groupMembersMax, groupsMax, contactsMax, blockedMax })
}

function memberElement({ member, delivered, read }: MemberWatermarks): Element {
  return element('member', { name: member, delivered, read })
}

export function messageElement(name: 'message' | 'last', message: StoredMessage): Element {
  if (message.operation !== null) {
    const shown = operationElement(message, message.operation)
    return name === 'message' ? shown : element(name, { seq: message.seq, from: message.from, time: message.timeMs }, shown)
  }
  if (message.change !== null) {
    const attributes = { seq: message.seq, from: message.from, time: message.timeMs }
    return name === 'message' ? element('change', attributes, message.change) : element(name, attributes, element('change', {}, message.change))
  }
  const extensions = (decodeExtensions(message.extensions) ?? []).filter(({ key }) => key !== EXTENSION.expires)
  const expiresMs = expiryOf(message.extensions)
  // What the store can't give back as text is shown as none: one damaged message must not hide the page.
  const text = decodeText(message.text) ?? ''
  return element(
    name, { seq: message.seq, from: message.from, time: message.timeMs, ...presentAttributes(message), ...expiresMs === 0 ? {} : { expires: expiresMs } },
    ...text === '' ? [] : [element('body', {}, text)],
    ...extensions.map(({ key, value }) => element('x', { key }, Buffer.from(value).toString('base64'))),
    ...reactionElements(message.present?.reactions ?? []),
  )
}

/** [OPS-12] */
function operationElement({ seq, from, timeMs, text, extensions }: StoredMessage, { target, kind }: { target: number, kind: number }): Element {
  const name = Object.entries(OPERATION).find(([, value]) => value === kind)?.[0] ?? kind
  const shown = decodeText(text) ?? ''
  const expiresMs = expiryOf(extensions)
  const attributes = { seq, from, time: timeMs, target, kind: name, ...expiresMs === 0 ? {} : { expires: expiresMs } }
  return element('operation', attributes, ...shown === '' ? [] : [element('body', {}, shown)])
}

function presentAttributes({ present }: StoredMessage): Record<string, number> {
  if (present === null) return {}
  return { ...present.editedMs === 0 ? {} : { edited: present.editedMs }, ...present.deletedMs === 0 ? {} : { deleted: present.deletedMs } }
}

/** Names as far as there is room: a message with all that belongs to it has to fit into one frame. */
function reactionElements(reactions: readonly ReactionCount[]): Element[] {
  let room = NAMES_BYTES
  return reactions.map(({ emoji, count, own, users }) => {
    const named = users.filter((name) => (room -= name.length + NAME_OVERHEAD_BYTES) >= 0)
    return element('reaction', { text: emoji, count, own: String(own) }, ...named.map((name) => element('member', { name })))
  })
}

/** As many from the start as fit into one frame together, by bytes and by nodes; at least one, if there is any. */
export function fitting(elements: readonly Element[], frameBytesMax: number): Element[] {
  const kept: Element[] = []
  let bytes = ENVELOPE_BYTES
  let nodes = 1
  for (const item of elements) {
    bytes += elementSize(item) + 1
    nodes += nodesOf(item)
    if (kept.length > 0 && (bytes > frameBytesMax || nodes > LIMIT.elementNodesMax)) break
    kept.push(item)
  }
  return kept
}

function nodesOf(item: Element | string): number {
  return typeof item === 'string' ? 1 : item.children.reduce((sum, child) => sum + nodesOf(child), 1)
}
