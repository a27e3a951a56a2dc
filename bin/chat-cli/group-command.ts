/** `chat group`: one question to the server, its answer on stdout. */
import { ask } from './ask.js'
import { ChatFailure, EXIT } from './failure.js'
import type { ExitCode } from './failure.js'
import { groupRefusal, performGroupRequest } from './group-actions.js'
import type { GroupCommand } from './group-arguments.js'
import { groupJson, groupText, outcomeJson, outcomeLines } from './group-formats.js'
import { savePicture, uploadPicture } from './pictures.js'
import type { World } from './world.js'

/** Rejects with a ChatFailure that says why it was not done. */
export async function group(command: GroupCommand, world: World): Promise<ExitCode> {
  const { request } = command
  const { timeoutMs, json } = command
  return ask(command, world, async (client, output, ending) => {
    if (request === null) {
      for await (const conversation of client.allConversations()) {
        if (conversation.group !== null) await output.line(command.json ? groupJson(conversation) : groupText(conversation))
      }
      return
    }
    const around = { world, ending, output, timeoutMs, json }
    const outcome = await performGroupRequest(client, request, {
      nowMs: Date.now(),
      upload: (path) => uploadPicture(client, path, around),
      save: (named, wish) => savePicture(client, { group: named }, wish, around),
    }).catch((error: unknown) => {
      throw new ChatFailure(EXIT.failed, groupRefusal(error, request), { cause: error })
    })
    for (const line of command.json ? [outcomeJson(outcome)] : outcomeLines(outcome)) if (line !== null) await output.line(line)
  })
}
