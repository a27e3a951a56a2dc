/** The commands of the screen that are about groups; they act on the open one where none is named. */
import { isGroup } from '../../protocol/address.js'
import { parseArgs } from 'node:util'
import type { GroupVerb, GroupWordValues } from './group-words.js'
import { GROUP_VERBS, GROUP_WORD_OPTIONS, groupRequest, isGroupVerb, WrongWords } from './group-words.js'
import type { Effect, ScreenState } from './screen-state.js'

/** Commands that stand for a longer one. */
const SHORT: Readonly<Record<string, GroupVerb>> = { who: 'info', invite: 'invite', leave: 'leave', join: 'join' }
/** Those that are about groups alone; who is about the list too. */
export const SHORT_GROUP_COMMANDS: readonly string[] = ['/invite', '/leave', '/join']

/** What follows `/group`. */
export const GROUP_SUBCOMMANDS: readonly string[] = [...GROUP_VERBS, 'members', 'list']

/** Whether the command was one about groups. */
export function runGroupCommand(state: ScreenState, word: string, words: readonly string[], effects: Effect[]): boolean {
  const short = Object.hasOwn(SHORT, word) ? SHORT[word] : undefined
  if (short === undefined && word !== 'group') return false
  // Alone it makes an invite to the server.
  if (word === 'invite' && words.length === 0) return false
  // Without a group it is about the people in the list.
  if (word === 'who' && words.length === 0 && (state.open === null || !isGroup(state.open))) return false
  const [first, ...rest] = words
  if (short === undefined && first === 'list') {
    state.open = null
    state.scroll = 0
    return true
  }
  try {
    const verb = short ?? verbOf(first)
    const request = requestOf(state, verb, short === undefined ? rest : words)
    effects.push({ kind: 'group-request', request })
  } catch (error) {
    if (!(error instanceof WrongWords)) throw error
    state.notice = error.message
  }
  return true
}

function verbOf(word: string | undefined): GroupVerb {
  const verb = word === 'members' ? 'info' : word
  if (!isGroupVerb(verb)) throw new WrongWords(`/group takes ${GROUP_SUBCOMMANDS.join(', ')}`)
  return verb
}

function requestOf(state: ScreenState, verb: GroupVerb, words: readonly string[]): ReturnType<typeof groupRequest> {
  // A text for people may hold anything, also what looks like an option.
  const isText = verb === 'rename' || verb === 'about'
  const { values, positionals } = isText ? { values: {}, positionals: [...words] } : parseOptions(words)
  return groupRequest(verb, withGroup(state, verb, positionals), values)
}

/** The group is named first, or it is the open one. Making one, and joining, name it with or without its `#`. */
function withGroup(state: ScreenState, verb: GroupVerb, words: readonly string[]): readonly string[] {
  const isNamed = words[0]?.startsWith('#') === true || ((verb === 'create' || verb === 'join') && words.length > 0)
  if (isNamed || verb === 'create') return words
  if (state.open === null || !isGroup(state.open)) throw new WrongWords('open a group first, or name one, like #skiing')
  return [state.open, ...words]
}

/** As on the command line. A text in quotes may hold spaces. */
function parseOptions(words: readonly string[]): { values: GroupWordValues; positionals: string[] } {
  try {
    return parseArgs({ args: joinQuoted(words), options: GROUP_WORD_OPTIONS, allowPositionals: true })
  } catch (error) {
    const [sentence] = (error instanceof Error ? error.message : String(error)).split(/\.\s/)
    throw new WrongWords(sentence ?? 'wrong words')
  }
}

/** `"two`, `words"` become one. */
function joinQuoted(words: readonly string[]): string[] {
  return [...words.join(' ').matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
}
