/** A whole server in the proof's own process, where its store can be made to fail and its clock to jump. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../storage/engine.js'
import type { Clock } from '../clock.js'
import { configOf } from '../config/config.js'
import type { Config } from '../config/settings.js'
import type { Log, LogFields } from '../log.js'
import { type RunningServer, startServer } from '../run/run.js'
import { newVerifier } from '../session/node-crypto.js'
import { freePort } from '../testing/free-port.js'
import { type Scope, until } from './scope.js'

const ITERATIONS = 4096

export interface InProcessLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: LogFields
}

export interface InProcessOptions {
  readonly limits?: Partial<Config['limits']>
  readonly wrapEngine?: (engine: Engine) => Engine
  readonly clock?: Clock
}

export class InProcess {
  readonly log: InProcessLine[] = []
  readonly #config: Config
  readonly #options: InProcessOptions
  #server: RunningServer | null = null

  private constructor(config: Config, options: InProcessOptions) {
    this.#config = config
    this.#options = options
  }

  /** Starts with these accounts; a user's password is `pw-` and the name. It ends with the scope. */
  static async start(scope: Scope, users: readonly string[], options: InProcessOptions = {}): Promise<InProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'chatd-proof-'))
    scope.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
    const server = new InProcess(configOf({
      data: { directory: join(directory, 'data') },
      listen: { urls: [`tcp://127.0.0.1:${await freePort()}`, `ws://127.0.0.1:${await freePort()}`] },
      admin: { url: '' },
      auth: { scramIterations: ITERATIONS },
      // Everybody writes to everybody here, and many never answer.
      rate: { strangerPerSecond: 0 },
      limits: { drainTimeoutMs: 1000, drainJitterMs: 100, openTimeoutMs: 60_000, ...options.limits },
    }), options)
    scope.after(() => server.stop())
    await server.restart()
    for (const user of users) await server.#server!.router.addUser(user, await newVerifier(`pw-${user}`, ITERATIONS))
    return server
  }

  get tcp(): string { return this.#config.listen.urls[0]! }
  get ws(): string { return this.#config.listen.urls[1]! }

  async restart(): Promise<void> {
    const line = (level: InProcessLine['level']) => (fields: LogFields, event: string): void => { this.log.push({ level, event, fields }) }
    const log: Log = { debug: () => {}, info: line('info'), warn: line('warn'), error: line('error') }
    const { wrapEngine, clock } = this.#options
    this.#server = await startServer(this.#config, { log, ...wrapEngine === undefined ? {} : { wrapEngine }, ...clock === undefined ? {} : { clock } })
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = null
    await server?.stop()
  }

  /** Waits for a line of this event, from line `from` on. */
  async untilLogged(event: string, from: number): Promise<InProcessLine> {
    const find = (): InProcessLine | undefined => this.log.slice(from).find((line) => line.event === event)
    await until(() => `the log line ${event}; the last are ${JSON.stringify(this.log.slice(-5))}`, () => find() !== undefined)
    return find()!
  }
}
