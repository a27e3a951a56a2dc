/** `chat-conformance server`: which server, and whose accounts. Secrets come from files or the environment, never from arguments. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { AccountFailure, RegisteredAccounts, SharedAccounts } from '../runner/accounts.js'
import type { Account, Accounts } from '../runner/accounts.js'
import { readTarget } from '../runner/dial.js'
import type { Target } from '../runner/dial.js'
import { serverFeatures } from '../runner/load.js'
import { featuresOf } from '../runner/server-run.js'
import type { ServerPlayOptions } from '../runner/server-play.js'
import { UsageError } from './arguments.js'
import type { Arguments } from './arguments.js'

type Environment = Readonly<Record<string, string | undefined>>

/** Looks at the server. Throws a UsageError where it is not there, or nothing can be done with it. */
export async function serverOptions(args: Arguments, environment: Environment): Promise<ServerPlayOptions> {
  const [url] = args.positionals
  if (url === undefined) throw new UsageError('server takes the address of the server: tcp://HOST:PORT, tls://, ws:// or wss://')
  const unknown = args.has.find((feature) => !serverFeatures.some(({ name }) => name === feature))
  if (unknown !== undefined) throw new UsageError(`--has ${unknown}: it is one of ${serverFeatures.map(({ name }) => name).join(', ')}`)
  const target = targetOf(url, args.ca)
  const run = randomBytes(3).toString('hex')
  const accounts = accountsOf(args, environment, target, run)
  try {
    const features = await featuresOf(target, accounts.areFresh)
    for (const feature of args.has) features.add(feature)
    return { target, accounts, features, run, seed: args.seed, slowness: args.slowness }
  } catch (error) {
    if (error instanceof AccountFailure) throw new UsageError(`${url}: ${error.message}`)
    throw error
  }
}

function targetOf(url: string, ca: string): Target {
  const certificate = ca === '' ? '' : readText(ca, '--ca')
  if (ca !== '' && !certificate.includes('-----BEGIN CERTIFICATE-----')) throw new UsageError(`--ca ${ca} is no certificate in PEM`)
  try {
    return readTarget(url, certificate)
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function accountsOf(args: Arguments, environment: Environment, target: Target, run: string): Accounts {
  if (args.registers) return new RegisteredAccounts(target, secretOf(args.inviteFile, environment['CHAT_CONFORMANCE_INVITE'], '--invite-file') ?? '', run)
  const user = accountOf(args.user, args.passwordFile, environment['CHAT_CONFORMANCE_PASSWORD'], '--user', '--password-file', 'CHAT_CONFORMANCE_PASSWORD')
  const other = accountOf(args.other, args.otherPasswordFile, environment['CHAT_CONFORMANCE_OTHER_PASSWORD'], '--other', '--other-password-file', 'CHAT_CONFORMANCE_OTHER_PASSWORD')
  if (user.name === other.name) throw new UsageError('--user and --other are two accounts')
  return new SharedAccounts(user, other)
}

function accountOf(name: string, file: string, given: string | undefined, option: string, fileOption: string, variable: string): Account {
  if (name === '') throw new UsageError(`server takes two accounts, --user NAME and --other NAME, or makes its own with --register: ${option} is missing`)
  const password = secretOf(file, given, fileOption)
  if (password === null) throw new UsageError(`the password of ${name} comes from ${fileOption} FILE, or from ${variable} in the environment`)
  return { name: name.toLowerCase(), password }
}

/** null: there is none. */
function secretOf(file: string, given: string | undefined, option: string): string | null {
  const text = file === '' ? given : readText(file, option).replace(/\r?\n$/, '')
  if (text === '') throw new UsageError(`${file === '' ? 'a secret of the environment' : `${option} ${file}`} is empty`)
  if (text?.includes('\n') === true) throw new UsageError(`${option} ${file} has more than one line`)
  return text ?? null
}

function readText(file: string, option: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${option} ${file} can't be read: ${error instanceof Error && 'code' in error ? String(error.code) : String(error)}`)
  }
}
