/** The client that a case is played with, behind its adapter: what it can do, the commands to it, and what it shows its user. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AdapterFailure } from './adapter.js'
import type { Adapter, Adapters, Answer } from './adapter.js'
import type { Command, ExpectedDump, Step } from './case.js'
import { denseMismatch, dumpMismatch } from './dump.js'
import { features } from './load.js'
import type { Signal } from './signal.js'
import type { Trace } from './trace.js'
import type { Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'

const startTimeoutMs = 20_000
const answerTimeoutMs = 10_000
/** Of an answer that a case waits for at its end alone. */
const laterTimeoutMs = 60_000
/** What is shown has settled when it is the same so long after it was right. */
const settleMs = 40

const mandatory = new Set(features.filter(({ mandatory: isMandatory }) => isMandatory).map(({ name }) => name))
/** Which feature a command belongs to, where it is not of the same name. */
const featureOfCommand: Readonly<Record<string, string>> = {
  edit: 'operations', remove: 'operations', react: 'operations', watch: 'presence', unwatch: 'presence', foreground: 'background', advance: 'clock',
}

export interface TestedClientOptions {
  readonly adapters: Adapters
  readonly user: string
  readonly device: string
  readonly password: string
  /** It is to leave its queue alone. */
  readonly noQueue: boolean
  readonly signal: Signal
  readonly trace: Trace
  readonly variables: Variables
  /** All waiting times are this many times as long. */
  readonly slowness: number
  /** Called while it waits: throws where something has ended the case. */
  readonly check: () => void
}

export class TestedClient {
  readonly #options: TestedClientOptions
  readonly #folder: string
  /** Names of `cases/features.json`. */
  features: ReadonlySet<string> = new Set()
  #adapter: Adapter | null = null
  /** What it starts with: the address of the scripted server, and the certificate that it trusts, null without TLS. */
  #server = ''
  #trusted: string | null = null
  readonly #laters: Promise<void>[] = []
  /** The time was up: what still waits for something begins nothing more. */
  #isOver = false

  constructor(options: TestedClientOptions) {
    this.#options = options
    this.#folder = mkdtempSync(join(tmpdir(), 'chat-conformance-'))
  }

  /** Why the adapter is gone; null: it is not. */
  get failure(): string | null {
    return this.#adapter?.failure ?? null
  }

  /** The end of what it has said. */
  get stderr(): string {
    return this.#adapter?.stderr.trim() ?? ''
  }

  /** Waits for an adapter to play with. */
  async take(): Promise<void> {
    this.#adapter = await this.#options.adapters.take(this.#options.signal)
  }

  /** Whether the adapter has forgotten the case, and can play another one. */
  async letGo(): Promise<boolean> {
    if (!this.features.has('stop')) return false
    try {
      const answer = await this.ask({ do: 'stop' }, answerTimeoutMs)
      return answer.error === undefined && answer.unsupported !== true
    } catch (error) {
      if (error instanceof AdapterFailure) return false
      throw error
    }
  }

  /** The case is over. `isReusable`: the adapter has forgotten it. */
  async giveBack(isReusable: boolean): Promise<void> {
    this.#isOver = true
    if (this.#adapter !== null) await this.#options.adapters.giveBack(this.#adapter, isReusable)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Asks it what it can do. */
  async learn(): Promise<ReadonlySet<string>> {
    const answer = await this.ask({ do: 'features' }, startTimeoutMs)
    return this.features = new Set(Array.isArray(answer['features']) ? answer['features'] as string[] : [])
  }

  lacks(feature: string): never {
    if (mandatory.has(feature)) throw new CaseFailed('fail', `an adapter that can do ${feature}`, 'unsupported')
    throw new Unsupported(`the adapter does not support ${feature}`)
  }

  async start(server: string, trusted: string | null): Promise<void> {
    const { user, device, password, noQueue } = this.#options
    this.#server = server
    this.#trusted = trusted
    const ca = join(this.#folder, 'trusted.pem')
    if (trusted !== null) writeFileSync(ca, trusted)
    const more = { ...(trusted === null ? {} : { ca }), ...(noQueue ? { noQueue } : {}) }
    await this.command({ do: 'start', server, user, device, password, storage: this.#folder, ...more })
  }

  async restart(): Promise<void> {
    await this.kill()
    if (this.#isOver) throw new AdapterFailure('timeout', 'the case is over')
    this.#adapter = await this.#options.adapters.revive(this.#adapter!, this.#options.signal)
    await this.start(this.#server, this.#trusted)
  }

  async kill(): Promise<void> {
    this.#options.trace.add('suite', 0, 'kills the client')
    await this.#options.adapters.kill(this.#adapter!)
  }

  // ——— Commands ———

  async ask(command: Command, timeoutMs: number): Promise<Answer> {
    if (this.#adapter === null) throw new AdapterFailure('crash', 'there is no adapter')
    return this.#adapter.ask(command, timeoutMs * this.#options.slowness)
  }

  async command(command: Command, timeoutMs = answerTimeoutMs): Promise<Answer> {
    this.#options.trace.add('suite', 0, `to the client: ${JSON.stringify({ ...command, ...(command['password'] === undefined ? {} : { password: '…' }) })}`)
    const answer = await this.ask(command, timeoutMs)
    if (answer.unsupported === true) this.lacks(featureOfCommand[command.do] ?? command.do)
    if (answer.error !== undefined) throw new CaseFailed('fail', `the client to ${command.do}`, `its adapter says: ${answer.error}`)
    return answer
  }

  async do(step: Step): Promise<void> {
    const { refused, later, ...rest } = step
    const command = this.#options.variables.fillAll(rest) as Command
    if (later === true) {
      const answered = this.command(command, laterTimeoutMs).then((answer) => { this.#compareAnswer(command, answer, refused) })
      // Whoever waits for it hears of it; the case may fail before.
      answered.catch(() => {})
      this.#laters.push(answered)
    } else this.#compareAnswer(command, await this.command(command), refused)
  }

  #compareAnswer(step: Command, answer: Answer, refused: string | undefined): void {
    if (refused !== undefined && answer.refused !== refused) {
      throw new CaseFailed('fail', `the client to refuse ${step.do} with ${refused}`, answer.refused ?? 'it took it')
    }
    if (refused === undefined && answer.refused !== undefined) {
      throw new CaseFailed('fail', `the client to take ${step.do}`, `it refused with ${answer.refused}`)
    }
  }

  /** Resolves when all that was to be answered later is. */
  async answered(): Promise<void> {
    await Promise.all(this.#laters)
  }

  // ——— What it shows ———

  /** What the user sees comes to be as expected, and stays so. */
  async shows(expected: ExpectedDump, deadlineMs: number): Promise<void> {
    const { trace, variables, check } = this.#options
    for (let confirmed = 0; ;) {
      check()
      const answer = await this.ask({ do: 'dump' }, answerTimeoutMs)
      if (answer.unsupported === true) this.lacks('dump')
      const difference = dumpMismatch(expected, answer, variables)
      if (difference === null && ++confirmed > 1) {
        trace.add('suite', 0, `the user sees ${JSON.stringify(answer)}`)
        return
      }
      if (difference !== null && (confirmed > 0 || performance.now() > deadlineMs)) {
        trace.add('suite', 0, `the user sees ${JSON.stringify(answer)}`)
        throw new CaseFailed('fail', difference.expected, difference.came)
      }
      await delay(difference === null ? settleMs : settleMs / 2)
    }
  }

  /** As many messages, however they are spread over conversations. */
  async showsDense(count: number, deadlineMs: number): Promise<void> {
    for (;;) {
      this.#options.check()
      const beganMs = performance.now()
      const { messages } = await this.ask({ do: 'dump' }, answerTimeoutMs)
      const fault = denseMismatch(messages, count)
      if (fault === null) return
      if (performance.now() > deadlineMs) throw new CaseFailed('fail', `${String(count)} messages, each conversation dense from 1`, fault)
      // A client that shows much has better things to do than to tell it all the time.
      await delay(Math.max(settleMs, performance.now() - beganMs))
    }
  }
}
