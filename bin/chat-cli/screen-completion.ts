/** What the Tab key makes of the word before the cursor. Pure. */
import type { Line } from './line-editor.js'
import { completeWord } from './completion.js'
import { AUDIENCES } from './privacy-command.js'
import { POLICY_WORDS } from './group-words.js'
import { SCREEN_COMMANDS } from './screen-commands.js'
import { GROUP_SUBCOMMANDS } from './screen-group-commands.js'
import type { ScreenState } from './screen-state.js'
import { openConversation } from './screen-state.js'

export interface Completion {
  readonly line: Line
  /** What the word may become, where it is more than one. */
  readonly choices: readonly string[]
}

/** Choices that are told; a list that nobody can read helps nobody. */
const CHOICES_MAX = 20

/** The line with the word before the cursor completed as far as all that may stand there agree. */
export function complete(state: ScreenState, line: Line): Completion {
  const words = line.before.split(/\s+/)
  const word = words.pop() ?? ''
  const possible = [...new Set(candidates(state, words, word))].sort()
  if (word !== '' && !word.startsWith('/') && !possible.some((one) => one.startsWith(word.toLowerCase()))) return completeByName(state, line, word, possible)
  const completed = completeWord(line, SCREEN_COMMANDS, possible)
  const choices = (words.length === 0 && word.startsWith('/') ? SCREEN_COMMANDS : possible).filter((one) => one.startsWith(word.toLowerCase()))
  const isAmbiguous = choices.length > 1 && (word !== '' || words.length > 0)
  // A value follows at once.
  const before = completed.before.replace(/= $/, '=')
  return { line: { before, after: completed.after }, choices: isAmbiguous ? told(state, choices) : [] }
}

/** People are also found by what the user calls them; what is written is their address. */
function completeByName(state: ScreenState, line: Line, word: string, possible: readonly string[]): Completion {
  const wanted = word.toLowerCase()
  const found = possible.filter((user) => (state.names.contacts.get(user) ?? '').toLowerCase().split(/\s+/).some((part) => part.startsWith(wanted)))
  const [user] = found
  if (user === undefined || found.length > 1) return { line, choices: told(state, found) }
  return { line: { before: `${line.before.slice(0, line.before.length - word.length)}${user} `, after: line.after }, choices: [] }
}

function told({ names: { contacts } }: ScreenState, choices: readonly string[]): string[] {
  return choices.slice(0, CHOICES_MAX).map((choice) => {
    const name = contacts.get(choice) ?? ''
    return name === '' ? choice : `${choice} (${name})`
  })
}

/** What may stand where the word stands; `words` are those before it. */
function candidates(state: ScreenState, words: readonly string[], word: string): readonly string[] {
  const [command] = words
  if (command === undefined) {
    return state.open === null ? [...state.conversations.keys(), ...state.names.contacts.keys()] : named(state, word)
  }
  if (command === '/group') return words.length === 1 ? GROUP_SUBCOMMANDS : groupWords(state, words.slice(1), word)
  switch (command) {
    case '/to': case '/forward': return [...state.conversations.keys(), ...state.names.contacts.keys()]
    case '/privacy': return words.length === 1 ? ['seen', 'online', 'except'] : words[1] === 'except' ? users(state) : AUDIENCES
    case '/invite': case '/block': case '/unblock': case '/profile': return users(state)
    case '/join': return groups(state)
    case '/who': case '/leave': return groups(state)
    case '/reply': return named(state, word)
    default: return command.startsWith('/') ? [] : named(state, word)
  }
}

function groupWords(state: ScreenState, words: readonly string[], word: string): readonly string[] {
  if (word.startsWith('#')) return groups(state)
  const [verb] = words
  const given = words.slice(1).filter((one) => !one.startsWith('#'))
  switch (verb) {
    case 'create': case 'add': case 'invite': return users(state)
    case 'remove': case 'owner': return members(state)
    case 'role': return given.length === 0 ? ['admin', 'member'] : members(state)
    case 'policy': return policyWords(word)
    case 'link': return ['--expires', '--uses', '--approval']
    case 'deny': return users(state)
    default: return groups(state)
  }
}

function policyWords(word: string): readonly string[] {
  if (!word.includes('=')) return Object.keys(POLICY_WORDS).map((key) => `${key}=`)
  return Object.entries(POLICY_WORDS).flatMap(([key, values]) => values.map((value) => `${key}=${value}`))
}

function groups(state: ScreenState): string[] {
  return [...state.conversations.keys()].filter((name) => name.startsWith('#'))
}

/** Everybody who is known from a conversation, a group or the contacts. */
function users(state: ScreenState): string[] {
  const names = [...state.conversations.values()].flatMap(({ name, group }) => group === null ? [name] : group.members)
  return [...names, ...state.names.contacts.keys()].filter((name) => name !== state.me)
}

/** The others in the open conversation, as the text of a message names them. */
function named(state: ScreenState, word: string): string[] {
  return word.startsWith('@') ? members(state).map((user) => `@${user}`) : members(state)
}

/** The others in the open conversation. */
function members(state: ScreenState): string[] {
  const conversation = openConversation(state)
  if (conversation === null) return []
  const names = conversation.group === null ? [conversation.name] : conversation.group.members
  return names.filter((name) => name !== state.me)
}
