/** The elements of the queries: builds what is asked, reads what is answered. Answers are checked; what makes no sense is null. */
import type { Attachment } from '../attachments.js'
import { decodeBase64 } from '../base64.js'
import { EMPTY_BYTES } from '../bytes.js'
import { childOf, element, textOf, uintAttribute } from '../element.js'
import type { Element } from '../element.js'
import { encodeExtensions } from '../extensions.js'
import type { Extension } from '../extensions.js'
import { LIMIT } from '../generated/registry.js'
import type { MemberMarks } from './conversations.js'
import { contentOf } from './message-content.js'
import { readFlags } from './profile-elements.js'
import type { Flags } from './profile-elements.js'
import type { OperationName } from './state.js'

/** Which part of a conversation: from `after` or `sinceMs` upwards, else downwards from `before`, `untilMs` or the end. [HIS-1] */
export interface HistoryRequest {
  /** seq, exclusive. */
  readonly after?: number
  /** seq, exclusive. */
  readonly before?: number
  /** Unix time, inclusive. */
  readonly sinceMs?: number
  /** Unix time, exclusive. */
  readonly untilMs?: number
  /** Messages of the page at most; the server's default and maximum apply. */
  readonly limit?: number
}

export interface HistoryMessage {
  readonly conversation: string
  readonly from: string
  readonly seq: number
  /** Unix time. */
  readonly timeMs: number
  readonly text: string
  readonly own: boolean
  /** It has more to it than this version understands, an unknown critical extension: show that there is something. [FRM-7] */
  readonly isIncomplete: boolean
  /** Files that it carries, mostly none; `download` gets them. */
  readonly attachments: readonly Attachment[]
  /** Raw; see decodeExtensions. */
  readonly extensions: Uint8Array
  /** When it has to be dropped, Unix time by the server's clock; 0: it stays. It has no text where that has passed. [DIS-8] */
  readonly expiresMs: number
  /** What changed in the group; null: it is a message. */
  readonly change: Element | null
  /** When it was edited; null: it was not. */
  readonly editedMs: number | null
  /** Its text is gone for all. */
  readonly isDeleted: boolean
  readonly reactions: readonly ReactionRecord[]
}

/** How many have reacted to a message with one emoji. */
export interface ReactionRecord {
  readonly emoji: string
  readonly count: number
  readonly own: boolean
  /** Of those who have; fewer than `count` where there are very many. */
  readonly users: readonly string[]
}

/** Something that was done to a message. */
export interface HistoryOperation {
  readonly conversation: string
  readonly from: string
  readonly seq: number
  readonly timeMs: number
  readonly own: boolean
  /** Seq of the message. */
  readonly target: number
  /** null: a kind that this version does not know. */
  readonly kind: OperationName | null
  /** '' where a later operation has replaced it. */
  readonly text: string
  /** Of an edit: when its text has to be dropped; 0: it stays. [DIS-8] */
  readonly expiresMs: number
}

export interface HistoryPage {
  /** Ascending by seq. */
  readonly messages: readonly HistoryMessage[]
  /** What was done to messages, in the page or outside it; ascending by seq. */
  readonly operations: readonly HistoryOperation[]
  /** First and last seq that the page holds; 0: none. */
  readonly first: number
  readonly last: number
  /** Whether there are further messages in the direction of the page. */
  readonly more: boolean
  /** Last seq of the conversation. */
  readonly tail: number
}

export interface ConversationInfo {
  readonly conversation: string
  readonly tail: number
  readonly last: HistoryMessage | null
  /** The user's own read watermark. */
  readonly read: number
  readonly unread: number
  /** The others; in a group one, under the group's own address, that stands for all. */
  readonly members: readonly MemberMarks[]
  /** null: a pair, or one's notes. */
  readonly group: { readonly name: string, readonly size: number, readonly role: string } | null
  /** Of the other's profile, as it shows to the user; 0: not a pair. [PRF-4] */
  readonly profileVersion: number
  /** New messages disappear after this; 0: they stay. [DIS-1] */
  readonly timerMs: number
  readonly flags: Flags
}

export interface DeviceRecord {
  readonly device: string
  /** May be empty. */
  readonly name: string
  /** Unix time. */
  readonly createdMs: number
  /** Unix time. */
  readonly lastActiveMs: number
  /** The device that asks. */
  readonly current: boolean
}

export interface Settings {
  /** Off: nobody else learns what was read, and nothing is told of what others read. [RCP-7] */
  readonly readReceipts: boolean
}

/** Numbers of the server that its operator may have set otherwise than the protocol's. */
export interface ServerLimits {
  /** A message older than this is not edited any more. */
  readonly editAgeMs: number
  /** A message older than this is not deleted any more by who wrote it. */
  readonly deleteAgeMs: number
  readonly devicesMax: number
  readonly groupMembersMax: number
  readonly groupsMax: number
  readonly contactsMax: number
  readonly blockedMax: number
}

export function historyQuery(conversation: string, request: HistoryRequest): Element {
  const { after, before, sinceMs, untilMs, limit } = request
  return element('history', { with: conversation, after, before, since: sinceMs, until: untilMs, limit })
}

export function readHistory(answer: Element, user: string): HistoryPage | null {
  const conversation = answer.attributes.get('with')
  const tail = uintAttribute(answer, 'tail')
  const more = readBoolean(answer, 'more')
  if (answer.name !== 'history' || conversation === undefined || tail === null || more === null) return null
  const messages = readMessages(answer, conversation, user)
  const operations = readAll(answer, 'operation', (child) => readOperation(child, conversation, user))
  if (messages === null || operations === null || !isAscending(messages) || !isAscending(operations)) return null
  const seqs = [...messages, ...operations].map(({ seq }) => seq)
  return { messages, operations, first: seqs.length === 0 ? 0 : Math.min(...seqs), last: Math.max(0, ...seqs), more, tail }
}

export function timerQuery(conversation: string, afterMs: number | undefined): Element {
  return element('timer', { with: conversation, after: afterMs })
}

export function readTimer(answer: Element): { readonly afterMs: number, readonly seq: number } | null {
  const afterMs = uintAttribute(answer, 'after')
  return answer.name !== 'timer' || afterMs === null ? null : { afterMs, seq: uintAttribute(answer, 'seq') ?? 0 }
}

export function conversationsQuery(after: string, limit: number | undefined): Element {
  return element('conversations', { after: after === '' ? undefined : after, limit })
}

export function readConversations(answer: Element, user: string): { conversations: readonly ConversationInfo[]; more: boolean } | null {
  const more = readBoolean(answer, 'more')
  if (answer.name !== 'conversations' || more === null) return null
  const conversations = readAll(answer, 'conversation', (child) => readConversation(child, user))
  return conversations === null ? null : { conversations, more }
}

export interface ReceiptsPage {
  readonly members: readonly MemberMarks[]
  /** The member behind which the list goes on; null: it does not. */
  readonly next: string | null
}

/** The user behind which a list goes on, the last of this page; null: it does not go on. [GRP-24] */
export function nextPage({ attributes, children }: Element): string | null {
  const last = children.at(-1)
  return attributes.get('more') !== 'true' || typeof last !== 'object' ? null : last.attributes.get('name') ?? null
}

export function readReceipts(answer: Element): ReceiptsPage | null {
  const members = answer.name === 'receipts' ? readAll(answer, 'member', readMember) : null
  return members === null ? null : { members, next: nextPage(answer) }
}

export function readDevices(answer: Element): readonly DeviceRecord[] | null {
  return answer.name === 'devices' ? readAll(answer, 'device', readDevice) : null
}

/** What an answer does not name, or a server does not tell, is as the protocol says. [SET-2] */
export function readLimits(answer: Element): ServerLimits | null {
  if (answer.name !== 'limits') return null
  const limit = (name: keyof ServerLimits): number => uintAttribute(answer, name) ?? LIMIT[name]
  return {
    editAgeMs: limit('editAgeMs'), deleteAgeMs: limit('deleteAgeMs'), devicesMax: limit('devicesMax'), groupMembersMax: limit('groupMembersMax'),
    groupsMax: limit('groupsMax'), contactsMax: limit('contactsMax'), blockedMax: limit('blockedMax'),
  }
}

export function settingsQuery(change: Partial<Settings>): Element {
  const { readReceipts: receipts } = change
  return element('settings', { 'read-receipts': receipts === undefined ? undefined : receipts ? 'on' : 'off' })
}

export function readSettings(answer: Element): Settings | null {
  const value = answer.attributes.get('read-receipts')
  if (answer.name !== 'settings' || (value !== 'on' && value !== 'off')) return null
  return { readReceipts: value === 'on' }
}

/** All children of a name; null if one of them makes no sense. */
export function readAll<T>(parent: Element, name: string, read: (child: Element) => T | null): T[] | null {
  const items: T[] = []
  for (const child of parent.children) {
    if (typeof child === 'string' || child.name !== name) continue
    const item = read(child)
    if (item === null) return null
    items.push(item)
  }
  return items
}

/** Messages and changes, in their order; null if one of them makes no sense. */
function readMessages(answer: Element, conversation: string, user: string): HistoryMessage[] | null {
  const messages: HistoryMessage[] = []
  for (const child of answer.children) {
    if (typeof child === 'string' || (child.name !== 'message' && child.name !== 'change')) continue
    const message = readMessage(child, conversation, user)
    if (message === null) return null
    messages.push(message)
  }
  return messages
}

/** A change holds what changed; the last message of a conversation holds a change where it is one. */
function changeIn(node: Element): Element | null {
  const change = node.name === 'change' ? node : childOf(node, 'change')
  return change?.children.find((child) => typeof child !== 'string') ?? null
}

export function readMessage(node: Element, conversation: string, user: string): HistoryMessage | null {
  const seq = uintAttribute(node, 'seq')
  const timeMs = uintAttribute(node, 'time')
  const from = node.attributes.get('from')
  const extensions = readExtensions(node)
  if (seq === null || timeMs === null || from === undefined || extensions === null) return null
  const body = childOf(node, 'body')
  const text = body === null ? '' : textOf(body)
  const change = changeIn(node)
  const reactions = readAll(node, 'reaction', readReaction)
  if (reactions === null) return null
  const expiresMs = uintAttribute(node, 'expires') ?? 0
  const isDeleted = node.attributes.has('deleted') || (expiresMs === 0 && isBlank(text, extensions, change))
  return {
    conversation, from, seq, timeMs, text, own: from === user, ...contentOf(extensions), extensions, expiresMs, change, editedMs: uintAttribute(node, 'edited'), isDeleted, reactions,
  }
}

/** No message is sent without text and extensions: one that has neither was deleted. [OPS-7] */
function isBlank(text: string, extensions: Uint8Array, change: Element | null): boolean {
  return text === '' && extensions.length === 0 && change === null
}

function readReaction(node: Element): ReactionRecord | null {
  const emoji = node.attributes.get('text')
  const count = uintAttribute(node, 'count')
  if (emoji === undefined || count === null) return null
  const users = node.children.flatMap((child) => typeof child !== 'string' && child.name === 'member' ? child.attributes.get('name') ?? [] : [])
  return { emoji, count, own: readBoolean(node, 'own') === true, users }
}

function readOperation(node: Element, conversation: string, user: string): HistoryOperation | null {
  const seq = uintAttribute(node, 'seq')
  const timeMs = uintAttribute(node, 'time')
  const target = uintAttribute(node, 'target')
  const from = node.attributes.get('from')
  const kind = node.attributes.get('kind')
  if (seq === null || timeMs === null || target === null || from === undefined || kind === undefined) return null
  const body = childOf(node, 'body')
  return {
    conversation, from, seq, timeMs, own: from === user, target,
    kind: kind === 'edit' || kind === 'delete' || kind === 'react' ? kind : null, text: body === null ? '' : textOf(body),
    expiresMs: uintAttribute(node, 'expires') ?? 0,
  }
}

function readExtensions(node: Element): Uint8Array | null {
  const extensions: Extension[] = []
  for (const child of node.children) {
    if (typeof child === 'string' || child.name !== 'x') continue
    const key = uintAttribute(child, 'key')
    const value = decodeBase64(textOf(child))
    if (key === null || value === null || extensions.some((other) => other.key === key)) return null
    extensions.push({ key, value })
  }
  if (extensions.length === 0) return EMPTY_BYTES
  return extensions.length > 16 ? null : encodeExtensions(extensions)
}

function readConversation(node: Element, user: string): ConversationInfo | null {
  const conversation = node.attributes.get('with')
  const tail = uintAttribute(node, 'tail')
  const read = uintAttribute(node, 'read')
  const unread = uintAttribute(node, 'unread')
  const members = readAll(node, 'member', readMember)
  if (conversation === undefined || tail === null || read === null || unread === null || members === null) return null
  const lastNode = childOf(node, 'last')
  // Where nothing but operations is near the end there is nothing to show.
  const hasLast = lastNode !== null && childOf(lastNode, 'operation') === null
  const last = hasLast ? readMessage(lastNode, conversation, user) : null
  if (hasLast && last === null) return null
  const size = uintAttribute(node, 'members')
  const group = size === null ? null : { name: node.attributes.get('name') ?? conversation, size, role: node.attributes.get('role') ?? 'member' }
  return {
    conversation, tail, last, read, unread, group, profileVersion: uintAttribute(node, 'profile') ?? 0, timerMs: uintAttribute(node, 'timer') ?? 0, flags: readFlags(node),
    // The nameless member of a group stands for all others.
    members: members.map((marks) => marks.member === '' ? { ...marks, member: conversation } : marks),
  }
}

function readMember(node: Element): MemberMarks | null {
  const member = node.attributes.get('name')
  const delivered = uintAttribute(node, 'delivered')
  const read = uintAttribute(node, 'read')
  return member === undefined || delivered === null || read === null ? null : { member, delivered, read }
}

function readDevice(node: Element): DeviceRecord | null {
  const device = node.attributes.get('id')
  const name = node.attributes.get('name') ?? ''
  const createdMs = uintAttribute(node, 'created')
  const lastActiveMs = uintAttribute(node, 'last-active')
  if (device === undefined || createdMs === null || lastActiveMs === null) return null
  return { device, name, createdMs, lastActiveMs, current: readBoolean(node, 'current') === true }
}

export function readBoolean(node: Element, name: string): boolean | null {
  const value = node.attributes.get(name)
  return value === 'true' ? true : value === 'false' ? false : null
}

function isAscending(messages: readonly { readonly seq: number }[]): boolean {
  return messages.every((message, index) => index === 0 || message.seq > (messages[index - 1]?.seq ?? 0))
}
