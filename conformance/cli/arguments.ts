/** The command line of `chat-conformance`. */
import { parseArgs } from 'node:util'
import { registry } from '../spec/registry.js'
import type { Case, Level } from '../runner/case.js'

/** What was typed makes no sense; its message is for people. */
export class UsageError extends Error {}

export interface Filter {
  /** Ids, or how they begin; none: all. */
  readonly ids: readonly string[]
  readonly requirements: readonly string[]
  readonly levels: readonly Level[]
}

export interface Arguments {
  readonly command: 'client' | 'server' | 'list' | 'explain' | 'new' | 'help'
  readonly positionals: readonly string[]
  readonly filter: Filter
  /** Behind `--`. */
  readonly adapter: readonly string[]
  /** Adapters dial in; what is behind `--` is run to make them. */
  readonly isDialIn: boolean
  /** Where they do, and the address of this machine for the client. */
  readonly at: { readonly host: string; readonly port: number }
  readonly seed: string
  readonly parallel: number
  readonly slowness: number
  readonly junit: string
  readonly json: string
  readonly html: string
  readonly markdown: string
  readonly known: string
  readonly showsTrace: boolean
  readonly listsRequirements: boolean
  /** Of server mode. */
  readonly user: string
  readonly other: string
  readonly passwordFile: string
  readonly otherPasswordFile: string
  readonly ca: string
  readonly registers: boolean
  readonly inviteFile: string
  /** What the server was set up for. */
  readonly has: readonly string[]
}

const commands = ['client', 'server', 'list', 'explain', 'new', 'help'] as const

const options = {
  requirement: { type: 'string', multiple: true },
  level: { type: 'string', multiple: true },
  'dial-in': { type: 'boolean' },
  at: { type: 'string' },
  seed: { type: 'string' },
  parallel: { type: 'string' },
  slow: { type: 'string' },
  junit: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  markdown: { type: 'string' },
  known: { type: 'string' },
  trace: { type: 'boolean' },
  requirements: { type: 'boolean' },
  'user': { type: 'string' },
  'other': { type: 'string' },
  'password-file': { type: 'string' },
  'other-password-file': { type: 'string' },
  'ca': { type: 'string' },
  'register': { type: 'boolean' },
  'invite-file': { type: 'string' },
  'has': { type: 'string', multiple: true },
  help: { type: 'boolean' },
} as const

function numberOf(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  const number = Number(text)
  if (!Number.isFinite(number) || number <= 0) throw new UsageError(`--${name} takes a number above 0, not ${text}`)
  return number
}

function levelsOf(texts: readonly string[]): Level[] {
  return texts.map((text) => {
    if (text !== 'MUST' && text !== 'SHOULD' && text !== 'MAY') throw new UsageError(`--level takes MUST, SHOULD or MAY, not ${text}`)
    return text
  })
}

/** `HOST:PORT` or `HOST`; port 0 is any. */
function addressOf(text: string): { readonly host: string; readonly port: number } {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+))(?::(\d+))?$/.exec(text)
  const host = parts?.[1] ?? parts?.[2] ?? ''
  const port = Number(parts?.[3] ?? 0)
  if (host === '' || port > 65_535) throw new UsageError(`--at takes HOST:PORT, not ${text}`)
  if (host === '0.0.0.0' || host === '::') throw new UsageError(`--at takes the address by which the client reaches this machine, not ${host}`)
  return { host, port }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Throws a UsageError. */
export function readArguments(argv: readonly string[]): Arguments {
  const dashes = argv.indexOf('--')
  const adapter = dashes < 0 ? [] : argv.slice(dashes + 1)
  const { values, positionals: [name, ...positionals] } = parse(dashes < 0 ? argv : argv.slice(0, dashes))
  const command = values.help === true || name === undefined ? 'help' : commands.find((one) => one === name)
  if (command === undefined) throw new UsageError(`there is no command ${String(name)}`)
  const requirements = values.requirement ?? []
  const unknown = requirements.find((id) => !registry.requirements.some((one) => one.id === id))
  if (unknown !== undefined) throw new UsageError(`there is no requirement ${unknown}`)
  return {
    command,
    positionals,
    filter: { ids: command === 'server' ? positionals.slice(1) : positionals, requirements, levels: levelsOf(values.level ?? []) },
    adapter,
    isDialIn: values['dial-in'] ?? false,
    at: addressOf(values.at ?? '127.0.0.1'),
    seed: values.seed ?? '1',
    parallel: Math.ceil(numberOf('parallel', values.parallel, 8)),
    slowness: numberOf('slow', values.slow, 1),
    junit: values.junit ?? '',
    json: values.json ?? '',
    html: values.html ?? '',
    markdown: values.markdown ?? '',
    known: values.known ?? '',
    showsTrace: values.trace ?? false,
    listsRequirements: values.requirements ?? false,
    user: values.user ?? '',
    other: values.other ?? '',
    passwordFile: values['password-file'] ?? '',
    otherPasswordFile: values['other-password-file'] ?? '',
    ca: values.ca ?? '',
    registers: values.register ?? false,
    inviteFile: values['invite-file'] ?? '',
    has: values.has ?? [],
  }
}

/** The cases that the filter lets through. Throws a UsageError where an id is none. */
export function select(cases: readonly Case[], { ids, requirements, levels }: Filter): Case[] {
  for (const id of ids) {
    if (!cases.some((one) => isBelow(one.id, id))) throw new UsageError(`no case is called ${id}, or begins with it`)
  }
  return cases.filter((one) => (
    (ids.length === 0 || ids.some((id) => isBelow(one.id, id)))
    && (requirements.length === 0 || requirements.some((id) => one.requirements.includes(id)))
    && (levels.length === 0 || levels.includes(one.level))
  ))
}

function isBelow(id: string, prefix: string): boolean {
  return id === prefix || id.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}
