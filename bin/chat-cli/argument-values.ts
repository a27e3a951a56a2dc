/** Options as checked values, for the commands that have them. Each throws a ChatFailure (usage) that says what is wrong. Pure. */
import { usageFailure } from './failure.js'

/** Where and as whom to connect. null: not given. */
export interface AccountOptions {
  readonly server: string
  readonly user: string
  readonly passwordFile: string
  readonly device: string | null
  readonly stateRoot: string | null
  readonly certificateFile: string | null
  /** Whether to sign in without encryption over a network. [TOK-8] */
  readonly allowsPlaintext: boolean
}

/** The same for the interactive program, which asks for what is missing. */
export type AskedOptions = Omit<AccountOptions, 'server' | 'user' | 'passwordFile'> & {
  readonly server: string | null
  readonly user: string | null
  readonly passwordFile: string | null
}

/** As parseArgs gives them. */
export type Values = Record<string, string | boolean | undefined>

/** Seconds without progress after which all commands but `recv` give up where no --timeout is given. */
export const TIMEOUT_SECONDS_DEFAULT = 60

/** `topic`: of the help that a refusal points to, here and below. */
export function accountOptions(values: Values, topic: string): AccountOptions {
  const required = (name: string, hint: string): string => {
    const value = text(values, name)
    if (value === null) throw usageFailure(`--${name} ${hint} is missing`, topic)
    return value
  }
  return {
    server: checkedServer(required('server', 'URL'), topic),
    user: required('user', 'NAME'),
    passwordFile: required('password-file', 'FILE'),
    device: text(values, 'device'),
    stateRoot: text(values, 'state'),
    certificateFile: text(values, 'ca'),
    allowsPlaintext: values['allow-plaintext'] === true,
  }
}

const SERVER_FORM = /^(?:tcp|tls|ws|wss):\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s/:@?#[\]]+)(?::\d{1,5})?(?:\/[^\s]*)?$/

/** `server` as given; throws a ChatFailure (usage) unless it is a URL that the client can connect to, or several with commas between. */
export function checkedServer(server: string, topic: string): string {
  for (const url of serversOf(server)) {
    if (SERVER_FORM.test(url) && URL.canParse(url)) continue
    throw usageFailure(`'${url}' is not the URL of a server, like tcp://127.0.0.1:5322 (tcp, tls, ws or wss)`, topic)
  }
  return server
}

/** The nodes of one service, in the order in which they are tried. */
export function serversOf(server: string): string[] {
  return server.split(',')
}

/** null: not given. */
export function text(values: Values, name: string): string | null {
  const value = values[name]
  if (value === undefined || typeof value === 'boolean') return null
  if (value === '') throw usageFailure(`--${name} is empty`)
  return value
}

/** Of an option that is given. */
export function wholeNumber(values: Values, name: string, min: number, max: number, topic: string): number {
  const value = text(values, name) ?? ''
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= min && number <= max)) throw usageFailure(`--${name} takes a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}, not '${value}'`, topic)
  return number
}

/** Longest delay that a timer takes. */
const TIMEOUT_SECONDS_MAX = 2_147_483

/** null: 0 was given, wait without end. */
export function timeoutMs(values: Values, topic: string): number | null {
  const value = text(values, 'timeout')
  if (value === null) return TIMEOUT_SECONDS_DEFAULT * 1000
  const seconds = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN
  if (!(seconds >= 0 && seconds <= TIMEOUT_SECONDS_MAX)) throw usageFailure(`--timeout takes seconds from 0 to ${TIMEOUT_SECONDS_MAX}, not '${value}'`, topic)
  return seconds === 0 ? null : Math.max(1, Math.round(seconds * 1000))
}

/** `positionals`: those that are left. */
export function refuseMore(positionals: readonly string[], topic: string): void {
  const [first] = positionals
  if (first !== undefined) throw usageFailure(`'${first}' is one argument too many`, topic)
}
