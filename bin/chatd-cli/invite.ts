/** `chatd invite`: the operator's invites of a data directory, through the server that runs on it or directly. */
import { newInviteCode, readInviteId } from '../../server/session/invite-code.js'
import type { Config } from '../../server/config/settings.js'
import { withAdmin } from './admin.js'
import type { InviteAction } from './arguments.js'
import { CommandFailure, EXIT } from './failure.js'
import { inviteText } from './invite-text.js'

const PAGE = 1000

export async function runInvite(config: Config, { action, id, uses, ageMs, json }: InviteAction): Promise<void> {
  switch (action) {
    case 'create': await create(config, uses, ageMs, json); return
    case 'list': await list(config, json); return
    case 'revoke': await revoke(config, id)
  }
}

/** The code is shown here and nowhere again: the server keeps its hash. [INV-8] */
async function create(config: Config, uses: number, ageMs: number | null, json: boolean): Promise<void> {
  const { code, proof } = newInviteCode()
  const expiresMs = ageMs === null ? 0 : Date.now() + ageMs
  await withAdmin(config, true, (admin) => admin.makeInvite({ ...proof, uses, expiresMs }))
  const expires = expiresMs === 0 ? null : new Date(expiresMs).toISOString()
  process.stdout.write(json ? `${JSON.stringify({ id: proof.id, code, uses, expires })}\n` : `${code}\n`)
  // That of the server may be another file.
  if (config.auth.registration === 'closed') process.stderr.write('chatd: nobody can use it while the server has auth.registration = "closed", as the settings that this command knows do: "invite" opens it\n')
}

async function list(config: Config, json: boolean): Promise<void> {
  await withAdmin(config, false, async (admin) => {
    for (let after = '', more = true; more;) {
      const page = await admin.invites(after, PAGE)
      for (const invite of page.invites) {
        process.stdout.write(`${inviteText(invite, json)}\n`)
        after = invite.id
      }
      more = page.more && page.invites.length > 0
    }
  })
}

async function revoke(config: Config, typed: string): Promise<void> {
  // The id is the first part of a code.
  const id = readInviteId(typed.split('-')[0] ?? '')
  if (id === null) throw new CommandFailure(EXIT.failed, `${typed} is no id of an invite: chatd invite list shows them`)
  await withAdmin(config, false, (admin) => admin.revokeInvite(id))
  process.stdout.write(`${id} revoked\n`)
}
