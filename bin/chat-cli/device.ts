/** Which device a command is, and where that device keeps what it must remember. */
import { join } from 'node:path'
import { normalizeDevice, normalizeUser } from '../../protocol/address.js'
import { PORTS } from '../../protocol/generated/registry.js'
import { type AccountOptions, serversOf } from './argument-values.js'
import { usageFailure } from './failure.js'
import type { World } from './world.js'

/**
 * What a device is used for. A device can be connected once at a time, so each use that may go on beside another has a device of its
 * own; `query` only stands in where `send` is taken.
 */
export type Purpose = 'send' | 'recv' | 'chat' | 'query'

export interface DeviceChoice {
  readonly user: string
  readonly device: string
  /** For the list of devices, to be read by a person. */
  readonly deviceName: string
  readonly directory: string
}

/** The device that these options name, or the one for the purpose. Throws a ChatFailure (usage) where a name breaks the rules. */
export function chooseDevice(account: AccountOptions, purpose: Purpose, world: World): DeviceChoice {
  const user = normalizeUser(account.user)
  if (user === null) throw usageFailure(`'${account.user}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`)
  const device = account.device === null ? `${hostPart(world.hostName)}-${purpose}` : normalizeDevice(account.device)
  if (device === null) throw usageFailure(`'${account.device ?? ''}' is no id of a device: a-z, 0-9, '.', '-' and '_', at most 64`)
  const root = account.stateRoot ?? join(stateHome(world), 'chatd', serverPart(account.server))
  return { user, device, deviceName: `chat on ${hostPart(world.hostName)}`, directory: join(root, user, device) }
}

/** The host's name as the beginning of a device id. [ADR-3] */
export function hostPart(hostName: string): string {
  const [first = ''] = hostName.toLowerCase().split('.')
  const fitted = first.replace(/[^a-z0-9_-]+/g, '-').replace(/^[-_]+|-+$/g, '').slice(0, 48)
  return fitted === '' ? 'cli' : fitted
}

/** Host and port: a server is the same over TCP and TLS of one port, and another on another port. Of several the first one names them. */
function serverPart(server: string): string {
  const url = new URL(serversOf(server)[0]!)
  const kind = url.protocol.slice(0, -1) as keyof typeof PORTS
  return `${url.hostname.replace(/[^A-Za-z0-9.-]/g, '_')}_${url.port === '' ? PORTS[kind] : url.port}`
}

function stateHome(world: World): string {
  const given = world.environment['XDG_STATE_HOME']
  // The XDG Base Directory Specification has relative paths ignored.
  return given?.startsWith('/') === true ? given : join(world.homeDirectory, '.local', 'state')
}
