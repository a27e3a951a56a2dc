/** The state of the interactive program as lines: exactly as many as the terminal has rows. */
import { changeText } from './change-text.js'
import { INCOMPLETE_NOTE, localClock, localDate } from './formats.js'
import { safeText } from './safe-text.js'
import { membersText } from './group-formats.js'
import { canWrite, closedReason } from './screen-groups.js'
import type { Span, SpanLine, Style } from './screen-layout.js'
import { contentRows, conversationLines, panelRows, REFUSED, tickSpan } from './screen-layout.js'
import type { ConversationState, Panel, ScreenState, ShownMessage } from './screen-state.js'
import { uploadLine, uploadNotice } from './screen-files.js'
import { givenName, shownName } from './screen-people.js'
import { statusText, whoLines } from './screen-presence.js'
import { isGone } from './message-marks.js'
import { openConversation, tickOf } from './screen-state.js'
import { characters, characterWidth, endOf, textWidth, truncate } from './text-width.js'

export interface Screen {
  readonly lines: readonly SpanLine[]
  /** Where the cursor stands, both from 0. */
  readonly row: number
  readonly column: number
}

/** Draws the state as of `nowMs` (Unix time); changes nothing. */
export function render(state: ScreenState, nowMs: number): Screen {
  const rows = contentRows(state)
  const conversation = openConversation(state)
  const content = contentLines(state, conversation, rows, nowMs)
  const input = inputLine(state)
  const lines: SpanLine[] = [headingLine(state, nowMs), ...content.slice(0, rows)]
  while (lines.length < rows + 1) lines.push([])
  lines.push(noticeLine(state), input.line)
  const shown = lines.slice(-Math.max(1, state.rows)).map((line) => fit(line, state.columns))
  return { lines: shown, row: shown.length - 1, column: input.column }
}

function contentLines(state: ScreenState, conversation: ConversationState | null, rows: number, nowMs: number): SpanLine[] {
  if (state.panel !== null) return panelRows(state, state.panel).slice(state.panelTop).map((text) => [plain(` ${text}`)])
  if (state.isWhoShown) return whoLines(state, nowMs)
  return conversation === null ? listLines(state, rows, nowMs) : visibleLines(state, conversation, rows)
}

/** A line without its styles. */
export function lineWithoutStyle(line: SpanLine): string {
  return line.map((span) => span.text).join('')
}

function headingLine(state: ScreenState, nowMs: number): SpanLine {
  const conversation = openConversation(state)
  const status = conversation === null ? '' : statusText(state, conversation.name, nowMs)
  const about = conversation === null
    ? ' · conversations'
    : ` › ${shownName(state.names, conversation.name)}${groupHeading(conversation)}${status === '' ? '' : ` · ${status}`}`
  const left = ` ${state.me}${about}`
  const right = `${elsewhere(state)}${connectionText(state)} `
  const room = Math.max(0, state.columns - textWidth(right) - 1)
  const title = truncate(safeText(left), room)
  const gap = ' '.repeat(Math.max(1, state.columns - textWidth(title) - textWidth(right)))
  return [{ text: `${title}${gap}${right}`, style: 'title' }]
}

/** A group's name stands behind its address, which nobody else's group can have. */
function groupHeading({ group }: ConversationState): string {
  if (group === null) return ''
  const name = group.name === '' ? '' : ` · ${group.name}`
  return group.size === 0 ? name : `${name} · ${membersText(group.size)}`
}

function connectionText(state: ScreenState): string {
  switch (state.connection) {
    case 'online': return '● online'
    case 'connecting': return '○ connecting'
    case 'waiting': return '○ offline'
  }
}

function elsewhere(state: ScreenState): string {
  if (state.open === null) return ''
  let unread = 0
  for (const conversation of state.conversations.values()) if (conversation.name !== state.open) unread += conversation.unread
  return unread === 0 ? '' : `${unread} new elsewhere · `
}

function visibleLines(state: ScreenState, conversation: ConversationState, rows: number): SpanLine[] {
  const lines = conversationLines(state, conversation)
  if (lines.length === 0) return [[{ text: emptyText(conversation), style: 'dim' }]]
  const end = Math.max(Math.min(rows, lines.length), lines.length - state.scroll)
  const shown = lines.slice(Math.max(0, end - rows), end)
  // Messages stand at the bottom, above the line being typed.
  while (shown.length < rows) shown.unshift([])
  return shown
}

function emptyText(conversation: ConversationState): string {
  if (!conversation.loaded) return ' …'
  return canWrite(conversation) ? ' Nothing here yet: type the first message.' : ' There is nothing here that you may read.'
}

function listLines(state: ScreenState, rows: number, nowMs: number): SpanLine[] {
  if (state.order.length === 0) {
    return [[], [{ text: ' No conversations yet: type the name of somebody to write to, and Enter.', style: 'dim' }]]
  }
  const lines: SpanLine[] = []
  const isCut = state.order.length > rows
  const shown = isCut ? state.order.slice(0, rows - 1) : state.order
  const titles = shown.map((name) => titleOf(state, name))
  const nameColumns = Math.min(28, Math.max(8, ...titles.map((title) => textWidth(title))))
  for (const [position, name] of shown.entries()) {
    const conversation = state.conversations.get(name)
    if (conversation !== undefined) lines.push(listLine(state, conversation, { number: position + 1, nameColumns, nowMs }))
  }
  if (isCut) lines.push([{ text: ` … and ${state.order.length - shown.length} more: type a name`, style: 'dim' }])
  return lines
}

/** The address, and behind it the display name of a group that says more. */
function titleOf(state: ScreenState, address: string): string {
  const name = state.conversations.get(address)?.group?.name ?? ''
  return safeText(name === '' || `#${name}` === address ? shownName(state.names, address) : `${address} ${name}`)
}

interface ListPlace {
  readonly number: number
  readonly nameColumns: number
  readonly nowMs: number
}

function listLine(state: ScreenState, conversation: ConversationState, { number, nameColumns, nowMs }: ListPlace): SpanLine {
  const style: Style = conversation.unread > 0 ? 'bold' : 'plain'
  const name = truncate(titleOf(state, conversation.name), nameColumns)
  const { flags } = conversation
  const marks = `${flags.isPinned ? '▲' : ''}${flags.mutedUntilMs > nowMs ? '∅' : ''}${flags.isArchived ? '▽' : ''}`
  const unread = `${conversation.unread > 0 ? `${conversation.unread} new` : flags.isMarked ? 'unread' : ''}${marks === '' ? '' : ` ${marks}`}`.trim()
  const line: Span[] = [
    { text: `${String(number).padStart(4)}  `, style: 'dim' },
    { text: name + ' '.repeat(nameColumns - textWidth(name) + 2), style },
    { text: unread.padEnd(9), style },
  ]
  const { last } = conversation
  const waiting = conversation.pending.at(-1)
  if (waiting !== undefined) {
    line.push(waiting.failure === '' ? tickSpan('waiting', state.isColored) : REFUSED, plain(` ${waiting.upload === undefined ? saidText(waiting) : uploadLine(waiting)}`))
  } else if (last !== null) {
    line.push({ text: `${when(last, nowMs)}  `, style: 'dim' })
    addLast(line, state, conversation, last)
    if (last.isIncomplete) line.push({ text: ` ${INCOMPLETE_NOTE}`, style: 'dim' })
  }
  return line
}

function addLast(line: Span[], state: ScreenState, conversation: ConversationState, last: ShownMessage): void {
  if (last.change !== undefined && last.change !== null) {
    line.push({ text: changeText(last.change, last.from, { me: state.me, group: null, nameOf: (user) => givenName(state.names, user) }), style: 'dim' })
    return
  }
  if (last.own) line.push(tickSpan(tickOf(conversation, last.seq), state.isColored), plain(' '))
  else if (conversation.group !== null) line.push({ text: `${safeText(shownName(state.names, last.from))}: `, style: 'dim' })
  line.push(last.isDeleted === true || isGone(last) ? { text: last.isDeleted === true ? 'deleted' : 'disappeared', style: 'dim' } : plain(saidText(last)))
}

/** The text, and before it how many files there are, or the one. */
function saidText(message: Pick<ShownMessage, 'text' | 'attachments'>): string {
  const { text, attachments = [] } = message
  const [file] = attachments
  if (file === undefined) return safeText(text)
  const files = attachments.length === 1 ? `📎 ${safeText(file.name === '' ? 'file' : file.name)}` : `📎 ${attachments.length} files`
  return text === '' ? files : `${files} ${safeText(text)}`
}

/** The clock time of today's messages, the date of others. */
function when(message: ShownMessage, nowMs: number): string {
  const isToday = localDate(message.timeMs) === localDate(nowMs)
  return (isToday ? localClock(message.timeMs) : localDate(message.timeMs)).padEnd(10)
}

function noticeLine(state: ScreenState): SpanLine {
  if (state.notice !== '') return [{ text: ` ${safeText(state.notice)}`, style: 'alert' }]
  const uploading = uploadNotice(state)
  if (uploading !== '') return [{ text: ` ${uploading}`, style: 'dim' }]
  if (state.connection === 'waiting') return [{ text: ` ${safeText(state.detail)}`, style: 'alert' }]
  if (state.panel !== null) return [{ text: panelHint(state, state.panel), style: 'dim' }]
  if (state.isWhoShown) return [{ text: ' Esc goes back', style: 'dim' }]
  if (state.open === null) return [{ text: ' number or name, and Enter · /help · /quit', style: 'dim' }]
  const conversation = openConversation(state)
  if (conversation !== null && !canWrite(conversation)) return [{ text: ` ${closedReason(conversation)}`, style: 'dim' }]
  return [{ text: state.scroll > 0 ? ' Page Down comes back to the latest' : ' Enter sends · Esc: list · Page Up: older · /help', style: 'dim' }]
}

function panelHint(state: ScreenState, panel: Panel): string {
  return panelRows(state, panel).length > contentRows(state) ? ' Page Down: more · Esc goes back' : ' Esc goes back'
}

/** The line being typed; where it is too long, the part around its cursor. */
function inputLine(state: ScreenState): { line: SpanLine; column: number } {
  const conversation = openConversation(state)
  const closed = conversation !== null && !canWrite(conversation) ? ' (closed)' : ''
  const prompt = state.open === null ? ' > ' : ` ${truncate(safeText(state.open), 20)}${closed} > `
  const room = Math.max(4, state.columns - textWidth(prompt) - 1)
  const shown = endOf(safeText(state.line.before, '⏎'), room)
  const column = textWidth(prompt) + textWidth(shown)
  const after = safeText(state.line.after, '⏎')
  return { line: [{ text: prompt, style: 'bold' }, plain(shown + after)], column: Math.min(column, Math.max(0, state.columns - 1)) }
}

/** Cuts a line to the width of the terminal. */
function fit(line: SpanLine, columns: number): SpanLine {
  const kept: Span[] = []
  let room = columns
  for (const span of line) {
    let text = ''
    for (const character of characters(span.text)) {
      const width = characterWidth(character)
      if (width > room) return [...kept, { text, style: span.style }]
      text += character
      room -= width
    }
    kept.push({ text, style: span.style })
  }
  return kept
}

function plain(text: string): Span {
  return { text, style: 'plain' }
}
