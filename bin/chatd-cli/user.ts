/** `chatd user`: accounts of a data directory, through the server that runs on it or directly. */
import { createInterface } from 'node:readline'
import { normalizeUser } from '../../protocol/address.js'
import { preparePassword } from '../../protocol/password.js'
import type { Config } from '../../server/config/settings.js'
import { newVerifier } from '../../server/session/node-crypto.js'
import { withAdmin } from './admin.js'
import type { UserAction } from './arguments.js'
import { CommandFailure, EXIT } from './failure.js'
import { importUsers } from './user-import.js'
import { readPasswordLine, readPasswordFromTerminal } from './password-input.js'

const PAGE = 1000

/** add, passwd, remove, disable, enable. */
export async function changeUser(
  config: Config, { action, name, passwordStdin }: { action: UserAction, name: string, passwordStdin: boolean },
): Promise<void> {
  const user = normalizeUser(name)
  if (user === null) {
    throw new CommandFailure(EXIT.failed, `${name} is no user name: 1 to 64 of a-z, 0-9, full stop, hyphen, underscore; a letter or digit first`)
  }
  const verifier = action !== 'add' && action !== 'passwd' ? null : await newVerifier(await password(user, passwordStdin), config.auth.scramIterations)
  await withAdmin(config, action === 'add', async (admin) => {
    if (action === 'remove') await admin.removeUser(user)
    else if (verifier === null) await admin.setDisabled(user, action === 'disable')
    else if (action === 'add') await admin.addUser(user, verifier)
    else await admin.changeVerifier(user, verifier)
  })
  const done = {
    add: 'added', passwd: 'has a new password; its devices have to log in again', remove: 'removed',
    disable: 'disabled; what is sent to it waits until it is enabled', enable: 'enabled',
  }[action]
  process.stdout.write(`${user} ${done}\n`)
}

export async function listUsers(config: Config, json: boolean): Promise<void> {
  await withAdmin(config, false, async (admin) => {
    for (let after = '', more = true; more;) {
      const page = await admin.users(after, PAGE)
      for (const { user, createdMs, devices, disabled } of page.users) {
        const created = new Date(createdMs).toISOString()
        const text = `${user}\t${devices} ${devices === 1 ? 'device' : 'devices'}\tsince ${created.slice(0, 10)}${disabled ? '\tdisabled' : ''}`
        process.stdout.write(`${json ? JSON.stringify({ user, created, devices, disabled }) : text}\n`)
        after = user
      }
      more = page.more && page.users.length > 0
    }
  })
}

export async function importFromStdin(config: Config): Promise<void> {
  await withAdmin(config, true, async (admin) => {
    const { added, taken } = await importUsers(admin, createInterface({ input: process.stdin, crlfDelay: Infinity }), config.auth.scramIterations)
    process.stdout.write(`${added} added${taken === 0 ? '' : `, ${taken} were there already`}\n`)
  })
}

async function password(user: string, fromStdin: boolean): Promise<string> {
  const given = fromStdin ? await readPasswordLine(process.stdin) : await readPasswordFromTerminal(user)
  if (preparePassword(given) === null) {
    throw new CommandFailure(EXIT.failed, 'this password can\'t be used: give 1 to 1024 bytes without control characters')
  }
  return given
}
