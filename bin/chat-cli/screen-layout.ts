/** How the messages of a conversation are laid out in lines. */
import { INCOMPLETE_NOTE, localClock, localDate } from './formats.js'
import { safeText } from './safe-text.js'
import { shownName } from './screen-people.js'
import type { ConversationState, PendingMessage, ScreenState, ShownMessage, Tick } from './screen-state.js'
import { tickOf } from './screen-state.js'
import { textWidth, wrap } from './text-width.js'

export type Style = 'plain' | 'dim' | 'bold' | 'title' | 'read' | 'alert'

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
  return lines
}

function addMessage(lines: SpanLine[], state: ScreenState, conversation: ConversationState, message: ShownMessage): void {
  const mark = message.own ? tickSpan(tickOf(conversation, message.seq), state.isColored) : null
  const name = message.own ? 'you' : safeText(shownName(state.names, message.from))
  addText(lines, state.columns, { clock: localClock(message.timeMs), name, source: message, mark, isOwn: message.own })
  if (message.isIncomplete) addBelow(lines, state.columns, INCOMPLETE_NOTE, 'dim')
}

function addPending(lines: SpanLine[], state: ScreenState, pending: PendingMessage): void {
  const mark: Span = pending.failure === '' ? tickSpan('waiting', state.isColored) : REFUSED
  addText(lines, state.columns, { clock: '     ', name: 'you', source: pending, mark, isOwn: true })
  if (pending.failure !== '') addBelow(lines, state.columns, safeText(pending.failure), 'alert')
}

/** What is told about a message, in lines of its own. */
function addBelow(lines: SpanLine[], columns: number, text: string, style: Style): void {
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
  readonly isOwn: boolean
}

function addText(lines: SpanLine[], columns: number, laid: Laid): void {
  const lead = ` ${laid.clock} `
  const indent = textWidth(lead) + textWidth(laid.name) + 2
  const hanging = indent > columns / 2 ? 7 : indent
  const width = Math.max(8, columns - indent - (laid.mark === null ? 0 : MARK_COLUMNS))
  const parts = wrapped(laid.source, width)
  for (const [position, part] of parts.entries()) {
    const line: Span[] = position === 0
      ? [{ text: lead, style: 'dim' }, { text: `${laid.name}: `, style: laid.isOwn ? 'dim' : 'bold' }]
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
