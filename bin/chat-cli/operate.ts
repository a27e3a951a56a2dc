/** `chat edit`, `delete`, `react` and `reply`: one thing done to one message. */
import type { Ack, Client } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import type { AccountOptions } from './argument-values.js'
import type { ExitCode } from './failure.js'
import { EXIT, usageFailure } from './failure.js'
import { ackJson, ackText } from './formats.js'
import { ask } from './ask.js'
import { groupSendRefusal } from './group-actions.js'
import { mentionsIn } from './mentions.js'
import { operationRefusal } from './refusal.js'
import type { World } from './world.js'
import { complain } from './world.js'

export type OperateAction = 'edit' | 'delete' | 'react' | 'reply'

export interface OperateCommand {
  readonly kind: 'operate'
  readonly account: AccountOptions
  readonly action: OperateAction
  readonly to: string
  readonly seq: number
  readonly text: string
  readonly timeoutMs: number | null
  readonly json: boolean
}

/** What follows the command's name: whose conversation, which message, and what the action needs. Throws a ChatFailure (usage). */
export function operateArguments(action: OperateAction, [to, number = '', ...rest]: readonly string[]): Pick<OperateCommand, 'to' | 'seq' | 'text'> {
  const seq = /^\d+$/.test(number) ? Number(number) : 0
  if (to === undefined || !Number.isSafeInteger(seq) || seq < 1) throw usageFailure('say whose conversation and which message: NAME NUMBER', action)
  const [text] = rest
  if (rest.length > 1) throw usageFailure('the text is more than one argument: put it in quotes', action)
  if (action === 'delete' && text !== undefined) throw usageFailure('nothing follows the number', action)
  if (action !== 'delete' && text === undefined) throw usageFailure(action === 'react' ? 'say with which emoji; - takes the reaction away' : 'say the text', action)
  return { to, seq, text: text ?? '' }
}

const NOUNS: Readonly<Record<OperateAction, string>> = { edit: 'edit', delete: 'deletion', react: 'reaction', reply: 'reply' }

/** Prints the ack. Rejects with a ChatFailure when there was no answer. */
export async function operate(command: OperateCommand, world: World): Promise<ExitCode> {
  let isRefused = false
  const code = await ask(command, world, async (client, output) => {
    try {
      const ack = await perform(client, command)
      await output.line(command.json ? ackJson(ack) : ack.seq === 0 ? 'nothing to change' : ackText(ack))
    } catch (error) {
      if (!(error instanceof ClientError) || error.symbol === 'closed' || error.symbol === 'stopped') throw error
      isRefused = true
      complain(world, `the ${NOUNS[command.action]} was refused: ${refusal(command, error)}`)
    }
  })
  return isRefused ? EXIT.incomplete : code
}

function refusal({ action, to }: OperateCommand, error: ClientError): string {
  // A caption too, though a file may be sent without one. [OPS-4]
  if (action === 'edit' && error.symbol === 'empty-message') return 'a text can\'t be made empty: `chat delete` takes the whole message away'
  return (action === 'reply' ? groupSendRefusal(error, to) : null) ?? operationRefusal(error, action, to)
}

function perform(client: Client, { action, to, seq, text }: OperateCommand): Promise<Ack> {
  switch (action) {
    case 'edit': return client.edit(to, seq, text)
    case 'delete': return client.remove(to, seq)
    case 'react': return client.react(to, seq, text === '-' ? '' : text)
    case 'reply': return client.send(to, text, { replyTo: seq, mentions: mentionsIn(to, text) })
  }
}
