/** Presence on the screen: who is watched, and how it reads. Pure. */
import { isGroup } from '../../protocol/address.js'
import type { PresenceEvent, TypingKind } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { localClock, localDate } from './formats.js'
import { safeText } from './safe-text.js'
import type { SpanLine } from './screen-layout.js'
import type { Effect, ScreenState } from './screen-state.js'
import { lineText } from './line-editor.js'

/** Of the list only so many are watched: nobody looks at more. */
const WATCHED_MAX = 100

/** Whom the person looks at: the open conversation, the users of a panel and the head of the list. */
export function watchedUsers(state: ScreenState): string[] {
  const users = new Set<string>()
  if (state.open !== null) users.add(state.open)
  for (const line of state.panel ?? []) if (typeof line !== 'string') users.add(line.user)
  for (const name of state.order.slice(0, WATCHED_MAX)) users.add(name)
  return [...users].filter((name) => !isGroup(name) && name !== state.me).slice(0, LIMIT.watchesMax)
}

export function notePresence(state: ScreenState, presence: PresenceEvent): void {
  state.presences.set(presence.user, presence)
}

export function noteTyping(state: ScreenState, conversation: string, from: string, kind: TypingKind): void {
  const typists = state.typists.get(conversation) ?? new Map<string, TypingKind>()
  if (kind === 'paused') typists.delete(from)
  else typists.set(from, kind)
  if (typists.size === 0) state.typists.delete(conversation)
  else state.typists.set(conversation, typists)
}

/** A connection that is gone knows nothing any more. */
export function forgetPresence(state: ScreenState): void {
  state.presences.clear()
  state.typists.clear()
}

/** What is told of a conversation in its heading; empty: nothing is known. */
export function statusText(state: ScreenState, conversation: string, nowMs: number): string {
  const typists = state.typists.get(conversation)
  if (typists === undefined) return isGroup(conversation) ? '' : presenceText(state.presences.get(conversation), nowMs)
  const [[from, kind] = ['', 'typing'] as const] = typists
  const who = isGroup(conversation) ? `${safeText(from)}${typists.size > 1 ? ` and ${String(typists.size - 1)} more` : ''} ` : ''
  return `${who}${kind}…`
}

/** `online`, `last seen 12:00` or, of another day, `last seen 2026-01-01 12:00`; empty: nothing is known. */
function presenceText(presence: PresenceEvent | undefined, nowMs: number): string {
  if (presence === undefined) return ''
  if (presence.isOnline) return 'online'
  const { lastSeenMs } = presence
  if (lastSeenMs === null) return ''
  const date = localDate(lastSeenMs)
  return `last seen ${date === localDate(nowMs) ? '' : `${date} `}${localClock(lastSeenMs)}`
}

/** The answer to /who: those in the list, who is online first. */
export function whoLines(state: ScreenState, nowMs: number): SpanLine[] {
  const users = watchedUsers(state)
  if (users.length === 0) return [[], [{ text: ' Nobody is in the list yet.', style: 'dim' }]]
  const rank = (user: string): number => state.presences.get(user)?.isOnline === true ? Infinity : state.presences.get(user)?.lastSeenMs ?? 0
  const sorted = [...users].sort((one, other) => rank(one) === rank(other) ? (one < other ? -1 : 1) : rank(other) - rank(one))
  const columns = Math.min(24, Math.max(...sorted.map((user) => user.length)))
  return sorted.map((user) => {
    const isOnline = state.presences.get(user)?.isOnline === true
    const text = presenceText(state.presences.get(user), nowMs)
    return [
      { text: ` ${isOnline ? '●' : '○'} ${user.slice(0, columns).padEnd(columns)}  `, style: isOnline ? 'bold' : 'plain' },
      { text: text === '' ? 'not online, or not shown to you' : text, style: 'dim' },
    ]
  })
}

/** The line being typed has changed. The client sees to it that the server is not told too often. */
export function noteOwnTyping(state: ScreenState, before: string, effects: Effect[]): void {
  const text = lineText(state.line)
  if (state.open === null || state.open === state.me || text === before || (text.startsWith('/') && !text.startsWith('//'))) return
  effects.push({ kind: 'typing', conversation: state.open, isPaused: text === '' })
}
