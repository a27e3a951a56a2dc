/** The command line of `chatd` as a checked value. Pure: reads no file, no environment. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { LIMIT } from '../../protocol/generated/registry.js'
import type { Answers } from '../../server/capacity/constants.js'
import { SHARDS_MAX } from '../../storage/shards-file.js'
import { parseSpan, SPAN_EXAMPLES } from '../span.js'
import { type ClusterCommand, parseCluster } from './cluster-arguments.js'
import { usageFailure } from './failure.js'
import { answersOf, PLAN_OPTIONS } from './plan.js'
import type { ReportAction } from './report.js'
import type { SplitCommand } from './split.js'

/** What the configuration is made from, beside the environment. */
export interface ConfigArguments {
  readonly file: string | null
  /** By full name. */
  readonly flags: ReadonlyMap<string, string>
}

export type UserAction = 'add' | 'passwd' | 'remove' | 'disable' | 'enable'

export interface InviteAction {
  readonly action: 'create' | 'list' | 'revoke'
  /** With revoke. */
  readonly id: string
  /** With create. */
  readonly uses: number
  /** null: it does not expire. */
  readonly ageMs: number | null
  readonly json: boolean
}

export type Command =
  | { readonly kind: 'help', readonly topic: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'start', readonly config: ConfigArguments }
  | { readonly kind: 'config', readonly config: ConfigArguments }
  | { readonly kind: 'user', readonly action: UserAction, readonly name: string, readonly passwordStdin: boolean, readonly config: ConfigArguments }
  | { readonly kind: 'user-list', readonly json: boolean, readonly config: ConfigArguments }
  | { readonly kind: 'user-import', readonly config: ConfigArguments }
  | { readonly kind: 'invite', readonly invite: InviteAction, readonly config: ConfigArguments }
  | { readonly kind: 'search-rebuild', readonly config: ConfigArguments }
  | { readonly kind: 'report', readonly action: ReportAction, readonly json: boolean, readonly config: ConfigArguments }
  | { readonly kind: 'cluster', readonly command: ClusterCommand, readonly config: ConfigArguments }
  | { readonly kind: 'plan', readonly answers: Answers, readonly json: boolean }
  | { readonly kind: 'plan-constants' }
  | { readonly kind: 'split', readonly split: SplitCommand }
  | { readonly kind: 'cert', readonly directory: string, readonly hosts: readonly string[], readonly days: number }

type Options = NonNullable<ParseArgsConfig['options']>
type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

const HELP_OPTION: Options = { help: { type: 'boolean', short: 'h' } }
const CONFIG_OPTIONS: Options = {
  ...HELP_OPTION, data: { type: 'string' }, config: { type: 'string' }, set: { type: 'string', multiple: true },
}

/** Throws a CommandFailure with exit code `usage`. */
export function parseCommand(args: readonly string[]): Command {
  const [first = 'help', ...rest] = args
  switch (first) {
    case 'start':
    case 'config': {
      const { values } = parse(first, rest, { ...CONFIG_OPTIONS, listen: { type: 'string', multiple: true }, workers: { type: 'string' }, shards: { type: 'string' } }, 0)
      return values['help'] === true ? { kind: 'help', topic: first } : { kind: first, config: configArguments(first, values) }
    }
    case 'user': return parseUser(rest)
    case 'invite': return parseInvite(rest)
    case 'search': return parseSearch(rest)
    case 'report': return parseReport(rest)
    case 'cluster': {
      const { values, positionals } = parse('cluster', rest, { ...CONFIG_OPTIONS, json: { type: 'boolean' }, out: { type: 'string' } }, 3)
      if (values['help'] === true) return { kind: 'help', topic: 'cluster' }
      return { kind: 'cluster', command: parseCluster(positionals, values['json'] === true, values['out']), config: configArguments('cluster', values) }
    }
    case 'plan': return parsePlan(rest)
    case 'split': return parseSplit(rest)
    case 'cert': return parseCert(rest)
    case 'version':
    case '--version': return { kind: 'version' }
    case 'help':
    case '--help':
    case '-h': return { kind: 'help', topic: rest[0] ?? '' }
    default: throw usageFailure(`there is no command ${first}`)
  }
}

function parseUser(args: readonly string[]): Command {
  const options: Options = { ...CONFIG_OPTIONS, 'password-stdin': { type: 'boolean' }, 'json': { type: 'boolean' } }
  const { values, positionals } = parse('user', args, options, 2)
  const [action, name] = positionals
  if (values['help'] === true) return { kind: 'help', topic: 'user' }
  const config = configArguments('user', values)
  switch (action) {
    case 'list':
    case 'import':
      if (name !== undefined) throw usageFailure(`chatd user ${action} takes no name`, 'user')
      return action === 'list' ? { kind: 'user-list', json: values['json'] === true, config } : { kind: 'user-import', config }
    case 'add':
    case 'passwd':
    case 'remove':
    case 'disable':
    case 'enable':
      if (name === undefined) throw usageFailure(`chatd user ${action} needs a name`, 'user')
      return { kind: 'user', action, name, passwordStdin: values['password-stdin'] === true, config }
    default: throw usageFailure(action === undefined ? 'say what to do: add, passwd, remove, disable, enable, list or import' : `there is no chatd user ${action}`, 'user')
  }
}

function parseInvite(args: readonly string[]): Command {
  const options: Options = { ...CONFIG_OPTIONS, uses: { type: 'string' }, expires: { type: 'string' }, json: { type: 'boolean' } }
  const { values, positionals } = parse('invite', args, options, 2)
  if (values['help'] === true) return { kind: 'help', topic: 'invite' }
  const [action, id = ''] = positionals
  if (action !== 'create' && action !== 'list' && action !== 'revoke') {
    throw usageFailure(action === undefined ? 'say what to do: create, list or revoke' : `there is no chatd invite ${action}`, 'invite')
  }
  if ((action === 'revoke') !== (id !== '')) throw usageFailure(action === 'revoke' ? 'say which invite: its id' : `${id} is too much`, 'invite')
  const { uses = '1', expires = '7d' } = values
  if (typeof uses !== 'string' || !/^[1-9]\d*$/.test(uses) || Number(uses) > LIMIT.inviteUsesMax) {
    throw usageFailure(`--uses is a number from 1 to ${String(LIMIT.inviteUsesMax)}`, 'invite')
  }
  const invite = { action, id, uses: Number(uses), ageMs: ageOf(String(expires)), json: values['json'] === true } as const
  return { kind: 'invite', invite, config: configArguments('invite', values) }
}

/** `7d`, `12h`, `30m`, `2w`; null for `never`. */
function ageOf(text: string): number | null {
  if (text === 'never') return null
  const ageMs = parseSpan(text)
  if (ageMs === null) throw usageFailure(`--expires is a time like ${SPAN_EXAMPLES}, or never`, 'invite')
  return ageMs
}

function parseSearch(args: readonly string[]): Command {
  const { values, positionals } = parse('search', args, CONFIG_OPTIONS, 1)
  if (values['help'] === true) return { kind: 'help', topic: 'search' }
  if (positionals[0] !== 'rebuild') throw usageFailure('say what to do: rebuild', 'search')
  return { kind: 'search-rebuild', config: configArguments('search', values) }
}

function parseReport(args: readonly string[]): Command {
  const { values, positionals } = parse('report', args, { ...CONFIG_OPTIONS, json: { type: 'boolean' } }, 2)
  const [action, id = ''] = positionals
  if (values['help'] === true) return { kind: 'help', topic: 'report' }
  const rest = { json: values['json'] === true, config: configArguments('report', values) }
  if (action === 'list') {
    if (id !== '') throw usageFailure('chatd report list takes no number', 'report')
    return { kind: 'report', action: { kind: 'list' }, ...rest }
  }
  if (action !== 'show' && action !== 'close') throw usageFailure(action === undefined ? 'say what to do: list, show or close' : `there is no chatd report ${action}`, 'report')
  if (!/^[1-9]\d{0,14}$/.test(id)) throw usageFailure(`chatd report ${action} needs the number of a report`, 'report')
  return { kind: 'report', action: { kind: action, id: Number(id) }, ...rest }
}

function parsePlan(args: readonly string[]): Command {
  const questions: Options = Object.fromEntries(PLAN_OPTIONS.map((name) => [name, { type: 'string' }]))
  const { values } = parse('plan', args, { ...HELP_OPTION, ...questions, constants: { type: 'boolean' }, json: { type: 'boolean' } }, 0)
  if (values['help'] === true) return { kind: 'help', topic: 'plan' }
  return values['constants'] === true ? { kind: 'plan-constants' } : { kind: 'plan', answers: answersOf(values), json: values['json'] === true }
}

function parseSplit(args: readonly string[]): Command {
  const { values, positionals } = parse('split', args, { ...HELP_OPTION, shards: { type: 'string' }, to: { type: 'string' }, json: { type: 'boolean' } }, 1)
  if (values['help'] === true) return { kind: 'help', topic: 'split' }
  const [directory] = positionals
  const { shards, to } = values
  if (directory === undefined || typeof to !== 'string') throw usageFailure('say which data directory, and which new one with --to DIR', 'split')
  if (typeof shards !== 'string' || !/^[1-9]\d{0,2}$/.test(shards) || Number(shards) > SHARDS_MAX) {
    throw usageFailure(`--shards is a number from 1 to ${String(SHARDS_MAX)}`, 'split')
  }
  return { kind: 'split', split: { directory, shards: Number(shards), to, json: values['json'] === true } }
}

function parseCert(args: readonly string[]): Command {
  const options: Options = { ...HELP_OPTION, out: { type: 'string' }, host: { type: 'string', multiple: true }, days: { type: 'string' } }
  const { values } = parse('cert', args, options, 0)
  if (values['help'] === true) return { kind: 'help', topic: 'cert' }
  const { out, days = '90' } = values
  if (typeof out !== 'string') throw usageFailure('say where to write it with --out DIR', 'cert')
  if (typeof days !== 'string' || !/^[1-9]\d{0,3}$/.test(days)) throw usageFailure('--days is a number from 1 to 9999', 'cert')
  const hosts = texts(values['host'])
  return { kind: 'cert', directory: out, hosts: hosts.length === 0 ? ['localhost', '127.0.0.1', '::1'] : hosts, days: Number(days) }
}

function parse(command: string, args: readonly string[], options: Options, positionalsMax: number): { values: Values, positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    if (positionals.length > positionalsMax) throw usageFailure(`${positionals[positionalsMax] ?? ''} is too much`, command)
    return { values, positionals }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw usageFailure(error.message.split('. ', 1)[0] ?? 'wrong arguments', command)
  }
}

function configArguments(command: string, values: Values): ConfigArguments {
  const flags = new Map<string, string>()
  for (const assignment of texts(values['set'])) {
    const equals = assignment.indexOf('=')
    if (equals < 1) throw usageFailure(`--set takes NAME=VALUE, not ${assignment}`, command)
    flags.set(assignment.slice(0, equals), assignment.slice(equals + 1))
  }
  if (typeof values['data'] === 'string') flags.set('data.directory', values['data'])
  const { workers, shards } = values
  if (typeof workers === 'string') flags.set('listen.workers', workers === 'auto' ? '0' : workers)
  if (typeof shards === 'string') flags.set('data.shards', shards)
  const urls = texts(values['listen'])
  if (urls.length > 0) flags.set('listen.urls', urls.join(','))
  return { file: typeof values['config'] === 'string' ? values['config'] : null, flags }
}

function texts(value: Values[string]): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
