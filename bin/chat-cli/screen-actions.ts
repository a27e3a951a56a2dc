/** What keys and commands do to the state of the interactive program. */
import { loadGroupIfNeeded } from './screen-groups.js'
import { contentRows, messageRows, panelRows } from './screen-layout.js'
import type { ConversationState, Effect, ForwardedFiles, Panel, ScreenState, SendEffect, SentReferences } from './screen-state.js'
import { conversationOf, openConversation } from './screen-state.js'

/** Opens a conversation, new or known. */
export function openNamed(state: ScreenState, name: string, effects: Effect[]): void {
  conversationOf(state, name)
  state.open = name
  state.scroll = 0
  state.panel = null
  state.isWhoShown = false
  loadIfNeeded(state, effects)
}

/** Takes a typed message into the outbox's view. */
export function sendTyped(state: ScreenState, conversation: ConversationState, text: string, effects: Effect[], references?: SentReferences, forwarded?: ForwardedFiles): void {
  const localId = state.nextLocalId
  state.nextLocalId += 1
  state.scroll = 0
  const referring = references === undefined ? {} : { references }
  const carrying = forwarded === undefined || forwarded.attachments.length === 0 ? null : forwarded
  const again: SendEffect = { kind: 'send', localId, to: conversation.name, text, ...referring, ...carrying === null ? {} : { forwarded: carrying } }
  conversation.pending.push({ localId, text, failure: '', again, ...referring, ...carrying === null ? {} : { attachments: carrying.attachments } })
  effects.push(again)
}

/** Covers the screen with these lines. */
export function showPanel(state: ScreenState, lines: Panel): void {
  state.panel = lines
  state.panelTop = 0
  state.notice = ''
}

/** One screenful up or down; asks for older messages when the first one is reached. */
export function scrollPage(state: ScreenState, direction: 1 | -1, effects: Effect[]): void {
  if (state.panel !== null) {
    const last = Math.max(0, panelRows(state, state.panel).length - contentRows(state))
    state.panelTop = Math.max(0, Math.min(last, state.panelTop - direction * Math.max(1, contentRows(state) - 1)))
    return
  }
  const conversation = openConversation(state)
  if (conversation === null) return
  const page = Math.max(1, contentRows(state) - 1)
  const total = messageRows(state, conversation)
  const furthest = Math.max(0, total - contentRows(state))
  state.scroll = Math.max(0, Math.min(furthest, state.scroll + direction * page))
  const isAtTop = direction === 1 && state.scroll >= furthest
  const first = conversation.messages[0]
  if (isAtTop && conversation.more && !conversation.loading && first !== undefined) {
    conversation.loading = true
    effects.push({ kind: 'load', conversation: conversation.name, before: first.seq })
  }
}

/** Asks for the latest page of the open conversation, once it can be had. */
export function loadIfNeeded(state: ScreenState, effects: Effect[]): void {
  const conversation = openConversation(state)
  if (conversation !== null) loadGroupIfNeeded(state, conversation, effects)
  if (conversation === null || conversation.loaded || conversation.loading || state.connection !== 'online') return
  conversation.loading = true
  effects.push({ kind: 'load', conversation: conversation.name, before: null })
}
