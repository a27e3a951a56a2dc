/** What is done to messages on the screen: commands on the last message or a numbered one, and what operations make of those shown. */
import type { OperationSource } from '../../protocol/client/message-views.js'
import { normalizeConversation } from '../../protocol/address.js'
import { reactionsText } from './message-marks.js'
import { isWaiting } from './screen-pending.js'
import { conversationOf, openConversation } from './screen-state.js'
import type { ConversationState, Effect, ScreenState, ShownMessage } from './screen-state.js'
import { sendTyped } from './screen-actions.js'

/** In the help on the screen. */
export const OPERATION_HELP: readonly string[] = [
  '/edit [#N] TEXT      another text for your last message, or number N',
  '/delete [#N]         delete your last message, or number N, for everybody',
  '/react [#N] EMOJI    react to their last message, or number N; - takes it away',
  '/reply [#N] TEXT     answer their last message, or number N',
  '/forward [#N] NAME   send their last message, or number N, on to NAME',
  '/numbers             show the numbers of messages, or hide them',
]

const COMMANDS: readonly string[] = ['edit', 'delete', 'react', 'reply', 'forward', 'numbers']

/** As Tab completes them. */
export const OPERATION_COMMANDS: readonly string[] = COMMANDS.map((word) => `/${word}`)

export function isOperationCommand(word: string): boolean {
  return COMMANDS.includes(word)
}

/** `rest`: what follows the command's name, as it was typed. */
export function runOperation(state: ScreenState, word: string, rest: string, effects: Effect[]): void {
  if (word === 'numbers') {
    state.areNumbersShown = !state.areNumbersShown
    return
  }
  const conversation = openConversation(state)
  if (conversation === null) {
    state.notice = `/${word} is for an open conversation`
    return
  }
  const [, number, argument = ''] = /^(?:#(\d+)(?:\s+|$))?([\s\S]*)$/.exec(rest) ?? []
  const isOfOwn = word === 'edit' || word === 'delete'
  const target = number === undefined
    ? conversation.messages.findLast((message) => message.own === isOfOwn && message.isDeleted !== true && !isChange(message))
    : conversation.messages.find((message) => message.seq === Number(number) && !isChange(message))
  // Where the last message is still on its way, the one before it is not meant.
  const isLastUnderWay = isOfOwn && number === undefined && conversation.pending.some(isWaiting)
  if (target === undefined && !isLastUnderWay) {
    state.notice = number === undefined ? `there is no message of ${isOfOwn ? 'yours' : 'theirs'} here` : `there is no message #${number} here: /numbers shows them`
    return
  }
  if (word !== 'delete' && argument === '') {
    state.notice = `say what: ${OPERATION_HELP.find((line) => line.startsWith(`/${word} `)) ?? ''}`
    return
  }
  if (target === undefined || isLastUnderWay) state.notice = 'your last message is not at the server yet'
  else perform(state, conversation, word, target, argument, effects)
}

function perform(state: ScreenState, conversation: ConversationState, word: string, target: ShownMessage, argument: string, effects: Effect[]): void {
  const { name } = conversation
  const { seq } = target
  switch (word) {
    case 'edit': effects.push({ kind: 'operate', conversation: name, operation: 'edit', target: seq, text: argument }); return
    case 'delete': effects.push({ kind: 'operate', conversation: name, operation: 'delete', target: seq, text: '' }); return
    case 'react': effects.push({ kind: 'operate', conversation: name, operation: 'react', target: seq, text: argument === '-' ? '' : argument }); return
    case 'reply': sendTyped(state, conversation, argument, effects, { replyTo: seq }); return
    default: {
      const to = normalizeConversation(argument.trim())
      if (to === null) state.notice = `'${argument}' is no name of a user`
      else if (target.isDeleted === true) state.notice = 'the message was deleted'
      else {
        const files = { conversation: name, seq, attachments: target.attachments ?? [] }
        sendTyped(state, conversationOf(state, to), target.text, effects, { forwards: (target.forwards ?? 0) + 1 }, files)
        state.notice = `forwarded to ${to}`
      }
    }
  }
}

/** Nothing is done to a change of a group. */
function isChange({ change = null }: ShownMessage): boolean {
  return change !== null
}

/** An operation was told, or acknowledged: the messages shown are as it leaves them. */
export function applyOperation(conversation: ConversationState, operation: OperationSource, me: string): void {
  // One that is not beyond what is known was told before, or the list has counted with it.
  const isNew = operation.seq > conversation.tail
  const wasDeleted = conversation.views.get(operation.target)?.isDeleted === true
  conversation.tail = Math.max(conversation.tail, operation.seq)
  conversation.views.apply(operation)
  const at = conversation.messages.findIndex(({ seq }) => seq === operation.target)
  if (at >= 0) conversation.messages[at] = presentOf(conversation, conversation.messages[at]!)
  if (conversation.last?.seq === operation.target) conversation.last = presentOf(conversation, conversation.last)
  const isOwn = conversation.messages[at]?.own ?? operation.from === me
  const wasUnread = operation.kind === 'delete' && operation.target > conversation.read && !isOwn && !wasDeleted
  if (isNew && wasUnread && conversation.unread > 0) conversation.unread -= 1
}

/** The message as it is now; `asOf` as in MessageViews.add. */
export function viewed(conversation: ConversationState, message: ShownMessage, asOf: number): ShownMessage {
  if (isChange(message)) return message
  const { seq, text, attachments = [], expiresMs = 0, editedMs = null, reactions = [] } = message
  const isDeleted = message.isDeleted ?? (text === '' && attachments.length === 0 && expiresMs === 0 && !message.isIncomplete)
  conversation.views.add({ seq, text, attachments, isDeleted, editedMs, reactions, expiresMs }, asOf)
  return presentOf(conversation, message)
}

function presentOf(conversation: ConversationState, message: ShownMessage): ShownMessage {
  const view = conversation.views.get(message.seq)
  if (view === null) return message
  return { ...message, text: view.text, attachments: view.attachments, isDeleted: view.isDeleted, reactions: view.reactions, editedMs: view.isEdited ? message.editedMs ?? 1 : null }
}

/** One dim line under a message; '' for most. */
export function marksLine({ editedMs = null, isDeleted = false, reactions = [], forwards = 0, mentions = [] }: ShownMessage, me: string): string {
  if (isDeleted) return 'deleted'
  return [mentions.includes(me) ? 'mentions you' : '', forwards > 0 ? 'forwarded' : '', editedMs === null ? '' : 'edited', reactionsText(reactions)].filter((part) => part !== '').join('  ')
}

const QUOTE_CHARACTERS = 60

/** One dim line above a message that answers another; '' for most. */
export function quoteLine(conversation: ConversationState, { replyTo = 0, isDeleted = false }: ShownMessage, nameOf: (user: string) => string): string {
  if (replyTo === 0 || isDeleted) return ''
  const answered = conversation.messages.find(({ seq }) => seq === replyTo)
  if (answered === undefined) return `↪ #${replyTo}`
  const [file] = answered.attachments ?? []
  const said = answered.text === '' && file !== undefined ? `📎 ${file.name}` : answered.text
  const text = answered.isDeleted === true ? 'deleted' : [...said.replaceAll('\n', ' ')].slice(0, QUOTE_CHARACTERS).join('')
  return `↪ ${answered.own ? 'you' : nameOf(answered.from)}: ${text}`
}
