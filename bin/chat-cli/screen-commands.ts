/** What a typed line means. */
import { isGroup, normalizeConversation } from '../../protocol/address.js'
import { openNamed, scrollPage, sendTyped, showPanel } from './screen-actions.js'
import { privacyChange } from './privacy-command.js'
import { runGroupCommand, SHORT_GROUP_COMMANDS } from './screen-group-commands.js'
import { canWrite, closedReason } from './screen-groups.js'
import { PEOPLE_COMMANDS, PEOPLE_HELP, runPeopleCommand } from './screen-people.js'
import { FILE_COMMANDS, FILE_HELP, runFileCommand } from './screen-files.js'
import { isOperationCommand, OPERATION_COMMANDS, OPERATION_HELP, runOperation } from './screen-operations.js'
import { isWaiting, PENDING_COMMANDS, PENDING_HELP, runPendingCommand } from './screen-pending.js'
import type { Effect, ScreenState } from './screen-state.js'
import { openConversation } from './screen-state.js'

/** The help on the screen. */
const SCREEN_HELP: readonly string[] = [
  'In the list: type the number of a conversation, or the name of a user, and Enter.',
  'In a conversation: type a message and Enter. Tab completes names and commands. In a group @NAME mentions somebody.',
  '',
  '/to NAME     open the conversation with NAME, a user or a group like #skiing',
  '/list        back to the list (or Esc)',
  '/who         who of the list is online, or when they were last seen',
  '/privacy     who sees that of you; /privacy seen nobody, /privacy online contacts, /privacy except bob',
  '/older       older messages (or Page Up; Page Down comes back)',
  '/search WORDS  find messages: in the open conversation, or from the list in all of them',
  '/invite      make an invite code with which somebody gets an account',
  ...FILE_HELP,
  '/read        who has received and read your last message here',
  ...PEOPLE_HELP,
  '/help        this text (Esc closes it)',
  '/quit        leave (or Ctrl-C with an empty line)',
  '//text       send a message that begins with /',
  ...OPERATION_HELP,
  ...PENDING_HELP,
  '',
  'Behind your messages:  …  waiting   ✓ at the server   ✓✓ delivered   ✓✓ read (blue)   ✗ refused',
  'In a group, delivered and read mean: by all.',
  'In the list:  ▲ pinned   ∅ muted   ▽ archived, at its end',
  '',
  'Groups. Where no ID is given, the open one is meant:',
  '/group create ID [NAME…]    make a group with these users; --name and --about describe it',
  '/join ID[/CODE]             by a link, or without one by an invitation',
  '/who                        members, who is online, settings (/group info)',
  '/invite NAME…   /group add NAME…   /group remove NAME…   /group deny NAME…',
  '/group rename TEXT          the name that is shown;  /group about TEXT describes it',
  '/group picture FILE         its picture',
  '/group role admin|member NAME…      /group owner NAME',
  '/group policy post=admins   who may write (post), add people (add), rename (edit):',
  '                            all or admins; what new members may read (history):',
  '                            all or joined',
  '/group link [--expires 7d] [--uses N] [--approval]      /group unlink CODE',
  '/leave                      (or /group leave);  /group disband ends it for all',
]

/** What Tab completes at the beginning of a line. */
export const SCREEN_COMMANDS: readonly string[] = ['/to', '/list', '/who', '/privacy', '/older', '/search', '/read', '/help', '/quit', '/group', ...SHORT_GROUP_COMMANDS, ...PEOPLE_COMMANDS, ...OPERATION_COMMANDS, ...FILE_COMMANDS, ...PENDING_COMMANDS]

/** Does what the line says: a command, a choice from the list, or a message. */
export function runLine(state: ScreenState, text: string, effects: Effect[]): void {
  state.panel = null
  state.isWhoShown = false
  if (text.startsWith('/') && !text.startsWith('//')) {
    runCommand(state, text.slice(1).trim(), effects)
    return
  }
  const message = text.startsWith('//') ? text.slice(1) : text
  const conversation = openConversation(state)
  if (conversation !== null) {
    if (message.trim() === '') return
    if (canWrite(conversation)) sendTyped(state, conversation, message, effects)
    else state.notice = closedReason(conversation)
    return
  }
  const choice = text.trim()
  if (choice !== '') choose(state, choice, effects)
}

function runCommand(state: ScreenState, command: string, effects: Effect[]): void {
  const [word = '', ...rest] = command.split(/\s+/)
  if (runGroupCommand(state, word, rest, effects)) return
  if (isOperationCommand(word)) {
    runOperation(state, word, command.slice(word.length).trimStart(), effects)
    return
  }
  if (runPendingCommand(state, word, effects)) return
  if (runFileCommand(state, word, command.slice(word.length).trimStart(), effects)) return
  switch (word) {
    case 'to': openByName(state, rest.join(' '), effects); return
    case 'list':
      state.open = null
      state.scroll = 0
      return
    case 'who': state.isWhoShown = true; return
    case 'privacy': changePrivacy(state, rest, effects); return
    case 'older': scrollPage(state, 1, effects); return
    case 'search': startSearch(state, rest.join(' '), effects); return
    case 'invite':
      state.notice = 'making an invite …'
      effects.push({ kind: 'invite' })
      return
    case 'read': askWhoRead(state, effects); return
    case 'help': showPanel(state, SCREEN_HELP); return
    case 'quit': case 'exit': effects.push({ kind: 'quit' }); return
    default:
      if (runPeopleCommand(state, word, rest.join(' '), effects)) return
      state.notice = `there is no command /${word}: /help lists them, //… sends text that begins with /`
  }
}

function askWhoRead(state: ScreenState, effects: Effect[]): void {
  const conversation = openConversation(state)
  const last = conversation?.messages.findLast((message) => message.own && (message.change ?? null) === null)
  if (conversation === null) state.notice = 'open a conversation first, then /read'
  else if (conversation.pending.some(isWaiting)) state.notice = 'your last message is not at the server yet'
  else if (last === undefined) state.notice = 'there is no message of yours here'
  else effects.push({ kind: 'who-read', conversation: conversation.name, seq: last.seq, timeMs: last.timeMs, text: last.text })
}

function changePrivacy(state: ScreenState, words: readonly string[], effects: Effect[]): void {
  const change = privacyChange(words)
  if (typeof change === 'string') state.notice = change
  else effects.push({ kind: 'privacy', change })
}

function startSearch(state: ScreenState, words: string, effects: Effect[]): void {
  if (words === '') {
    state.notice = 'say what to search for: /search WORDS'
    return
  }
  state.notice = 'searching …'
  effects.push({ kind: 'search', words, conversation: state.open })
}

/** A number of the list as it is shown, or a name. */
function choose(state: ScreenState, choice: string, effects: Effect[]): void {
  if (!/^\d+$/.test(choice)) {
    openByName(state, choice, effects)
    return
  }
  const name = state.order[Number(choice) - 1]
  if (name === undefined) state.notice = `there is no number ${choice} in the list; /to ${choice} opens the conversation with the user ${choice}`
  else openNamed(state, name, effects)
}

function openByName(state: ScreenState, text: string, effects: Effect[]): void {
  const name = normalizeConversation(text)
  if (name === null) {
    state.notice = `'${text}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`
  } else if (isGroup(name) && !state.conversations.has(name)) {
    state.notice = `you are not in the group ${name}: a link or an invitation lets you /join`
  } else {
    openNamed(state, name, effects)
  }
}
