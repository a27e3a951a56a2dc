/** A connected client for a command: its device, its state directory, its errors as failures with an exit code. */
import { asError } from '../../protocol/as-error.js'
import { setTimeout as delay } from 'node:timers/promises'
import { Client, ClientError, fileStorage } from '../../protocol/client/node.js'
import { type AccountOptions, serversOf } from './argument-values.js'
import type { DeviceChoice, Purpose } from './device.js'
import { chooseDevice } from './device.js'
import type { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import { Outages } from './outages.js'
import { readCertificate, readPassword } from './password.js'
import { safeText } from './safe-text.js'
import type { World } from './world.js'

export interface Plan {
  readonly account: AccountOptions
  /** Devices in order of preference; a later one stands in where the state of an earlier one is in use. */
  readonly purposes: readonly [Purpose, ...Purpose[]]
  readonly world: World
  readonly ending: Ending
  /** Whether it shows what comes. Else that waits for the devices that do: taking it here would tell its senders "delivered". [QUE-17] */
  readonly receive: boolean
  /** How long to wait while the state directory is in use: one that is just ending soon lets go of it. */
  readonly stateWaitMs: number
  /** null: read it from the account's file. */
  readonly password: string | null
  /** Whether a person looks at what comes: else the user does not appear online. Default false. [PRS-16] */
  readonly isActive?: boolean
  /** Registers handlers, before anything can arrive. */
  prepare?(client: Client): unknown
  /** Told once for each time the server can't be reached. */
  outage(message: string): void
}

/** How often to look whether a state directory has become free. */
const STATE_POLL_MS = 100
const CLOSE_MS_MAX = 5000

/**
 * A client that had its first welcome; null when the ending came first. A failure that does not heal by itself, now or later, goes
 * to `plan.ending`. The caller closes the client.
 */
export async function connectClient(plan: Plan): Promise<Client | null> {
  try {
    const waitUntilMs = performance.now() + plan.stateWaitMs
    const secret = { password: plan.password ?? await readPassword(plan.account.passwordFile), ca: await certificate(plan.account) }
    for (;;) {
      for (const purpose of plan.account.device === null ? plan.purposes : plan.purposes.slice(0, 1)) {
        const client = await tryDevice(plan, chooseDevice(plan.account, purpose, plan.world), secret, performance.now() < waitUntilMs)
        if (client !== 'in-use') return client
      }
      if (plan.ending.hasEnded) return null
      await delay(STATE_POLL_MS)
    }
  } catch (error) {
    plan.ending.end(asError(error))
    return null
  }
}

interface Secret {
  readonly password: string
  readonly ca: string | null
}

async function tryDevice(plan: Plan, choice: DeviceChoice, { password, ca }: Secret, mayWait: boolean): Promise<Client | null | 'in-use'> {
  const client = new Client({
    server: serversOf(plan.account.server),
    user: choice.user,
    password,
    device: choice.device,
    deviceName: choice.deviceName,
    storage: fileStorage(choice.directory),
    agent: 'chat',
    allowPlaintext: plan.account.allowsPlaintext,
    ...(ca === null ? {} : { ca }),
    receive: plan.receive,
  })
  const fail = (error: unknown): void => plan.ending.end(asFailure(error, plan.account, choice))
  client.on('error', fail)
  tellOutages(client, plan)
  plan.prepare?.(client)
  // What goes wrong here goes wrong in `connect` as well.
  if (plan.isActive !== true) await client.setActive(false).catch(() => {})
  const outcome = await Promise.race([client.connect().then(() => 'connected' as const, asError), plan.ending.reason.then(() => 'ended' as const)])
  if (outcome === 'connected') return client
  // A file system that does not answer must not keep the program from ending.
  await Promise.race([client.close(), delay(CLOSE_MS_MAX)])
  if (outcome === 'ended') return null
  if (isInUse(outcome) && mayWait) return 'in-use'
  fail(outcome)
  return null
}

/** What to look at where nothing answers: what speaks another protocol may stay silent, too. */
export const ABSENT_HINT = 'is it running, and is the URL of the right kind (tcp, tls, ws, wss) for its port?'

/** One line for each outage, so that a person knows what is being waited for. */
function tellOutages(client: Client, plan: Plan): void {
  const outages = new Outages(plan.account)
  client.on('welcome', () => { outages.welcome() })
  client.on('disconnected', ({ error, server }) => {
    const told = outages.lost(server, error)
    if (told instanceof ChatFailure) plan.ending.end(told)
    else if (told !== null && !plan.ending.hasEnded) plan.outage(told)
  })
}

async function certificate(account: AccountOptions): Promise<string | null> {
  return account.certificateFile === null ? null : readCertificate(account.certificateFile)
}

function isInUse(error: Error): boolean {
  return error instanceof ClientError && error.symbol === 'storage-locked'
}

/** What an error of the client means for the person at the terminal. */
export function asFailure(error: unknown, account: AccountOptions, choice: DeviceChoice): ChatFailure {
  if (error instanceof ChatFailure) return error
  const symbol = error instanceof ClientError ? error.symbol : ''
  const [exitCode, message] = explain(symbol, asError(error), account, choice)
  return new ChatFailure(exitCode, message, { cause: error })
}

/** What the system said is what a person can do something about: a full disk, say. */
function withCause(error: Error): string {
  const { message, cause } = error
  return cause instanceof Error && !message.includes(cause.message) ? `${message} (${cause.message})` : message
}

function explain(symbol: string, error: Error, account: AccountOptions, { user, device, directory }: DeviceChoice): [ExitCode, string] {
  switch (symbol) {
    case 'not-authorized':
    case 'token-invalid':
    case 'no-password':
      return [EXIT.credentials, `${user} was not let in: check the name and the password${account.passwordFile === '' ? '' : ` in ${account.passwordFile}`}`]
    case 'registration-closed':
      return [EXIT.credentials, `the service at ${account.server} does not let people make accounts: ask its operator`]
    case 'invite-invalid':
      return [EXIT.credentials, 'an invite code is needed, and this is none that works: it may be mistyped, used, expired or revoked']
    case 'name-taken':
      return [EXIT.credentials, `the name ${user} is taken: choose another`]
    case 'malformed-registration':
      return [EXIT.credentials, `${account.server} can't make this account: ${safeText(error.message)}`]
    case 'encryption-required':
      return [EXIT.credentials, `${account.server} wants encryption: use its tls:// or wss:// address`]
    case 'plaintext-refused':
      return [EXIT.credentials, `${safeText(error.message)} with --allow-plaintext if you trust the network on the way`]
    case 'server-unproven':
    case 'channel-binding-failed':
      return [EXIT.credentials, `the server could not prove who it is, do not trust it: ${safeText(error.message)}`]
    case 'unsupported-mechanism':
    case 'account-disabled':
    case 'account-removed':
      return [EXIT.credentials, `${user} can't sign in: ${safeText(error.message)}`]
    case 'storage-locked':
      return [EXIT.state, `${directory} is in use by another process: stop that one, or give another --device or --state`]
    case 'wrong-state':
      return [EXIT.state, `${directory} belongs to another user or device: give another --state`]
    case 'storage-failed':
    case 'storage-damaged':
      return [EXIT.state, `the state in ${directory} can't be used, check its disk and permissions or give another --state: ${safeText(withCause(error))}`]
    case 'replaced':
      return [EXIT.failed, `another program connected as device ${device} of ${user}: give one of the two another --device`]
    case 'device-removed':
      return [EXIT.failed, `device ${device} was removed from the account of ${user}: run the command again to add it as a new one`]
    case 'too-many-devices':
      return [EXIT.failed, `${user} has as many devices as allowed: remove one with \`chat devices remove ID --device ONE-OF-THEM\``]
    default:
      return [EXIT.failed, safeText(error.message)]
  }
}
