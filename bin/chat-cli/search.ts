/** `chat search`: finds messages by words. */
import { LIMIT } from '../../protocol/generated/registry.js'
import type { Command } from './arguments.js'
import type { ExitCode } from './failure.js'
import { messageJson, messageText } from './formats.js'
import { ask } from './ask.js'
import type { World } from './world.js'

type SearchCommand = Extract<Command, { kind: 'search' }>

/** Prints what is found, newest first. Rejects with a ChatFailure. */
export async function search(command: SearchCommand, world: World): Promise<ExitCode> {
  const { words, conversation, from, sinceMs, untilMs, json } = command
  const narrowed = {
    ...conversation === null ? {} : { with: conversation },
    ...from === null ? {} : { from },
    ...sinceMs === null ? {} : { sinceMs },
    ...untilMs === null ? {} : { untilMs },
  }
  return ask(command, world, async (client, output) => {
    let wanted = command.limit
    let after: string | null = null
    do {
      const page = await client.search(words, { ...narrowed, limit: Math.min(wanted, LIMIT.searchPageMax), ...after === null ? {} : { after } })
      for (const message of page.messages.slice(0, wanted)) await output.line((json ? messageJson : messageText)(message))
      wanted -= page.messages.length
      after = page.more ? page.next : null
    } while (after !== null && wanted > 0)
  })
}
