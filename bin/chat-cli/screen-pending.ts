/** Messages that were typed and are not at the server: why they wait, what was refused, and the commands that send that again or let it go. Pure. */
import type { ConversationState, Effect, PendingMessage, ScreenEvent, ScreenState, SendEffect } from './screen-state.js'
import { conversationOf, openConversation } from './screen-state.js'

/** In the help on the screen. */
export const PENDING_HELP: readonly string[] = [
  '/retry               send again what was refused here (✗), with all that belongs to it',
  '/discard             take it off the screen instead',
]

const COMMANDS: readonly string[] = ['retry', 'discard']

/** As Tab completes them. */
export const PENDING_COMMANDS: readonly string[] = COMMANDS.map((word) => `/${word}`)

export function isWaiting({ failure }: Pick<PendingMessage, 'failure'>): boolean {
  return failure === ''
}

/** Does what a command says; false: it is none of these. */
export function runPendingCommand(state: ScreenState, word: string, effects: Effect[]): boolean {
  if (!COMMANDS.includes(word)) return false
  const conversation = openConversation(state)
  if (conversation === null) {
    state.notice = `/${word} is for an open conversation`
    return true
  }
  const refused = conversation.pending.filter((pending) => !isWaiting(pending))
  conversation.pending = conversation.pending.filter(isWaiting)
  if (refused.length === 0) state.notice = 'nothing was refused here'
  else if (word === 'retry') for (const pending of refused) sendAgain(state, conversation, pending, effects)
  return true
}

/** Behind all that waits already, under a number of its own: of the refused one nothing more is heard. */
function sendAgain(state: ScreenState, conversation: ConversationState, pending: PendingMessage, effects: Effect[]): void {
  const localId = state.nextLocalId
  state.nextLocalId += 1
  state.scroll = 0
  const again = { ...pending.again, localId }
  conversation.pending.push({ ...pending, localId, failure: '', again })
  effects.push(again)
}

/** A message of an earlier run that still waits in the outbox. */
export function addLeftover(state: ScreenState, { localId, to, text, attachments = [], extensions }: Extract<ScreenEvent, { kind: 'leftover' }>): void {
  const again: SendEffect = { kind: 'send', localId, to, text, ...extensions === undefined ? {} : { extensions } }
  conversationOf(state, to).pending.push({ localId, text, failure: '', again, attachments })
}

export function changePending(state: ScreenState, to: string, localId: number, change: (pending: PendingMessage) => PendingMessage): void {
  const conversation = conversationOf(state, to)
  conversation.pending = conversation.pending.map((one) => one.localId === localId ? change(one) : one)
}

export function settleRefused(state: ScreenState, to: string, localId: number, reason: string): void {
  changePending(state, to, localId, (pending) => ({ ...pending, failure: reason }))
  // Where it can be seen it says so itself.
  const isSeen = state.open === to && state.panel === null && !state.isWhoShown && state.scroll === 0
  if (!isSeen) state.notice = `not sent to ${to}: ${reason}`
}

/** The server does not take what waits there now. */
export function noteHeld(state: ScreenState, to: string, reason: string): void {
  conversationOf(state, to).heldReason = reason
}

/** Why what waits there takes so long; '': it does not, as far as is known. */
export function heldLine({ pending, heldReason }: ConversationState): string {
  return heldReason !== '' && pending.some(isWaiting) ? `${heldReason}: it goes by itself` : ''
}

/** Under what was refused. */
export function failureLine({ failure }: PendingMessage): string {
  return failure === '' ? '' : `${failure} · /retry or /discard`
}
