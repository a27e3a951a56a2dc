/** The client's adapter: a process that speaks JSON lines on stdin and stdout. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Command } from './case.js'
import type { Signal } from './signal.js'

/** How the adapter failed, apart from what it answered. */
export class AdapterFailure extends Error {
  readonly kind: 'crash' | 'timeout'

  constructor(kind: 'crash' | 'timeout', message: string) {
    super(message)
    this.kind = kind
  }
}

export interface Answer {
  readonly id: number
  readonly unsupported?: boolean
  readonly error?: string
  readonly refused?: string
  readonly [key: string]: unknown
}

/** A longer line is none: nothing may fill the runner's memory. */
const lineBytesMax = 8 * 1024 * 1024
const stderrCharactersMax = 4000

export class Adapter {
  readonly #child: ChildProcess
  /** Of the case that uses it. */
  #signal: Signal
  readonly #answers = new Map<number, Answer>()
  #line = ''
  #nextId = 1
  #failure: string | null = null
  #isKilled = false
  /** The end of what it wrote to stderr. */
  stderr = ''

  constructor(command: readonly string[], signal: Signal, cwd: string) {
    this.#signal = signal
    // A group of its own, so that what a wrapper starts is killed with it.
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], detached: true, cwd })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => { this.#read(text) })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.stderr = (this.stderr + text).slice(-stderrCharactersMax) })
    this.#child.stdin!.on('error', () => {})
    this.#child.on('error', (error) => { this.#fail(`the adapter cannot be started: ${error.message}`) })
    this.#child.on('close', (code, signalName) => { this.#fail(`the adapter ended with ${signalName ?? `code ${String(code)}`}`) })
  }

  /** Another case goes on with it. */
  lend(signal: Signal): void {
    this.#signal = signal
    this.stderr = ''
  }

  /** Why nothing more is to be had from it; null: it runs. */
  get failure(): string | null {
    return this.#isKilled ? null : this.#failure
  }

  /** Throws an AdapterFailure. */
  async ask(command: Command, timeoutMs: number): Promise<Answer> {
    const id = this.#nextId++
    this.#child.stdin!.write(`${JSON.stringify({ id, ...command })}\n`)
    const answer = await this.#signal.until(performance.now() + timeoutMs, () => this.#answers.get(id) ?? this.#failure)
    if (typeof answer === 'string') throw new AdapterFailure('crash', answer)
    if (answer === null) throw new AdapterFailure('timeout', `the adapter did not answer ${JSON.stringify(command.do)} within ${String(timeoutMs)} ms`)
    this.#answers.delete(id)
    return answer
  }

  /** Without warning, it and all that it started. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#isKilled = true
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined) return
    const gone = new Promise<void>((resolve) => {
      if (exitCode !== null || signalCode !== null) resolve()
      else this.#child.once('exit', () => { resolve() })
    })
    this.endNow()
    await gone
  }

  /** The same, but whoever uses it hears of that as of a crash. */
  endNow(): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // It went by itself.
    }
  }

  #read(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') this.#take(line)
    if (this.#line.length > lineBytesMax) {
      this.#line = ''
      this.#fail('the adapter wrote a line that is too long')
    }
    this.#signal.notify()
  }

  #take(line: string): void {
    try {
      const answer = JSON.parse(line) as Answer | null
      if (typeof answer?.id !== 'number') throw new TypeError('no id')
      this.#answers.set(answer.id, answer)
    } catch {
      this.#fail(`the adapter wrote a line to stdout that is no answer (what it has to say belongs on stderr): ${line.slice(0, 200)}`)
    }
  }

  #fail(reason: string): void {
    this.#failure ??= reason
    this.#signal.notify()
  }
}

/** Adapters that have let go of one case and can be asked to start another: most of a case would be the start of a process. */
export class AdapterPool {
  readonly #command: readonly string[]
  readonly #cwd: string
  readonly #idle: Adapter[] = []
  readonly #lent = new Set<Adapter>()
  #isStopped = false

  constructor(command: readonly string[], cwd: string) {
    this.#command = command
    this.#cwd = cwd
  }

  /** Throws an AdapterFailure where the run was stopped. */
  take(signal: Signal): Adapter {
    if (this.#isStopped) throw new AdapterFailure('crash', 'the run was stopped')
    const idle = this.#idle.pop()
    const isUsable = idle?.failure === null
    if (isUsable) idle.lend(signal)
    const adapter = isUsable ? idle : new Adapter(this.#command, signal, this.#cwd)
    this.#lent.add(adapter)
    return adapter
  }

  /** `isReusable`: it has answered `stop`. */
  async giveBack(adapter: Adapter, isReusable: boolean): Promise<void> {
    this.#lent.delete(adapter)
    if (isReusable && adapter.failure === null) this.#idle.push(adapter)
    else await adapter.kill()
  }

  /** The cases that are played now fail, and no other begins. */
  stop(): void {
    this.#isStopped = true
    for (const adapter of this.#lent) adapter.endNow()
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((adapter) => adapter.kill()))
  }
}
