/** `chat send`: one message, or one for each line of stdin. */
import { asError } from '../../protocol/as-error.js'
import type { Attachment, Client, UploadedBlob } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import { ABSENT_HINT, connectClient } from './connect.js'
import { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import type { SendCommand } from './file-arguments.js'
import { ackJson, ackText } from './formats.js'
import { groupSendRefusal } from './group-actions.js'
import { heldJson, heldText } from './held-text.js'
import { inputLines } from './input-lines.js'
import { LineOutput, OutputClosed } from './line-output.js'
import { mentionsIn } from './mentions.js'
import { refusalText } from './refusal.js'
import { safeText } from './safe-text.js'
import { checkFiles, checkSizes, uploadFiles, uploadRefusal } from './upload-files.js'
import type { FileToSend } from './upload-files.js'
import { Progress } from './upload-progress.js'
import type { World } from './world.js'
import { complain } from './world.js'

/** Messages without an answer at one time: what a fast stdin may hold in the outbox. */
const IN_FLIGHT_MAX = 256
/** Before it is told that messages wait: by then it is known how many do, and a short wait is not worth a word. */
const TELL_HELD_MS = 700

/** Sends files and a text as one message, or texts. Rejects with a ChatFailure when it could not go on. */
export async function send(command: SendCommand, world: World): Promise<ExitCode> {
  return sendAll(command, world, await checkFiles(command.files))
}

/** Sends, prints an ack for each message, and tells what became of the rest. Rejects with a ChatFailure when it could not go on. */
async function sendAll(command: SendCommand, world: World, files: readonly FileToSend[]): Promise<ExitCode> {
  const ending = new Ending(world.stop)
  const sender = new Sender({ command, world, ending, files })
  ending.startTimeout(command.timeoutMs)
  const client = await connectClient({
    account: command.account,
    purposes: ['send'],
    world,
    ending,
    receive: false,
    stateWaitMs: Infinity,
    password: null,
    prepare: (made) => sender.watch(made),
    outage: (message) => { sender.outage(message) },
  })
  if (client !== null) void sender.run(client).catch((error: unknown) => ending.end(asError(error)))
  const reason = await ending.reason
  await client?.close()
  if (reason instanceof Error) {
    sender.tellUnsent((reason instanceof ChatFailure && reason.exitCode === EXIT.state) || (reason instanceof ClientError && reason.symbol === 'storage-failed'))
    throw reason
  }
  if (client === null) complain(world, `no connection to ${command.account.server} in time, nothing was sent: ${ABSENT_HINT}`)
  return sender.result(reason === 'complete')
}

class Sender {
  readonly #command: SendCommand
  readonly #world: World
  readonly #ending: Ending
  readonly #output: LineOutput
  /** Handles of an earlier run that wait before what is sent now. */
  readonly #leftovers = new Set<number>()
  readonly #files: readonly FileToSend[]
  readonly #progressBar: Progress
  #isUploading = false
  #inFlight = 0
  #unsent = 0
  #refused = 0
  #isInputDone = false
  #wakeReader: (() => void) | null = null
  /** By conversation: told, or about to be. */
  readonly #tellingHeld = new Map<string, NodeJS.Timeout>()

  constructor({ command, world, ending, files }: { command: SendCommand; world: World; ending: Ending; files: readonly FileToSend[] }) {
    this.#command = command
    this.#world = world
    this.#ending = ending
    this.#files = files
    this.#output = new LineOutput(world.stdout)
    this.#progressBar = new Progress({ kind: 'upload', world, output: command.json ? this.#output : null, nowMs: () => performance.now() })
  }

  watch(client: Client): void {
    const settled = ({ handle }: { readonly handle: number }): void => {
      if (this.#leftovers.delete(handle)) this.#progress()
    }
    client.on('sent', settled)
    client.on('refused', settled)
    client.on('held', ({ to, error }) => {
      if (!this.#tellingHeld.has(to)) this.#tellingHeld.set(to, setTimeout(() => { this.#tellHeld(client, to, error) }, TELL_HELD_MS))
    })
  }

  /** Once for each conversation: the rest can be seen by the acks. */
  #tellHeld(client: Client, to: string, error: ClientError): void {
    const count = client.outbox().filter((waiting) => waiting.to === to && waiting.kind === 'message').length
    if (count === 0) {
      this.#tellingHeld.delete(to)
    } else if (this.#command.json) {
      this.#output.line(heldJson(error, to, count)).catch(() => { this.#ending.end('output-closed') })
    } else {
      complain(this.#world, heldText(error, to, count))
    }
  }

  async run(client: Client): Promise<void> {
    for (const waiting of client.outbox()) this.#leftovers.add(waiting.handle)
    if (this.#leftovers.size > 0) complain(this.#world, `${this.#leftovers.size} unacknowledged messages of an earlier run go out first`)
    const { text } = this.#command
    if (text !== null) {
      const attachments = this.#files.length === 0 ? [] : await this.#upload(client)
      if (attachments === null) return
      this.#send(client, text, '', attachments)
    } else {
      this.#progress()
      for await (const line of inputLines(this.#world.stdin)) {
        if (line.text === '') continue
        while (this.#inFlight >= IN_FLIGHT_MAX) await new Promise<void>((resolve) => { this.#wakeReader = resolve })
        if (this.#ending.hasEnded) return
        this.#send(client, line.text, ` (line ${line.number})`)
      }
    }
    this.#isInputDone = true
    this.#progress()
  }

  outage(message: string): void {
    this.#progressBar.clear()
    complain(this.#world, message)
  }

  /** null: it was stopped. Rejects with a ChatFailure for what the server refuses. */
  async #upload(client: Client): Promise<readonly UploadedBlob[] | null> {
    const { strip, timeoutMs } = this.#command
    this.#isUploading = true
    try {
      await checkSizes(client, this.#files)
      const plan = { strip, picture: false, progress: this.#progressBar, ending: this.#ending, timeoutMs, outage: (message: string) => { this.outage(message) } }
      const uploaded = await uploadFiles(client, this.#files, plan)
      this.#isUploading = false
      return uploaded.filter(({ id }, at) => this.#isFirst(at, uploaded.findIndex((other) => other.id === id)))
    } catch (error) {
      if (error instanceof ClientError && (error.symbol === 'closed' || error.symbol === 'stopped')) return null
      this.#isUploading = false
      throw error
    }
  }

  /** Two files with the same bytes are one, and a message carries each once. [BLB-11] */
  #isFirst(at: number, first: number): boolean {
    if (at === first) return true
    complain(this.#world, `${safeText(this.#files[at]?.path ?? '')} is the same file as ${safeText(this.#files[first]?.path ?? '')}: it goes once, under the first name`)
    return false
  }

  /** The exit code once it has ended without an error; tells what is missing. */
  result(isComplete: boolean): ExitCode {
    this.tellUnsent()
    if (this.#isUploading) complain(this.#world, 'the upload is not complete, and nothing was sent: the same command goes on where it stopped')
    return isComplete && this.#refused === 0 && this.#unsent === 0 ? EXIT.ok : EXIT.incomplete
  }

  /** `isStateBroken`: what was written last is in no outbox that outlives this program. */
  tellUnsent(isStateBroken = false): void {
    for (const timer of this.#tellingHeld.values()) clearTimeout(timer)
    const count = this.#unsent + this.#leftovers.size
    if (count === 0) return
    const whatBecomes = isStateBroken ? 'those that could be stored go out first with the next `chat send` of this device, which says how many; the others are lost'
      : 'they are kept and go out first with the next `chat send` of this device'
    complain(this.#world, `${count} messages not acknowledged: ${whatBecomes}`)
  }

  #send(client: Client, text: string, place: string, attachments: readonly Attachment[] = []): void {
    this.#inFlight += 1
    this.#unsent += 1
    if (this.#inFlight === 1) this.#ending.startTimeout(this.#command.timeoutMs)
    client.send(this.#command.to, text, { attachments, mentions: mentionsIn(this.#command.to, text) }).then(async (ack) => {
      this.#unsent -= 1
      await this.#output.line(this.#command.json ? ackJson(ack) : ackText(ack))
    }).catch((error: unknown) => this.#failed(error, place)).finally(() => {
      this.#inFlight -= 1
      this.#progress()
    })
  }

  #failed(error: unknown, place: string): void {
    if (error instanceof OutputClosed) {
      this.#ending.end('output-closed')
    } else if (error instanceof ClientError && (error.symbol === 'closed' || error.symbol === 'stopped')) {
      // Still in the outbox; what closed the client is told elsewhere.
    } else if (error instanceof ClientError && error.symbol !== 'storage-failed' && error.symbol !== 'outbox-full') {
      this.#unsent -= 1
      this.#refused += 1
      complain(this.#world, `the message to ${safeText(this.#command.to)}${place} was refused: ${groupSendRefusal(error, this.#command.to) ?? (error.symbol === 'no-such-blob' ? uploadRefusal(error, 'a file of it') : refusalText(error, this.#command.to))}`)
    } else {
      this.#ending.end(asError(error))
    }
  }

  /** Something was settled: the clock starts anew, or stops while nothing waits for the server. */
  #progress(): void {
    const waits = this.#inFlight > 0 || this.#leftovers.size > 0
    if (waits) this.#ending.startTimeout(this.#command.timeoutMs)
    else this.#ending.cancelTimeout()
    if (this.#isInputDone && !waits) this.#ending.end('complete')
    this.#wakeReader?.()
    this.#wakeReader = null
  }
}
