/** The real server as a child process, with a fresh data directory and accounts, for one scenario. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../testing/free-port.js'
import { type Launch, peer } from './raw-client.js'

/** How long the server may take to say that it is ready, and to end after SIGTERM. */
const READY_TIMEOUT_MS = 120_000
const STOP_TIMEOUT_MS = 20_000

/** A running server. `restart` and `kill` keep the data directory and the port; `stop` removes the data. */
export class ServerProcess {
  readonly port: number
  /** Of HTTP; 0: there is none. */
  readonly webPort: number
  readonly directory: string
  readonly #launch: Launch
  #child: ChildProcess | null = null

  private constructor(port: number, webPort: number, directory: string, launch: Launch) {
    this.port = port
    this.webPort = webPort
    this.directory = directory
    this.#launch = launch
    // A bench that is interrupted leaves nothing behind.
    process.on('exit', () => {
      this.#child?.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    })
  }

  /** Makes the data directory and the accounts, starts the server and waits until it is ready. */
  static async start(users: readonly string[], { web = false, shards = 1 } = {}): Promise<ServerProcess> {
    const port = await freePort()
    const webPort = web ? await freePort() : 0
    const directory = mkdtempSync(join(tmpdir(), 'chatd-bench-'))
    const server = new ServerProcess(port, webPort, directory, peer.setup({ dir: directory, users, port, webPort, shards }))
    await server.restart()
    return server
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('the server is not running')
    return this.#child.pid
  }

  async restart(): Promise<void> {
    const child = spawn(this.#launch.cmd, this.#launch.args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    const lines = createInterface({ input: child.stdout })
    const [line] = await Promise.race([
      once(lines, 'line', { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }) as Promise<[string]>,
      once(child, 'exit').then(([code]) => { throw new Error(`the server ended with code ${String(code)} before it was ready`) }),
    ])
    if ((JSON.parse(line) as { ready?: unknown }).ready !== true) throw new Error(`the server's first line is not the one it promises: ${line}`)
    lines.on('line', () => { /* what else it may print is read, so that the pipe never fills */ })
  }

  /** Ends in good order and starts again on the same data: a server that knows the accounts and has done nothing yet. */
  async renew(): Promise<void> {
    await this.#end('SIGTERM')
    await this.restart()
  }

  /** SIGKILL: what is not on disk is lost. */
  async kill(): Promise<void> { await this.#end('SIGKILL') }

  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (child === null) return
    this.#child = null
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
}
