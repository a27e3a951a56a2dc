/** The command line of `chatd` as a checked value. Pure: reads no file, no environment. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { usageFailure } from './failure.js'

/** What the configuration is made from, beside the environment. */
export interface ConfigArguments {
  readonly file: string | null
  /** By full name. */
  readonly flags: ReadonlyMap<string, string>
}

export type UserAction = 'add' | 'passwd' | 'remove'

export type Command =
  | { readonly kind: 'help', readonly topic: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'start', readonly config: ConfigArguments }
  | { readonly kind: 'config', readonly config: ConfigArguments }
  | { readonly kind: 'user', readonly action: UserAction, readonly name: string, readonly passwordStdin: boolean, readonly config: ConfigArguments }
  | { readonly kind: 'user-list', readonly json: boolean, readonly config: ConfigArguments }
  | { readonly kind: 'user-import', readonly config: ConfigArguments }
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
      const { values } = parse(first, rest, { ...CONFIG_OPTIONS, listen: { type: 'string', multiple: true } }, 0)
      return values['help'] === true ? { kind: 'help', topic: first } : { kind: first, config: configArguments(first, values) }
    }
    case 'user': return parseUser(rest)
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
      if (name === undefined) throw usageFailure(`chatd user ${action} needs a name`, 'user')
      return { kind: 'user', action, name, passwordStdin: values['password-stdin'] === true, config }
    default: throw usageFailure(action === undefined ? 'say what to do: add, passwd, remove, list or import' : `there is no chatd user ${action}`, 'user')
  }
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
  const urls = texts(values['listen'])
  if (urls.length > 0) flags.set('listen.urls', urls.join(','))
  return { file: typeof values['config'] === 'string' ? values['config'] : null, flags }
}

function texts(value: Values[string]): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
