/** The changes of the interactive program's state: one function for each event. The state is changed in place; no I/O. */
import type { Flags } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { runLine } from './screen-commands.js'
import { loadIfNeeded, openNamed, scrollPage, showPanel } from './screen-actions.js'
import { completePath, pathBeforeCursor } from './screen-files.js'
import { complete } from './screen-completion.js'
import { applyChange, applyGroup, canWrite, closedReason, listGroup } from './screen-groups.js'
import type { ConversationState, Effect, ListedConversation, Marks, ScreenEvent, ScreenState, ShownMessage } from './screen-state.js'
import { conversationOf, openConversation } from './screen-state.js'
import { messageRows } from './screen-layout.js'
import { expireMessages, isShown } from './screen-expiry.js'
import { applyOperation, viewed } from './screen-operations.js'
import { addLeftover, changePending, isWaiting, noteHeld, settleRefused } from './screen-pending.js'
import { forgetPresence, noteOwnTyping, notePresence, noteTyping } from './screen-presence.js'
import type { Key, Line } from './line-editor.js'
import { EMPTY_LINE, editLine, keyName, lineText, typeText } from './line-editor.js'

/** Messages of one conversation kept in memory; older ones are fetched again when scrolled to. */
export const MESSAGES_KEPT_MAX = 1000

/** Applies one event and returns what it asks for, in order. */
export function update(state: ScreenState, event: ScreenEvent): Effect[] {
  const effects: Effect[] = []
  switch (event.kind) {
    case 'connection':
      state.connection = event.connection
      state.detail = event.detail
      if (event.connection === 'online') {
        for (const conversation of state.conversations.values()) if (conversation.group !== null) conversation.group.isLoading = false
        loadIfNeeded(state, effects)
      } else {
        forgetPresence(state)
      }
      break
    case 'conversations':
      for (const listed of event.list) listConversation(state, listed)
      break
    case 'history': addHistory(state, event.conversation, event.messages, event.more, event.tail ?? 0); break
    case 'operation': applyOperation(conversationOf(state, event.conversation), event.operation, state.me); break
    case 'history-failed': failHistory(state, event.conversation, event.isUnknown, event.reason); break
    case 'message': receive(state, event.conversation, event.message, effects); break
    case 'receipt': raiseMark(state, event.conversation, event.member, event.mark, event.seq); break
    case 'presence': notePresence(state, event.presence); break
    case 'typing': noteTyping(state, event.conversation, event.from, event.typing); break
    case 'leftover': addLeftover(state, event); break
    case 'upload': changePending(state, event.to, event.localId, (pending) => ({ ...pending, upload: event.upload })); break
    case 'uploaded': changePending(state, event.to, event.localId, ({ upload: _, ...pending }) => ({ ...pending, attachments: event.attachments })); break
    case 'paths': completeWithPaths(state, event.before, event.names); break
    case 'sent': settleSent(state, event); break
    case 'refused': settleRefused(state, event.to, event.localId, event.reason); break
    case 'held': noteHeld(state, event.to, event.reason); break
    case 'notice': state.notice = event.text; break
    case 'key': pressKey(state, event.key, effects); break
    case 'paste': editTo(state, typeText(state.line, event.text.replace(/\r\n?/g, '\n')), effects); break
    case 'group': applyGroup(state, event.group, event.info, effects); break
    case 'open': openNamed(state, event.conversation, effects); break
    case 'panel': showPanel(state, event.lines); break
    case 'expire': expireMessages(state, event.nowMs); break
    case 'contacts':
      state.names.contacts.clear()
      for (const [user, name] of event.contacts) state.names.contacts.set(user, name)
      break
    case 'profiles':
      for (const [user, profile] of event.profiles) state.names.profiles.set(user, profile)
      break
    case 'resize':
      state.columns = event.columns
      state.rows = event.rows
      state.scroll = 0
      state.panelTop = 0
      break
  }
  sortList(state)
  markShown(state, effects)
  return effects
}

function pressKey(state: ScreenState, key: Key, effects: Effect[]): void {
  switch (keyName(key)) {
    case 'return': case 'enter': {
      const text = lineText(state.line)
      const length = Array.from(text).length
      if (length > LIMIT.textCharactersMax) {
        state.notice = `too long: ${length} characters, ${LIMIT.textCharactersMax} are allowed`
        return
      }
      state.notice = ''
      state.line = EMPTY_LINE
      runLine(state, text, effects)
      return
    }
    case 'ctrl-c':
      if (lineText(state.line) === '') effects.push({ kind: 'quit' })
      state.line = EMPTY_LINE
      return
    case 'ctrl-d':
      if (lineText(state.line) === '') effects.push({ kind: 'quit' })
      return
    case 'ctrl-l': effects.push({ kind: 'redraw' }); return
    case 'escape':
      if (state.panel !== null) state.panel = null
      else if (state.isWhoShown) state.isWhoShown = false
      else state.open = null
      state.scroll = 0
      return
    case 'pageup': scrollPage(state, 1, effects); return
    case 'pagedown': scrollPage(state, -1, effects); return
    case 'tab': pressTab(state, effects); return
    default: editTo(state, editLine(state.line, key) ?? state.line, effects)
  }
}

/** Where nothing can be sent, only commands can be typed. */
function editTo(state: ScreenState, line: Line, effects: Effect[]): void {
  const conversation = openConversation(state)
  const text = lineText(line)
  if (conversation !== null && !canWrite(conversation) && text !== '' && !text.startsWith('/')) {
    state.notice = closedReason(conversation)
    return
  }
  const before = lineText(state.line)
  state.line = line
  noteOwnTyping(state, before, effects)
}

function pressTab(state: ScreenState, effects: Effect[]): void {
  const path = pathBeforeCursor(state.line)
  if (path !== null) {
    effects.push({ kind: 'list-paths', before: state.line.before, path })
    return
  }
  const { line, choices } = complete(state, state.line)
  state.line = line
  state.notice = choices.join('  ')
}

/** Unless something else was typed meanwhile. */
function completeWithPaths(state: ScreenState, before: string, names: readonly string[]): void {
  if (state.line.before !== before) return
  const { line, choices } = completePath(state.line, names)
  state.line = line
  state.notice = choices.join('  ')
}

/** A message or change as it comes. */
function receive(state: ScreenState, name: string, message: ShownMessage, effects: Effect[]): void {
  const isNew = message.seq > conversationOf(state, name).tail
  addMessage(state, name, message)
  if (isNew && message.change !== undefined && message.change !== null) applyChange(state, conversationOf(state, name), message, effects)
}

function listConversation(state: ScreenState, listed: ListedConversation): void {
  const conversation = conversationOf(state, listed.conversation)
  conversation.tail = Math.max(conversation.tail, listed.tail)
  conversation.flags = listed.flags ?? conversation.flags
  if (listed.read >= conversation.read) {
    conversation.read = listed.read
    conversation.unread = listed.unread
  }
  if (listed.last !== null && listed.last.seq >= (conversation.last?.seq ?? 0)) conversation.last = viewed(conversation, listed.last, listed.tail)
  for (const { member, delivered, read } of listed.members) {
    const marks = conversation.members.get(member)
    conversation.members.set(member, raised(marks, delivered, read))
  }
  listGroup(conversation, listed)
}

/** A page of history, the latest or an older one: what overlaps is known already. */
function addHistory(state: ScreenState, name: string, messages: readonly ShownMessage[], more: boolean, tail: number): void {
  const conversation = conversationOf(state, name)
  const firstBefore = conversation.messages[0]?.seq ?? Number.POSITIVE_INFINITY
  conversation.loading = false
  conversation.loaded = true
  if ((messages[0]?.seq ?? Number.POSITIVE_INFINITY) < firstBefore || messages.length === 0) conversation.more = more
  for (const message of messages) insert(conversation, viewed(conversation, message, tail))
}

/** A conversation that nobody has begun is an empty one; any other failure is told, and tried again when opened again. */
function failHistory(state: ScreenState, name: string, isUnknown: boolean, reason: string): void {
  const conversation = conversationOf(state, name)
  conversation.loading = false
  if (isUnknown) conversation.loaded = true
  else state.notice = reason
}

function addMessage(state: ScreenState, name: string, message: ShownMessage): void {
  const conversation = conversationOf(state, name)
  const isNew = message.seq > conversation.tail
  if (isNew && countsAsUnread(message) && message.seq > conversation.read) conversation.unread += 1
  if (!conversation.loaded && !conversation.loading) {
    noteLast(conversation, viewed(conversation, message, 0))
    return
  }
  const rows = state.scroll > 0 && state.open === name ? messageRows(state, conversation) : 0
  insert(conversation, viewed(conversation, message, 0))
  // What is being read further up stays where it is.
  if (rows > 0) state.scroll += messageRows(state, conversation) - rows
}

function insert(conversation: ConversationState, message: ShownMessage): void {
  noteLast(conversation, message)
  if (!isShown(message)) return
  const { messages } = conversation
  let position = messages.length
  while (position > 0 && messages[position - 1]!.seq > message.seq) position -= 1
  if (position > 0 && messages[position - 1]!.seq === message.seq) return
  messages.splice(position, 0, message)
}

function noteLast(conversation: ConversationState, message: ShownMessage): void {
  conversation.tail = Math.max(conversation.tail, message.seq)
  if (message.seq >= (conversation.last?.seq ?? 0)) conversation.last = message
}

function raiseMark(state: ScreenState, name: string, member: string, mark: 'delivered' | 'read', seq: number): void {
  const conversation = conversationOf(state, name)
  if (member !== state.me || name === state.me) {
    const marks = conversation.members.get(member)
    conversation.members.set(member, mark === 'read' ? raised(marks, seq, seq) : raised(marks, seq, 0))
    return
  }
  if (mark !== 'read' || seq <= conversation.read) return
  conversation.read = seq
  conversation.unread = unreadAbove(conversation, seq)
}

/** Exact where the messages above are known, else what is possible at most. */
function unreadAbove(conversation: ConversationState, seq: number): number {
  const first = conversation.messages[0]
  if (first !== undefined && first.seq <= seq + 1) return conversation.messages.filter((message) => countsAsUnread(message) && message.seq > seq).length
  return Math.min(conversation.unread, Math.max(0, conversation.tail - seq))
}

/** Changes and deleted messages do not. [GRP-21] [OPS-14] */
function countsAsUnread(message: ShownMessage): boolean {
  const isDeleted = message.isDeleted ?? (message.text === '' && (message.attachments ?? []).length === 0 && !message.isIncomplete)
  return !message.own && (message.change ?? null) === null && !isDeleted
}

/** Watermarks never fall. [RCP-9] */
function raised(marks: Marks | undefined, delivered: number, read: number): Marks {
  return { delivered: Math.max(marks?.delivered ?? 0, delivered), read: Math.max(marks?.read ?? 0, read) }
}

function settleSent(state: ScreenState, { to, localId, seq, timeMs, expiresMs = 0 }: Extract<ScreenEvent, { kind: 'sent' }>): void {
  const conversation = conversationOf(state, to)
  const pending = conversation.pending.find((one) => one.localId === localId)
  conversation.pending = conversation.pending.filter((one) => one.localId !== localId)
  if (!conversation.pending.some(isWaiting)) conversation.heldReason = ''
  if (pending !== undefined) addMessage(state, to, { seq, from: state.me, own: true, timeMs, text: pending.text, isIncomplete: false, expiresMs, ...pending.references, ...pending.attachments === undefined ? {} : { attachments: pending.attachments } })
}

/** What is on the screen has been read: the end of the open conversation, unless it is scrolled up or covered. */
function markShown(state: ScreenState, effects: Effect[]): void {
  const conversation = openConversation(state)
  if (conversation === null || !conversation.loaded || state.panel !== null || state.isWhoShown || state.scroll > 0) return
  trimFront(conversation)
  let seq = 0
  for (let position = conversation.messages.length - 1; position >= 0 && seq === 0; position -= 1) {
    const message = conversation.messages[position]!
    if (countsAsUnread(message)) seq = message.seq
  }
  if (seq <= conversation.read) return
  conversation.read = seq
  conversation.unread = 0
  effects.push({ kind: 'mark-read', conversation: conversation.name, seq })
}

function trimFront(conversation: ConversationState): void {
  const surplus = conversation.messages.length - MESSAGES_KEPT_MAX
  if (surplus <= 0) return
  conversation.messages.splice(0, surplus)
  conversation.views.forgetBelow(conversation.messages[0]?.seq ?? 0)
  conversation.more = true
}

/** Pinned ones first, archived ones last; else the latest first, and conversations without a message last, by name. */
function sortList(state: ScreenState): void {
  if (lineText(state.line) !== '') return
  const time = (conversation: ConversationState): number => conversation.pending.length > 0 ? Number.MAX_SAFE_INTEGER : conversation.last?.timeMs ?? 0
  state.order = [...state.conversations.values()]
    .sort((left, right) => rank(left.flags) - rank(right.flags) || time(right) - time(left) || (left.name < right.name ? -1 : 1))
    .map((conversation) => conversation.name)
}

function rank({ isPinned, isArchived }: Flags): number {
  return isArchived ? 2 : isPinned ? 0 : 1
}
