/** How the messages of a conversation are laid out in lines. */
import type { Element } from '../../protocol/element.js'
import { changeText } from './change-text.js'
import { INCOMPLETE_NOTE, localClock, localDate } from './formats.js'
import { safeText } from './safe-text.js'
import { attachmentLines, uploadLine } from './screen-files.js'
import { marksLine, quoteLine } from './screen-operations.js'
import { failureLine, heldLine } from './screen-pending.js'
import { givenName, shownName } from './screen-people.js'
import type { ConversationState, Panel, PendingMessage, ScreenState, ShownMessage, Tick, UserLine } from './screen-state.js'
import { tickOf } from './screen-state.js'
import { textWidth, wrap } from './text-width.js'

/** `name1` … : names of people in a group, one colour each. */
export type Style = 'plain' | 'dim' | 'bold' | 'title' | 'read' | 'alert' | NameStyle
export type NameStyle = (typeof NAME_STYLES)[number]
const NAME_STYLES = ['name1', 'name2', 'name3', 'name4', 'name5', 'name6'] as const

/** A piece of a line in one style; its text is safe for a terminal. */
export interface Span {
  readonly text: string
  readonly style: Style
}

export type SpanLine = readonly Span[]

/** Lines on the screen that are neither heading, notice nor input. */
export function contentRows(state: ScreenState): number {
  return Math.max(1, state.rows - 3)
}

/** Lines of what covers the screen. */
export function panelRows(state: ScreenState, panel: Panel): string[] {
  return panel.flatMap((line) => wrap(safeText(typeof line === 'string' ? line : userLine(state, line)), state.columns - 2))
}

function userLine(state: ScreenState, { text, user }: UserLine): string {
  return state.presences.get(user)?.isOnline === true ? `${text}  ● online` : text
}

/** Lines that the whole conversation takes. */
export function messageRows(state: ScreenState, conversation: ConversationState): number {
  return conversationLines(state, conversation).length
}

/** All lines of a conversation, oldest first. */
export function conversationLines(state: ScreenState, conversation: ConversationState): SpanLine[] {
  const lines: SpanLine[] = []
  if (conversation.more) lines.push([{ text: ' ↑ older messages: Page Up', style: 'dim' }])
  let date = ''
  for (const message of conversation.messages) {
    const day = localDate(message.timeMs)
    if (day !== date) lines.push([{ text: ` ── ${day} ──`, style: 'dim' }])
    date = day
    addMessage(lines, state, conversation, message)
  }
  for (const pending of conversation.pending) addPending(lines, state, pending)
  addBelow(lines, state.columns, safeText(heldLine(conversation)), 'dim')
  return lines
}

function addMessage(lines: SpanLine[], state: ScreenState, conversation: ConversationState, message: ShownMessage): void {
  if (message.change !== undefined && message.change !== null) {
    addChange(lines, state, message, message.change)
    return
  }
  const mark = message.own ? tickSpan(tickOf(conversation, message.seq), state.isColored) : null
  const author = message.own ? 'you' : safeText(shownName(state.names, message.from))
  const style = message.own ? 'dim' : conversation.group === null ? 'bold' : nameStyle(message.from)
  const name = state.areNumbersShown ? `#${message.seq} ${author}` : author
  const quote = quoteLine(conversation, message, (user) => givenName(state.names, user))
  addBelow(lines, state.columns, safeText(quote), 'dim')
  const [file = '', ...files] = attachmentLines(message)
  // A file without a caption stands where the text would.
  const isBare = message.text === '' && file !== ''
  addText(lines, state.columns, { clock: localClock(message.timeMs), name, source: isBare ? { text: file } : message, mark, style })
  for (const below of isBare || file === '' ? files : [file, ...files]) addBelow(lines, state.columns, below, 'plain')
  addBelow(lines, state.columns, marksLine(message, state.me), 'dim')
  if (message.isIncomplete) addBelow(lines, state.columns, INCOMPLETE_NOTE, 'dim')
}

/** A change of the group, in words. */
function addChange(lines: SpanLine[], state: ScreenState, message: ShownMessage, change: Element): void {
  const text = changeText(change, message.from, { me: state.me, group: null, nameOf: (user) => givenName(state.names, user) })
  for (const [position, part] of wrap(text, Math.max(10, state.columns - 10)).entries()) {
    lines.push([{ text: position === 0 ? ` ${localClock(message.timeMs)} · ${part}` : `         ${part}`, style: 'dim' }])
  }
}

/** The same name has the same colour in every group and on every screen. */
export function nameStyle(name: string): NameStyle {
  let sum = 0
  for (let at = 0; at < name.length; at += 1) sum = (sum * 31 + name.charCodeAt(at)) % 0x1000000
  return NAME_STYLES[sum % NAME_STYLES.length] ?? 'name1'
}

function addPending(lines: SpanLine[], state: ScreenState, pending: PendingMessage): void {
  const mark: Span = pending.failure === '' ? tickSpan('waiting', state.isColored) : REFUSED
  const uploading = uploadLine(pending)
  const files = uploading === '' ? attachmentLines(pending) : [uploading]
  const [file = ''] = files
  const isBare = pending.text === '' && file !== ''
  addText(lines, state.columns, { clock: '     ', name: 'you', source: isBare ? { text: file } : pending, mark, style: 'dim' })
  for (const below of isBare ? files.slice(1) : files) addBelow(lines, state.columns, below, 'dim')
  addBelow(lines, state.columns, safeText(failureLine(pending)), 'alert')
}

/** What is told about a message, in lines of its own; '': nothing. */
function addBelow(lines: SpanLine[], columns: number, text: string, style: Style): void {
  if (text === '') return
  for (const part of wrap(text, Math.max(10, columns - 7))) lines.push([{ text: `       ${part}`, style }])
}

export const REFUSED: Span = { text: '✗', style: 'alert' }

/** Widest mark with the space before it. */
const MARK_COLUMNS = 8

interface Laid {
  readonly clock: string
  readonly name: string
  readonly source: { readonly text: string }
  readonly mark: Span | null
  /** Of the name. */
  readonly style: Style
}

function addText(lines: SpanLine[], columns: number, laid: Laid): void {
  const lead = ` ${laid.clock} `
  const indent = textWidth(lead) + textWidth(laid.name) + 2
  const hanging = indent > columns / 2 ? 7 : indent
  const width = Math.max(8, columns - indent - (laid.mark === null ? 0 : MARK_COLUMNS))
  const parts = wrapped(laid.source, width)
  for (const [position, part] of parts.entries()) {
    const line: Span[] = position === 0
      ? [{ text: lead, style: 'dim' }, { text: `${laid.name}: `, style: laid.style }]
      : [{ text: ' '.repeat(hanging), style: 'plain' }]
    line.push({ text: part, style: 'plain' })
    if (laid.mark !== null && position === parts.length - 1) line.push({ text: ` ${laid.mark.text}`, style: laid.mark.style })
    lines.push(line)
  }
}

/** A conversation is laid out anew at every key; its messages never change, so their wrapped text is kept as long as they are. */
const wrappedTexts = new WeakMap<object, { readonly width: number; readonly parts: readonly string[] }>()

function wrapped(source: { readonly text: string }, width: number): readonly string[] {
  const known = wrappedTexts.get(source)
  if (known?.width === width) return known.parts
  const parts = wrap(safeText(source.text, '\n'), width)
  wrappedTexts.set(source, { width, parts })
  return parts
}

/** Sent, delivered and read differ by shape, and by colour or word for the last two. */
export function tickSpan(tick: Tick, isColored: boolean): Span {
  switch (tick) {
    case 'waiting': return { text: '…', style: 'dim' }
    case 'sent': return { text: '✓', style: 'dim' }
    case 'delivered': return { text: '✓✓', style: 'dim' }
    case 'read': return { text: isColored ? '✓✓' : '✓✓ read', style: 'read' }
  }
}
