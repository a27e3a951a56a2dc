/** `chat group`: one question to the server, its answer on stdout. */
import { ask } from './ask.js'
import { ChatFailure, EXIT } from './failure.js'
import type { ExitCode } from './failure.js'
import { groupRefusal, performGroupRequest } from './group-actions.js'
import type { GroupCommand } from './group-arguments.js'
import { groupJson, groupText, outcomeJson, outcomeLines } from './group-formats.js'
import type { World } from './world.js'

/** Rejects with a ChatFailure that says why it was not done. */
export async function group(command: GroupCommand, world: World): Promise<ExitCode> {
  const { request } = command
  return ask(command, world, async (client, output) => {
    if (request === null) {
      for await (const conversation of client.allConversations()) {
        if (conversation.group !== null) await output.line(command.json ? groupJson(conversation) : groupText(conversation))
      }
      return
    }
    const outcome = await performGroupRequest(client, request, Date.now()).catch((error: unknown) => {
      throw new ChatFailure(EXIT.failed, groupRefusal(error, request), { cause: error })
    })
    for (const line of command.json ? [outcomeJson(outcome)] : outcomeLines(outcome)) await output.line(line)
  })
}
