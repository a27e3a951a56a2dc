/** Questions of the interactive program before its screen opens: what was not given on the command line. */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { PORTS } from '../../protocol/generated/registry.js'
import type { AskedOptions } from './argument-values.js'
import { checkedServer } from './argument-values.js'
import { ChatFailure, EXIT } from './failure.js'
import { ESCAPE_CODE_TIMEOUT_MS } from './keyboard.js'
import { readPassword } from './password.js'
import type { World } from './world.js'

export interface Answers {
  readonly server: string
  readonly user: string
  readonly password: string
}

const SERVER_DEFAULT = `tcp://127.0.0.1:${PORTS.tcp}`

/** Asks for what is missing; the password is not shown. Rejects with a ChatFailure when it is stopped, or stdin ends. */
export async function askMissing(account: AskedOptions, world: World): Promise<Answers> {
  const server = account.server ?? checkedServer(await ask(world, `server [${SERVER_DEFAULT}]: `) || SERVER_DEFAULT, '')
  const user = account.user ?? await ask(world, 'user: ')
  const password = account.passwordFile === null
    ? await ask(world, `password of ${user}: `, true)
    : await readPassword(account.passwordFile)
  if (password === '') throw new ChatFailure(EXIT.usage, 'no password: type it, or give --password-file')
  return { server, user, password }
}

/** What is typed on the terminal, without echo where it is a secret. */
export async function ask(world: World, question: string, isSecret = false): Promise<string> {
  const stopped = new AbortController()
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  if (isSecret) world.stdout.write(question)
  const lines = createInterface({
    input: world.stdin,
    output: isSecret ? silent : world.stdout,
    terminal: world.stdin.isTTY === true,
    // The first interface on a stream decides, also for the screen that follows.
    escapeCodeTimeout: ESCAPE_CODE_TIMEOUT_MS,
  })
  lines.on('close', () => stopped.abort())
  // readline takes Ctrl-C for itself in a terminal.
  lines.on('SIGINT', () => lines.close())
  try {
    return (await lines.question(isSecret ? '' : question, { signal: AbortSignal.any([stopped.signal, world.stop]) })).trimEnd()
  } catch (error) {
    throw new ChatFailure(EXIT.incomplete, 'stopped before signing in', { cause: error })
  } finally {
    lines.close()
    if (isSecret) world.stdout.write('\n')
  }
}
