/** The programs as a user runs them: real processes, real files, lines read as they come. */
import assert from 'node:assert/strict'
import type { ChildProcessByStdio } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Interface } from 'node:readline'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { after, before, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../server/testing/free-port.js'

/** An upper bound on a busy machine; nothing waits for it. */
export const TIMEOUT_SECONDS = '60'

const BIN = fileURLToPath(new URL('../../../bin/', import.meta.url))

export type Scheme = 'tcp' | 'tls' | 'ws' | 'wss'

/** A message line of `recv` or `history`. */
export interface MessageJson {
  readonly conversation: string
  readonly from: string
  readonly seq: number
  readonly index?: number
  readonly time: number
  readonly text: string
}

export interface AckJson {
  readonly to: string
  readonly clientId: number
  readonly seq: number
  readonly time: number
}

/** A process whose stdout is read line by line. */
export class Program {
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #reader: Interface
  /** Lines of stdout that `line` has not given out yet. */
  readonly #lines: string[] = []
  #wake: (() => void) | null = null
  #isEnded = false
  stderr = ''
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>

  constructor(command: string, args: readonly string[], environment: Record<string, string>) {
    this.process = spawn(process.execPath, [join(BIN, command), ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Each would spend longer on noting what it covers than on what it does.
      env: { ...process.env, NODE_V8_COVERAGE: '', ...environment },
    })
    // A program that ends while its input is written is for the test to notice by its exit code.
    this.process.stdin.on('error', () => {})
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => { this.stderr += text })
    this.#reader = createInterface({ input: this.process.stdout })
    this.#reader.on('line', (line) => {
      this.#lines.push(line)
      this.#wake?.()
    })
    const outputEnded = once(this.#reader, 'close').then(() => {
      this.#isEnded = true
      this.#wake?.()
    })
    this.ended = once(this.process, 'exit').then(async ([code, signal]: (number | string | null)[]) => {
      await outputEnded
      return code ?? signal ?? 'unknown'
    })
  }

  /** The next line of stdout. Rejects, with what stderr says, when there is none any more. */
  async line(): Promise<string> {
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) return line
      if (this.#isEnded) throw new Error(`no further line; stderr: ${this.stderr}`)
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }

  async lineJson<T>(): Promise<T> {
    return JSON.parse(await this.line()) as T
  }

  /** All lines up to its end, which has to have this exit code. */
  async finish(exitCode = 0): Promise<string[]> {
    const ended = await this.ended
    assert.equal(ended, exitCode, `exit code; stderr: ${this.stderr}`)
    return this.#lines.splice(0)
  }

  async finishJson<T>(exitCode = 0): Promise<T[]> {
    return (await this.finish(exitCode)).map((line) => JSON.parse(line) as T)
  }

  /** Reads no further, as a `head` that has enough. */
  closeOutput(): void {
    this.process.stdout.destroy()
    this.#reader.close()
  }

  /** Resolves once it has ended. */
  async kill(signal: NodeJS.Signals): Promise<number | string> {
    this.process.kill(signal)
    return this.ended
  }
}

async function freshListeners(schemes: readonly Scheme[]): Promise<string[]> {
  const urls: string[] = []
  for (const scheme of schemes) urls.push(`${scheme}://127.0.0.1:${await freePort()}`)
  return urls
}

/** A temporary place with a server's data, password files and the state of clients; everything in it ends with the test. */
export class Place {
  readonly directory: string
  readonly #programs: Program[] = []
  server: Program | null = null
  listeners: readonly string[] = []
  /** Environment of every program. */
  readonly environment: Record<string, string>

  private constructor(directory: string) {
    this.directory = directory
    this.environment = {
      HOME: directory,
      XDG_STATE_HOME: join(directory, 'state'),
      CHATD_ADMIN_URL: 'http://127.0.0.1:0',
      // Logging in is not what these tests are about, and the machine may be busy.
      CHATD_AUTH_SCRAM_ITERATIONS: '4096',
      // Most send from one side alone.
      CHATD_RATE_STRANGER_PER_SECOND: '0',
    }
  }

  static async make(t: Pick<TestContext, 'after'> | { after(end: () => Promise<void>): void }): Promise<Place> {
    const place = new Place(await mkdtemp(join(tmpdir(), 'chatd-test-')))
    t.after(async () => {
      await Promise.all(place.#programs.map(async (program) => program.kill('SIGKILL')))
      await rm(place.directory, { recursive: true, force: true, maxRetries: 5 })
    })
    return place
  }

  get data(): string {
    return join(this.directory, 'data')
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  run(command: 'chat' | 'chatd', args: readonly string[], input: string | null = ''): Program {
    const program = new Program(command, args, this.environment)
    this.#programs.push(program)
    if (input !== null) program.process.stdin.end(input)
    return program
  }

  /** Makes a certificate for the listeners with TLS of servers started from now on. */
  async makeCertificate(): Promise<void> {
    const directory = this.path('certificate')
    await this.run('chatd', ['cert', '--out', directory]).finish()
    this.environment['CHATD_LISTEN_TLS_CERTIFICATE'] = join(directory, 'chatd.crt')
    this.environment['CHATD_LISTEN_TLS_KEY'] = join(directory, 'chatd.key')
  }

  /** Starts the server and waits for its ready line; listens where it did before, if it did. */
  async start(...schemes: readonly Scheme[]): Promise<void> {
    const listen = this.listeners.length > 0 ? this.listeners : await freshListeners(schemes.length > 0 ? schemes : ['tcp', 'ws'])
    const server = this.run('chatd', ['start', '--data', this.data, ...listen.flatMap((url) => ['--listen', url])])
    const ready = await server.lineJson<{ ready: boolean; listeners: string[]; admin: string }>()
    assert.equal(ready.ready, true)
    this.server = server
    this.listeners = ready.listeners
  }

  /** The address of the first listener of that kind. */
  url(scheme: Scheme = 'tcp'): string {
    const url = this.listeners.find((listener) => listener.startsWith(`${scheme}://`))
    assert.ok(url !== undefined, `no ${scheme} listener`)
    return url
  }

  async addUsers(...names: readonly string[]): Promise<void> {
    const password = (name: string): string => `password of ${name}`
    // One program for all of them: to start it takes longer than what it does.
    await this.run('chatd', ['user', 'import', '--data', this.data], names.map((name) => `${name} ${password(name)}\n`).join('')).finish()
    for (const name of names) await writeFile(this.path(`${name}.password`), `${password(name)}\n`)
  }

  /** A command of `chat` for a user; `options` begin with what follows the account. */
  chat(command: string, user: string, options: readonly string[], settings: { scheme?: Scheme; input?: string | null } = {}): Program {
    const [first, ...rest] = command.split(' ')
    return this.run('chat', [
      first ?? '', ...rest, '--server', this.url(settings.scheme), '--user', user, '--password-file', this.path(`${user}.password`), ...options,
    ], settings.input === undefined ? '' : settings.input)
  }

  /** Sends lines and expects an ack for each. */
  async send(user: string, to: string, lines: readonly string[], ...options: readonly string[]): Promise<AckJson[]> {
    const acks = await this.chat('send', user, ['--json', ...options, to, '-'], { input: lines.map((line) => `${line}\n`).join('') }).finishJson<AckJson>()
    assert.equal(acks.length, lines.length)
    return acks
  }

  /** Receives so many messages. */
  async receive(user: string, count: number, ...options: readonly string[]): Promise<MessageJson[]> {
    return this.chat('recv', user, ['--json', '--count', String(count), '--timeout', TIMEOUT_SECONDS, ...options]).finishJson<MessageJson>()
  }
}

/** One place for all tests of a file, prepared before the first and gone after the last. */
export function placeForFile(prepare: (place: Place) => Promise<void>): void {
  const ends: (() => Promise<void>)[] = []
  before(async () => prepare(await Place.make({ after: (end: () => Promise<void>) => { ends.push(end) } })))
  after(async () => {
    for (const end of ends) await end()
  })
}

/** `prefix 1` … `prefix count` */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix} ${at + 1}`)
}
