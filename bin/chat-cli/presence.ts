/** `chat presence` and `chat privacy`. */
import { asError } from '../../protocol/as-error.js'
import type { Client, DeclinedEvent, PresenceEvent } from '../../protocol/client/node.js'
import { normalizeUser } from '../../protocol/address.js'
import type { Command } from './arguments.js'
import { ABSENT_HINT, connectClient } from './connect.js'
import { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT, usageFailure } from './failure.js'
import { presenceJson, presenceLine, privacyJson } from './formats.js'
import { LineOutput, OutputClosed } from './line-output.js'
import { privacyText } from './privacy-command.js'
import { ask } from './ask.js'
import { refusalText } from './refusal.js'
import { safeText } from './safe-text.js'
import type { World } from './world.js'
import { complain } from './world.js'

type PresenceCommand = Extract<Command, { kind: 'presence' }>
type PrivacyCommand = Extract<Command, { kind: 'privacy' }>

/** Prints what may be seen of each user, in the order asked for; with --watch goes on and prints each change. */
export async function presence(command: PresenceCommand, world: World): Promise<ExitCode> {
  const users = normalUsers(command.users)
  const ending = new Ending(world.stop)
  const output = new LineOutput(world.stdout)
  const waiting = new Set(users)
  const found = new Map<string, PresenceEvent>()
  const print = async (event: PresenceEvent): Promise<void> => {
    try {
      await output.line((command.json ? presenceJson : presenceLine)(event))
    } catch (error) {
      ending.end(error instanceof OutputClosed ? 'output-closed' : asError(error))
    }
  }
  const printAll = async (): Promise<void> => {
    for (const user of users) {
      const event = found.get(user)
      if (event !== undefined) await print(event)
    }
    ending.end('complete')
  }
  const seen = (event: PresenceEvent): void => {
    waiting.delete(event.user)
    found.set(event.user, event)
    if (command.watch) void print(event)
    else if (waiting.size === 0) void printAll()
  }

  ending.startTimeout(command.timeoutMs)
  const client: Client | null = await connectClient({
    account: command.account,
    purposes: ['send', 'query'],
    world,
    ending,
    receive: false,
    stateWaitMs: Infinity,
    password: null,
    // Who is inactive is told of nobody.
    isActive: true,
    prepare: (made) => {
      made.on('presence', seen)
      made.on('declined', (declined) => { ending.end(new ChatFailure(EXIT.failed, declinedText(declined))) })
    },
    outage: (message) => complain(world, message),
  })
  client?.watch(...users).catch((error: unknown) => { ending.end(asError(error)) })
  const reason = await ending.reason
  await client?.close()
  if (reason instanceof Error) throw reason
  if (reason === 'timeout' && waiting.size > 0) {
    throw new ChatFailure(EXIT.incomplete, `no answer from ${command.account.server} in time: ${ABSENT_HINT} --timeout gives it longer`)
  }
  return waiting.size === 0 || reason === 'output-closed' ? EXIT.ok : EXIT.incomplete
}

/** Prints the privacy settings, after the change if there is one. */
export async function privacy(command: PrivacyCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output) => {
    const settings = await client.privacy(command.change)
    await output.line(command.json ? privacyJson(settings) : privacyText(settings))
  })
}

function normalUsers(users: readonly string[]): string[] {
  return [...new Set(users.map((user) => {
    const name = normalizeUser(user)
    if (name === null) throw usageFailure(`'${user}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`, 'presence')
    return name
  }))]
}

function declinedText({ names, error }: DeclinedEvent): string {
  return `${safeText(names.join(', '))}: ${refusalText(error)}`
}
