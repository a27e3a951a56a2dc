/** `chat history` and `chat devices`: ask, print, leave. */
import type { Client, HistoryMessage } from '../../protocol/client/node.js'
import { normalizeDevice } from '../../protocol/address.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import type { Command } from './arguments.js'
import { ask } from './ask.js'
import { ClientError } from '../../protocol/client/node.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import { deviceJson, deviceText, messageJson, messageText } from './formats.js'
import type { World } from './world.js'

type HistoryCommand = Extract<Command, { kind: 'history' }>
type DevicesCommand = Extract<Command, { kind: 'devices' }>

/** Prints the messages of a conversation, oldest first. Rejects with a ChatFailure. */
export async function history(command: HistoryCommand, world: World): Promise<ExitCode> {
  return ask(command, world, async (client, output) => {
    for (const message of await lastMessages(client, command)) {
      const number = command.numbers ? `${message.seq}  ` : ''
      await output.line(command.json ? messageJson(message) : `${number}${messageText(message)}`)
    }
  })
}

/** Prints the devices of the account, or removes one. Rejects with a ChatFailure. */
export async function devices(command: DevicesCommand, world: World): Promise<ExitCode> {
  let isRemovingItself = false
  try {
    return await ask(command, world, async (client, output) => {
      const list = await client.devices()
      if (command.remove === null) {
        for (const device of list) await output.line(command.json ? deviceJson(device) : deviceText(device))
        return
      }
      const named = normalizeDevice(command.remove)
      isRemovingItself = list.some(({ device, current }) => current && device === named)
      await client.removeDevice(command.remove)
    })
  } catch (error) {
    // The session ends with its device, and that is what was asked for.
    if (isRemovingItself && error instanceof ChatFailure && error.cause instanceof ClientError && error.cause.symbol === 'device-removed') return EXIT.ok
    throw error
  }
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
