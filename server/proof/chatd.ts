/** The real program as a child process: started, killed and started again on the same data and the same ports, its log read. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ReadyLine } from '../run/run.js'
import { freePort } from '../testing/free-port.js'
import { PATIENCE_MS, type Scope, until } from './scope.js'

const PROGRAM = fileURLToPath(new URL('../../../bin/chatd', import.meta.url))

/** Of /proc/PID/stat, behind the name of the program; proc(5). */
const USER_TICKS = 11
const SYSTEM_TICKS = 12
const TICKS_A_SECOND = 100

export interface LogLine {
  readonly level: string
  readonly event: string
  readonly [field: string]: unknown
}

export interface ChatdOptions {
  /** Settings by their name in the environment (`CHATD_LIMITS_KEEP_ALIVE_MS`). */
  readonly settings?: Readonly<Record<string, string>>
  /** Where the data lie; default: a folder of its own that goes away with the scope. */
  readonly directory?: string
  /** For node itself (`--cpu-prof`). */
  readonly nodeArguments?: readonly string[]
  /** Where it listens. Default: 127.0.0.1. */
  readonly host?: string
  /** What its command line begins with, to run somewhere else (`ip netns exec NAME`). */
  readonly through?: readonly string[]
}

export class Chatd {
  readonly tcp: string
  readonly ws: string
  readonly directory: string
  /** Every line of its log so far, over all lives. */
  readonly log: LogLine[] = []
  /** What it wrote to stderr and is no line of the log. */
  stderr = ''
  readonly #environment: Record<string, string>
  readonly #nodeArguments: readonly string[]
  readonly #through: readonly string[]
  #child: ChildProcess | null = null

  private constructor(directory: string, ports: readonly [number, number], options: ChatdOptions) {
    this.directory = directory
    const host = options.host ?? '127.0.0.1'
    this.tcp = `tcp://${host}:${ports[0]}`
    this.ws = `ws://${host}:${ports[1]}`
    this.#nodeArguments = options.nodeArguments ?? []
    this.#through = options.through ?? []
    this.#environment = {
      CHATD_ADMIN_URL: '',
      // Logging in is not what is proven here, and the machine may be busy.
      CHATD_AUTH_SCRAM_ITERATIONS: '4096',
      CHATD_LIMITS_OPEN_TIMEOUT_MS: '60000',
      // Everybody writes to everybody here, and many never answer.
      CHATD_RATE_STRANGER_PER_SECOND: '0',
      ...options.settings,
    }
  }

  /** Makes the accounts (a user's password is `pw-` and the name) and starts. It ends with the scope. */
  static async start(scope: Scope, users: readonly string[], options: ChatdOptions = {}): Promise<Chatd> {
    const chatd = await Chatd.prepare(scope, users, options)
    await chatd.restart()
    return chatd
  }

  /** The same, without starting. */
  static async prepare(scope: Scope, users: readonly string[], options: ChatdOptions = {}): Promise<Chatd> {
    const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'chatd-proof-'))
    mkdirSync(directory, { recursive: true })
    scope.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
    const chatd = new Chatd(directory, [await freePort(), await freePort()], options)
    scope.after(() => chatd.kill())
    await chatd.addUsers(users)
    return chatd
  }

  get data(): string { return join(this.directory, 'data') }

  get isRunning(): boolean { return this.#child !== null }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the server is not running')
    return this.#child.pid
  }

  /** Resident memory in bytes; 0 where the system does not tell. */
  get residentBytes(): number {
    try {
      return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
    } catch {
      return 0
    }
  }

  /** Seconds of CPU in its present life; 0 where the system does not tell. */
  get cpuSeconds(): number {
    try {
      const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
      return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_A_SECOND
    } catch {
      return 0
    }
  }

  /** Every line of that event. */
  linesOf(event: string): LogLine[] {
    return this.log.filter((line) => line.event === event)
  }

  /** Rejects with what it said when it ends before it is ready. */
  async restart(): Promise<void> {
    const child = this.#spawn(['start', '--data', this.data, '--listen', this.tcp, '--listen', this.ws])
    this.#child = child
    createInterface({ input: child.stderr! }).on('line', (line) => { this.#logged(line) })
    const lines = createInterface({ input: child.stdout! })
    const abort = new AbortController()
    const timer = setTimeout(() => { abort.abort() }, PATIENCE_MS)
    const ended = once(child, 'exit').then(([code]) => {
      if (this.#child === child) this.#child = null
      abort.abort()
      return String(code)
    })
    try {
      const [line] = await once(lines, 'line', { signal: abort.signal }) as [string]
      if (!(JSON.parse(line) as Partial<ReadyLine>).ready) throw new Error(`not the ready line: ${line}`)
    } catch (error) {
      if (this.#child !== null) throw error
      throw new Error(`chatd ended with code ${await ended}: ${this.stderr}`, { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  /** SIGKILL; resolves once it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  /** SIGSTOP, until `goOn`: it lives, and does nothing. */
  pause(): void { this.#child?.kill('SIGSTOP') }

  goOn(): void { this.#child?.kill('SIGCONT') }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child
    if (child === null) return null
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
    return child.exitCode
  }

  /** Waits for a line of the log, from line `from` on. */
  async untilLogged(event: string, from = 0): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.slice(from).find((line) => line.event === event)
    await until(() => `the log line '${event}'; the last lines are ${JSON.stringify(this.log.slice(-5))}`, () => find() !== undefined)
    return find()!
  }

  /** Whether it runs or not. */
  async addUsers(users: readonly string[]): Promise<void> {
    if (users.length > 0) await this.command(['user', 'import'], users.map((user) => `${user} pw-${user}\n`).join(''))
  }

  /** A command on its data; resolves to what it prints. */
  async command(args: readonly string[], input = ''): Promise<string> {
    const child = this.#spawn([...args, '--data', this.data])
    const closed = once(child, 'close')
    let [printed, said] = ['', '']
    child.stdout!.on('data', (text: Buffer) => { printed += text.toString() })
    child.stderr!.on('data', (text: Buffer) => { said += text.toString() })
    child.stdin!.end(input)
    const [code] = await closed as [number | null]
    if (code !== 0) throw new Error(`chatd ${args.join(' ')} ended with code ${String(code)}: ${said}`)
    return printed
  }

  #spawn(args: readonly string[]): ChildProcess {
    const [command, ...rest] = [...this.#through, process.execPath, ...this.#nodeArguments, PROGRAM, ...args]
    return spawn(command!, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...this.#environment } })
  }

  #logged(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine)
    } catch {
      this.stderr += `${line}\n`
    }
  }
}
