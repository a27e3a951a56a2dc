/** `chat invite`: makes, lists and revokes invites of the account. */
import type { InviteRecord, MadeInvite } from '../../protocol/client/node.js'
import type { Command } from './arguments.js'
import type { ExitCode } from './failure.js'
import { localTime } from './formats.js'
import { ask } from './ask.js'
import { safeJson, safeText } from './safe-text.js'
import type { World } from './world.js'

type InviteCommand = Extract<Command, { kind: 'invite' }>

/** Rejects with a ChatFailure. */
export async function invite(command: InviteCommand, world: World): Promise<ExitCode> {
  const { action, id, uses, ageMs, json } = command
  return ask(command, world, async (client, output) => {
    if (action === 'create') {
      const made = await client.invite({ ...uses === null ? {} : { uses }, ...ageMs === null ? {} : { ageMs } })
      await output.line(json ? madeJson(made) : safeText(made.code))
    } else if (action === 'revoke') {
      await client.revokeInvite(id.split('-')[0] ?? id)
    } else {
      for (let after = '', more = true; more;) {
        const page = await client.invites(after)
        for (const each of page.invites) await output.line(json ? inviteJson(each) : inviteText(each))
        after = page.invites.at(-1)?.id ?? ''
        more = page.more && after !== ''
      }
    }
  })
}

function madeJson({ id, code, uses, expiresMs }: MadeInvite): string {
  return safeJson({ id, code, uses, expires: expiresMs })
}

function inviteJson({ id, state, uses, used, createdMs, expiresMs }: InviteRecord): string {
  return safeJson({ id, state, uses, used, created: createdMs, expires: expiresMs })
}

export function inviteText({ id, state, uses, used, expiresMs }: InviteRecord): string {
  return `${safeText(id)}  ${safeText(state)}  ${used} of ${uses} used  until ${localTime(expiresMs)}`
}
