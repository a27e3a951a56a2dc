/** The command line of `chat` as a checked value. Pure: reads no file, no environment. */
import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'
import type { Audience, Privacy } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { parseSpan, SPAN_EXAMPLES } from '../span.js'
import type { AccountOptions, AskedOptions, Values } from './argument-values.js'
import { accountOptions, checkedServer, refuseMore, text, timeoutMs, wholeNumber } from './argument-values.js'
import { usageFailure } from './failure.js'
import type { BlobsCommand, FetchCommand, SendCommand } from './file-arguments.js'
import { blobsCommand, fetchCommand, sendCommand } from './file-arguments.js'
import type { GroupCommand } from './group-arguments.js'
import { groupArguments } from './group-arguments.js'
import { GROUP_WORD_OPTIONS } from './group-words.js'
import { type OperateAction, operateArguments, type OperateCommand } from './operate.js'
import { AUDIENCES } from './privacy-command.js'
import { isPeopleTopic, PEOPLE_OPTIONS, peopleAction } from './people-arguments.js'
import type { PeopleAction, PeopleTopic } from './people-arguments.js'

/** `timeoutMs` is null where there is no limit. */
export type Command =
  | { readonly kind: 'help'; readonly topic: HelpTopic }
  | { readonly kind: 'version' }
  | { readonly kind: 'screen'; readonly account: AskedOptions }
  | SendCommand
  | FetchCommand
  | BlobsCommand
  | {
    readonly kind: 'recv'
    readonly account: AccountOptions
    /** null: without end */
    readonly count: number | null
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'history'
    readonly account: AccountOptions
    readonly conversation: string
    readonly before: number | null
    readonly limit: number
    /** Whether lines for people begin with the message's number. */
    readonly numbers: boolean
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'devices'
    readonly account: AccountOptions
    /** null: list them */
    readonly remove: string | null
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | OperateCommand
  | {
    readonly kind: 'people'
    readonly account: AccountOptions
    readonly action: PeopleAction
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'presence'
    readonly account: AccountOptions
    readonly users: readonly string[]
    /** Go on, and print each change. */
    readonly watch: boolean
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'register'
    readonly account: AccountOptions
    /** There is no file with it. */
    readonly asksPassword: boolean
    /** null: from the file, the environment, or the terminal */
    readonly invite: string | null
    readonly inviteFile: string | null
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'privacy'
    readonly account: AccountOptions
    /** Empty: show it. */
    readonly change: Partial<Privacy>
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'invite'
    readonly account: AccountOptions
    readonly action: 'create' | 'list' | 'revoke'
    /** With revoke. */
    readonly id: string
    /** null: the server's default */
    readonly uses: number | null
    readonly ageMs: number | null
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | {
    readonly kind: 'search'
    readonly account: AccountOptions
    readonly words: string
    readonly conversation: string | null
    readonly from: string | null
    readonly sinceMs: number | null
    readonly untilMs: number | null
    readonly limit: number
    readonly timeoutMs: number | null
    readonly json: boolean
  }
  | GroupCommand

export type HelpTopic =
  | 'chat' | 'send' | 'fetch' | 'blobs' | 'recv' | 'history' | 'devices' | 'presence' | 'privacy' | 'register' | 'invite' | 'search' | 'group' | OperateAction | PeopleTopic

export const HISTORY_LIMIT_DEFAULT = 50
const HISTORY_LIMIT_MAX = 100_000

const ACCOUNT = {
  help: { type: 'boolean', short: 'h' },
  server: { type: 'string' },
  user: { type: 'string' },
  'password-file': { type: 'string' },
  device: { type: 'string' },
  state: { type: 'string' },
  ca: { type: 'string' },
  'allow-plaintext': { type: 'boolean' },
} as const
const TIMEOUT = { timeout: { type: 'string' } } as const
const JSON_LINES = { json: { type: 'boolean' } } as const

const OPTIONS = {
  chat: { ...ACCOUNT, version: { type: 'boolean' } },
  send: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, file: { type: 'string', multiple: true }, strip: { type: 'boolean' } },
  fetch: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, out: { type: 'string' }, thumbnail: { type: 'boolean' } },
  blobs: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  recv: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, count: { type: 'string' } },
  history: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, with: { type: 'string' }, before: { type: 'string' }, limit: { type: 'string' }, numbers: { type: 'boolean' } },
  devices: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  presence: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, watch: { type: 'boolean' } },
  privacy: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, seen: { type: 'string' }, online: { type: 'string' }, except: { type: 'string' } },
  edit: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  delete: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  react: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  reply: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES },
  register: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, invite: { type: 'string' }, 'invite-file': { type: 'string' } },
  invite: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, uses: { type: 'string' }, expires: { type: 'string' } },
  search: {
    ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, with: { type: 'string' }, from: { type: 'string' }, since: { type: 'string' },
    until: { type: 'string' }, limit: { type: 'string' },
  },
  group: { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES, ...GROUP_WORD_OPTIONS },
  ...PEOPLE_OPTIONS,
} as const

/** The command that these arguments name. Throws a ChatFailure (usage) that says which argument is wrong. */
export function parseCommand(args: readonly string[]): Command {
  const first = args[0]
  if (first === 'help') return helpCommand(args[1] ?? 'chat')
  const topic: HelpTopic = isTopic(first) && first !== 'chat' ? first : 'chat'
  const { values, positionals } = parseTopic(topic, topic === 'chat' ? args : args.slice(1))
  if (values['help'] === true) return { kind: 'help', topic }
  switch (topic) {
    case 'chat': return screenCommand(values, positionals)
    case 'send': return sendCommand(values, positionals)
    case 'fetch': return fetchCommand(values, positionals)
    case 'blobs': return blobsCommand(values, positionals)
    case 'recv': return recvCommand(values, positionals)
    case 'history': return historyCommand(values, positionals)
    case 'devices': return devicesCommand(values, positionals)
    case 'presence': return presenceCommand(values, positionals)
    case 'privacy': return privacyCommand(values, positionals)
    case 'edit':
    case 'delete':
    case 'react':
    case 'reply':
      return {
        kind: 'operate', account: accountOptions(values, topic), action: topic, ...operateArguments(topic, positionals),
        timeoutMs: timeoutMs(values, topic), json: values['json'] === true,
      }
    case 'register': return registerCommand(values, positionals)
    case 'invite': return inviteCommand(values, positionals)
    case 'search': return searchCommand(values, positionals)
    case 'group': return groupCommand(values, positionals)
    default: return peopleCommand(topic, values, positionals)
  }
}

function helpCommand(topic: string): Command {
  if (!isTopic(topic)) throw usageFailure(`there is no command '${topic}'`)
  return { kind: 'help', topic }
}

function parseTopic(topic: HelpTopic, args: readonly string[]): { values: Values; positionals: string[] } {
  try {
    const common = isPeopleTopic(topic) ? { ...ACCOUNT, ...TIMEOUT, ...JSON_LINES } : {}
    const options: ParseArgsConfig['options'] = { ...common, ...OPTIONS[topic] }
    return parseArgs({ args: [...args], options, allowPositionals: true }) as { values: Values; positionals: string[] }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const ambiguous = /^Option '(?:-\w, )?(--[\w-]+).*' argument is ambiguous/.exec(message)
    if (ambiguous !== null) throw usageFailure(`${ambiguous[1] ?? ''} has no value, or one that begins with -: write ${ambiguous[1] ?? ''}=VALUE`, topic === 'chat' ? '' : topic)
    const [sentence] = message.split(/\.\s/)
    throw usageFailure(sentence ?? 'wrong arguments', topic === 'chat' ? '' : topic)
  }
}

function screenCommand(values: Values, positionals: readonly string[]): Command {
  if (values['version'] === true) return { kind: 'version' }
  if (positionals.length > 0) throw usageFailure(`there is no command '${positionals[0] ?? ''}'`)
  const account: AskedOptions = {
    server: values['server'] === undefined ? null : checkedServer(String(values['server']), ''),
    user: text(values, 'user'),
    passwordFile: text(values, 'password-file'),
    device: text(values, 'device'),
    stateRoot: text(values, 'state'),
    certificateFile: text(values, 'ca'),
    allowsPlaintext: values['allow-plaintext'] === true,
  }
  return { kind: 'screen', account }
}

function recvCommand(values: Values, positionals: readonly string[]): Command {
  refuseMore(positionals, 'recv')
  return {
    kind: 'recv',
    account: accountOptions(values, 'recv'),
    count: values['count'] === undefined ? null : wholeNumber(values, 'count', 1, Number.MAX_SAFE_INTEGER, 'recv'),
    timeoutMs: values['timeout'] === undefined ? null : timeoutMs(values, 'recv'),
    json: values['json'] === true,
  }
}

function historyCommand(values: Values, positionals: readonly string[]): Command {
  const [name = null, ...more] = positionals
  refuseMore(more, 'history')
  const account = accountOptions(values, 'history')
  const option = text(values, 'with')
  if (name !== null && option !== null) throw usageFailure('whose conversation is said twice', 'history')
  const conversation = name ?? option
  if (conversation === null) throw usageFailure('say whose conversation: NAME', 'history')
  return {
    kind: 'history',
    account,
    conversation,
    before: values['before'] === undefined ? null : wholeNumber(values, 'before', 1, Number.MAX_SAFE_INTEGER, 'history'),
    limit: values['limit'] === undefined ? HISTORY_LIMIT_DEFAULT : wholeNumber(values, 'limit', 1, HISTORY_LIMIT_MAX, 'history'),
    numbers: values['numbers'] === true,
    timeoutMs: timeoutMs(values, 'history'),
    json: values['json'] === true,
  }
}

function devicesCommand(values: Values, positionals: readonly string[]): Command {
  const account = accountOptions(values, 'devices')
  const [action, remove, ...more] = positionals
  if (action !== undefined && (action !== 'remove' || remove === undefined || more.length > 0)) {
    throw usageFailure('say `chat devices` or `chat devices remove ID`', 'devices')
  }
  return { kind: 'devices', account, remove: remove ?? null, timeoutMs: timeoutMs(values, 'devices'), json: values['json'] === true }
}

function presenceCommand(values: Values, users: readonly string[]): Command {
  const account = accountOptions(values, 'presence')
  if (users.length === 0) throw usageFailure('say whose: USER…', 'presence')
  if (users.length > LIMIT.watchesMax) throw usageFailure(`${LIMIT.watchesMax} users at most`, 'presence')
  const watch = values['watch'] === true
  // Watching goes on until it is stopped.
  const limitMs = watch && values['timeout'] === undefined ? null : timeoutMs(values, 'presence')
  return { kind: 'presence', account, users, watch, timeoutMs: limitMs, json: values['json'] === true }
}

function privacyCommand(values: Values, positionals: readonly string[]): Command {
  const account = accountOptions(values, 'privacy')
  const [action = 'get', ...more] = positionals
  const seen = audience(values, 'seen')
  const online = audience(values, 'online')
  const except = values['except'] === undefined ? null : String(values['except']).split(',').map((name) => name.trim()).filter((name) => name !== '')
  const change = { ...seen === null ? {} : { seen }, ...online === null ? {} : { online }, ...except === null ? {} : { except } }
  const isChange = Object.keys(change).length > 0
  if (more.length > 0 || (action !== 'get' && action !== 'set') || isChange !== (action === 'set')) {
    throw usageFailure('say `chat privacy`, or `chat privacy set` with --seen, --online or --except', 'privacy')
  }
  return { kind: 'privacy', account, change, timeoutMs: timeoutMs(values, 'privacy'), json: values['json'] === true }
}

function audience(values: Values, name: string): Audience | null {
  const value = values[name]
  if (value === undefined) return null
  const found = AUDIENCES.find((each) => each === value)
  if (found === undefined) throw usageFailure(`--${name} takes ${AUDIENCES.join(', ')}, not '${String(value)}'`, 'privacy')
  return found
}

function groupCommand(values: Values, positionals: readonly string[]): Command {
  const request = groupArguments(positionals, values)
  return { kind: 'group', account: accountOptions(values, 'group'), request, timeoutMs: timeoutMs(values, 'group'), json: values['json'] === true }
}

function registerCommand(values: Values, positionals: readonly string[]): Command {
  const [user, ...more] = positionals
  refuseMore(more, 'register')
  if (user !== undefined && values['user'] !== undefined) throw usageFailure('the name is given twice', 'register')
  if (values['invite'] !== undefined && values['invite-file'] !== undefined) throw usageFailure('give --invite or --invite-file', 'register')
  const asksPassword = values['password-file'] === undefined
  const account = accountOptions({ ...values, ...user === undefined ? {} : { user }, ...asksPassword ? { 'password-file': '-' } : {} }, 'register')
  return {
    kind: 'register',
    account: { ...account, passwordFile: asksPassword ? '' : account.passwordFile },
    asksPassword,
    invite: text(values, 'invite'),
    inviteFile: text(values, 'invite-file'),
    timeoutMs: timeoutMs(values, 'register'),
    json: values['json'] === true,
  }
}

function inviteCommand(values: Values, positionals: readonly string[]): Command {
  const account = accountOptions(values, 'invite')
  const [action, id = '', ...more] = positionals
  if ((action !== 'create' && action !== 'list' && action !== 'revoke') || (action === 'revoke') !== (id !== '') || more.length > 0) {
    throw usageFailure('say `chat invite create`, `chat invite list` or `chat invite revoke ID`', 'invite')
  }
  return {
    kind: 'invite',
    account,
    action,
    id,
    uses: values['uses'] === undefined ? null : wholeNumber(values, 'uses', 1, LIMIT.inviteUsesMax, 'invite'),
    ageMs: ageOf(text(values, 'expires')),
    timeoutMs: timeoutMs(values, 'invite'),
    json: values['json'] === true,
  }
}

/** null: not given. */
function ageOf(age: string | null): number | null {
  const ageMs = age === null ? null : parseSpan(age)
  if (age !== null && ageMs === null) throw usageFailure(`--expires takes a time like ${SPAN_EXAMPLES}, not '${age}'`, 'invite')
  return ageMs
}

function searchCommand(values: Values, positionals: readonly string[]): Command {
  const account = accountOptions(values, 'search')
  if (positionals.length === 0) throw usageFailure('say what to search for: one or more words', 'search')
  return {
    kind: 'search',
    account,
    words: positionals.join(' '),
    conversation: text(values, 'with'),
    from: text(values, 'from'),
    sinceMs: date(values, 'since'),
    untilMs: date(values, 'until'),
    limit: values['limit'] === undefined ? HISTORY_LIMIT_DEFAULT : wholeNumber(values, 'limit', 1, HISTORY_LIMIT_MAX, 'search'),
    timeoutMs: timeoutMs(values, 'search'),
    json: values['json'] === true,
  }
}

/** A day, in the time zone of the process, or a moment. */
function date(values: Values, name: string): number | null {
  const value = text(values, name)
  if (value === null) return null
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(value) ? Date.parse(`${value}T00:00:00`) : /^\d{4}-\d{2}-\d{2}T/.test(value) ? Date.parse(value) : Number.NaN
  if (!(ms >= 0)) throw usageFailure(`--${name} takes a date like 2026-01-31 or 2026-01-31T12:00, not '${value}'`, 'search')
  return ms
}

function peopleCommand(topic: PeopleTopic, values: Values, positionals: readonly string[]): Command {
  const account = accountOptions(values, topic)
  const action = peopleAction(topic, values, positionals)
  return { kind: 'people', account, action, timeoutMs: timeoutMs(values, topic), json: values['json'] === true }
}

function isTopic(word: string | undefined): word is HelpTopic {
  return word !== undefined && Object.hasOwn(OPTIONS, word)
}
