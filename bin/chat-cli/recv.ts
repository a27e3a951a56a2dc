/** `chat recv`: messages as they come, each acknowledged after it is printed and the position is saved. */
import { asError } from '../../protocol/as-error.js'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Client, Message, OperationEvent } from '../../protocol/client/node.js'
import type { Command } from './arguments.js'
import { connectClient } from './connect.js'
import { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { EXIT } from './failure.js'
import { messageJson, messageText, operationJson, operationText } from './formats.js'
import { LineOutput, OutputClosed } from './line-output.js'
import type { World } from './world.js'
import { complain } from './world.js'

type RecvCommand = Extract<Command, { kind: 'recv' }>

/** A `recv` that is being replaced by this one has let go of its state by then. */
const RESTART_WAIT_MS = 3000

/** Prints until the count is reached, time is up, it is stopped or nobody reads. Rejects with a ChatFailure when it could not go on. */
export async function recv(command: RecvCommand, world: World): Promise<ExitCode> {
  const ending = new Ending(world.stop)
  const output = new LineOutput(world.stdout)
  let printed = 0

  const print = async (made: Client, message: Message): Promise<void> => {
    try {
      await output.line(command.json ? messageJson(message) : messageText(message))
    } catch (error) {
      ending.end(error instanceof OutputClosed ? 'output-closed' : asError(error))
      // What was not printed is neither stored nor acknowledged: it comes again the next time.
      throw error
    }
    printed += 1
    if (printed !== command.count) return
    // Closing waits for this handler, and gives out no further message, once it has had its turn to begin.
    void made.close()
    await nextTurn()
    ending.end('complete')
  }

  // Not counted: --count is of messages.
  const printOperation = async (operation: OperationEvent): Promise<void> => {
    try {
      await output.line(command.json ? operationJson(operation) : operationText(operation))
    } catch (error) {
      ending.end(error instanceof OutputClosed ? 'output-closed' : asError(error))
      throw error
    }
  }

  ending.startTimeout(command.timeoutMs)
  const client: Client | null = await connectClient({
    account: command.account,
    purposes: ['recv'],
    world,
    ending,
    receive: true,
    stateWaitMs: RESTART_WAIT_MS,
    password: null,
    prepare: (made) => {
      made.on('message', (message) => print(made, message))
      made.on('operation', printOperation)
    },
    outage: (message) => complain(world, message),
  })
  const reason = await ending.reason
  await client?.close()
  if (reason instanceof Error) throw reason
  if (command.count === null || printed === command.count || reason === 'output-closed') return client === null ? EXIT.incomplete : EXIT.ok
  complain(world, `${reason === 'timeout' ? 'time is up' : 'stopped'} after ${printed} of ${command.count} messages`)
  return EXIT.incomplete
}
