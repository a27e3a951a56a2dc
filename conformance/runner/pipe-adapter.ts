/** Adapters that are processes which speak JSON lines on stdin and stdout. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { Adapter, AdapterFailure, lineBytesMax } from './adapter.js'
import type { Adapters } from './adapter.js'
import type { Signal } from './signal.js'

const stderrCharactersMax = 4000

class PipeAdapter extends Adapter {
  readonly #child: ChildProcess
  #line = ''

  constructor(command: readonly string[], signal: Signal, cwd: string) {
    super(signal)
    // A group of its own, so that what a wrapper starts is killed with it.
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'], detached: true, cwd })
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => { this.#read(text) })
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.stderr = (this.stderr + text).slice(-stderrCharactersMax) })
    this.#child.stdin!.on('error', () => {})
    this.#child.on('error', (error) => { this.fail(`the adapter cannot be started: ${error.message}`) })
    this.#child.on('close', (code, signalName) => { this.fail(`the adapter ended with ${signalName ?? `code ${String(code)}`}`) })
  }

  /** Without warning, it and all that it started. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.isKilled = true
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

  protected write(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  #read(text: string): void {
    const lines = (this.#line + text).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') this.take(line, 'wrote a line to stdout (what it has to say belongs on stderr)')
    if (this.#line.length > lineBytesMax) {
      this.#line = ''
      this.fail('the adapter wrote a line that is too long')
    }
  }
}

/** Keeps those that have let go of one case and can be asked to start another: most of a case would be the start of a process. */
export class PipeAdapters implements Adapters {
  readonly #command: readonly string[]
  readonly #cwd: string
  readonly #idle: PipeAdapter[] = []
  readonly #lent = new Set<PipeAdapter>()
  #isStopped = false

  /** @param command program and arguments */
  constructor(command: readonly string[], cwd: string) {
    this.#command = command
    this.#cwd = cwd
  }

  take(signal: Signal): Promise<Adapter> {
    if (this.#isStopped) return Promise.reject(new AdapterFailure('crash', 'the run was stopped'))
    const idle = this.#idle.pop()
    const isUsable = idle?.failure === null
    if (isUsable) idle.lend(signal)
    const adapter = isUsable ? idle : new PipeAdapter(this.#command, signal, this.#cwd)
    this.#lent.add(adapter)
    return Promise.resolve(adapter)
  }

  async kill(adapter: Adapter): Promise<void> {
    this.#lent.delete(adapter as PipeAdapter)
    await (adapter as PipeAdapter).kill()
  }

  revive(_adapter: Adapter, signal: Signal): Promise<Adapter> {
    return this.take(signal)
  }

  async giveBack(adapter: Adapter, isReusable: boolean): Promise<void> {
    if (!isReusable || adapter.failure !== null) return this.kill(adapter)
    this.#lent.delete(adapter as PipeAdapter)
    this.#idle.push(adapter as PipeAdapter)
  }

  stop(): void {
    this.#isStopped = true
    for (const adapter of this.#lent) adapter.endNow()
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((adapter) => adapter.kill()))
  }
}
