/** A command that asks the server something, prints the answer and leaves. */
import { asError } from '../../protocol/as-error.js'
import type { Client } from '../../protocol/client/node.js'
import type { AccountOptions } from './argument-values.js'
import { ABSENT_HINT, connectClient } from './connect.js'
import { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import { LineOutput, OutputClosed } from './line-output.js'
import type { World } from './world.js'
import { complain } from './world.js'

interface Asking {
  readonly account: AccountOptions
  readonly timeoutMs: number | null
}

/** Rejects with a ChatFailure, or with what `question` rejects with. What takes long may start the time anew while it gets on. */
export async function ask(command: Asking, world: World, question: (client: Client, output: LineOutput, ending: Ending) => Promise<void>): Promise<ExitCode> {
  const ending = new Ending(world.stop)
  const output = new LineOutput(world.stdout)
  ending.startTimeout(command.timeoutMs)
  const client = await connectClient({
    account: command.account,
    purposes: ['send', 'query'],
    world,
    ending,
    receive: false,
    stateWaitMs: Infinity,
    password: null,
    outage: (message) => complain(world, message),
  })
  if (client !== null) {
    question(client, output, ending).then(
      () => ending.end('complete'),
      (error: unknown) => ending.end(error instanceof OutputClosed ? 'output-closed' : asError(error)),
    )
  }
  const reason = await ending.reason
  await client?.close()
  if (reason instanceof Error) throw reason
  if (reason === 'timeout') throw new ChatFailure(EXIT.incomplete, `no answer from ${command.account.server} in time: ${ABSENT_HINT} --timeout gives it longer`)
  return reason === 'stopped' ? EXIT.incomplete : EXIT.ok
}
