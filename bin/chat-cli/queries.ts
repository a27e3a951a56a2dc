/** `chat history` and `chat devices`: ask, print, leave. */
import type { Client, HistoryMessage } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import type { Command } from './arguments.js'
import { ask } from './ask.js'
import type { ExitCode } from './failure.js'
import { deviceJson, deviceText, messageJson, messageText } from './formats.js'
import type { World } from './world.js'

type HistoryCommand = Extract<Command, { kind: 'history' }>
type DevicesCommand = Extract<Command, { kind: 'devices' }>

/** Prints the messages of a conversation, oldest first. Rejects with a ChatFailure. */
export async function history(command: HistoryCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output) => {
    for (const message of await lastMessages(client, command)) {
      await output.line((command.json ? messageJson : messageText)(message))
    }
  })
}

/** Prints the devices of the account, or removes one. Rejects with a ChatFailure. */
export async function devices(command: DevicesCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output) => {
    if (command.remove !== null) {
      await client.removeDevice(command.remove)
      return
    }
    for (const device of await client.devices()) await output.line(command.json ? deviceJson(device) : deviceText(device))
  })
}

/** Pages backwards; the pages come ascending. */
async function lastMessages(client: Client, command: HistoryCommand): Promise<HistoryMessage[]> {
  const pages: (readonly HistoryMessage[])[] = []
  let wanted = command.limit
  let before = command.before
  while (wanted > 0) {
    const page = await client.history(command.conversation, {
      limit: Math.min(wanted, LIMIT.historyPageMax),
      ...(before === null ? {} : { before }),
    })
    if (page.first === 0) break
    pages.unshift(page.messages)
    wanted -= page.messages.length
    before = page.first
    if (!page.more) break
  }
  return pages.flat()
}
