/** `chat register`: makes an account. What logs in later is any other command. */
import { readFile } from 'node:fs/promises'
import { ClientError, register } from '../../protocol/client/node.js'
import { serversOf } from './argument-values.js'
import type { Command } from './arguments.js'
import { asFailure } from './connect.js'
import { chooseDevice } from './device.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT, usageFailure } from './failure.js'
import { LineOutput } from './line-output.js'
import { readCertificate, readPassword } from './password.js'
import { ask } from './prompts.js'
import { safeJson } from './safe-text.js'
import type { World } from './world.js'

type RegisterCommand = Extract<Command, { kind: 'register' }>

/** Rejects with a ChatFailure. */
export async function registerUser(command: RegisterCommand, world: World): Promise<ExitCode> {
  const { account, timeoutMs } = command
  const choice = chooseDevice(account, 'chat', world)
  const invite = await givenInvite(command, world)
  const password = command.asksPassword ? await askTwice(choice.user, world) : await readPassword(account.passwordFile)
  const ca = account.certificateFile === null ? null : await readCertificate(account.certificateFile)
  const tryWith = (code: string | null): Promise<string> => register({
    server: serversOf(account.server),
    user: choice.user,
    password,
    agent: 'chat',
    allowPlaintext: account.allowsPlaintext,
    ...code === null ? {} : { invite: code },
    ...ca === null ? {} : { ca },
    timeoutMs: Infinity,
    totalTimeoutMs: timeoutMs ?? Infinity,
  })
  try {
    const user = await tryWith(invite).catch((error: unknown) => {
      // The server asks for a code, and there is somebody to ask.
      const isMissing = error instanceof ClientError && error.symbol === 'invite-invalid' && invite === null
      if (!isMissing || world.stdin.isTTY !== true) throw error
      return ask(world, 'invite code: ', true).then(tryWith)
    })
    await new LineOutput(world.stdout).line(command.json ? safeJson({ user }) : `${user} has an account now`)
    return EXIT.ok
  } catch (error) {
    throw asFailure(error, account, choice)
  }
}

/** null: none was given. */
async function givenInvite({ invite, inviteFile }: RegisterCommand, world: World): Promise<string | null> {
  if (invite !== null) return invite
  if (inviteFile === null) return world.environment['CHAT_INVITE'] ?? null
  try {
    return (await readFile(inviteFile, 'utf8')).trim()
  } catch (error) {
    throw new ChatFailure(EXIT.failed, `can't read --invite-file ${inviteFile}: check the path and its permissions`, { cause: error })
  }
}

async function askTwice(user: string, world: World): Promise<string> {
  if (world.stdin.isTTY !== true) throw usageFailure('there is no terminal to ask on: give the password with --password-file', 'register')
  const first = await ask(world, `password for ${user}: `, true)
  const second = await ask(world, 'the same again: ', true)
  if (first === '' || first !== second) throw new ChatFailure(EXIT.failed, first === '' ? 'no password: type one' : 'the two passwords differ: try again')
  return first
}
