/** A real redis-server for a test: a process of its own, on a free port, with a folder that goes with it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../testing/free-port.js'

const HOW_TO = 'redis-server is not installed: apt-get install redis-server (tests of clusters with a real Redis are skipped)'

function isInstalled(): boolean {
  return spawnSync('redis-server', ['--version']).status === 0
}

/** For the `skip` of a test: false, or why. With CHATD_REQUIRE_REDIS=1 nothing is skipped, and the test fails where there is no Redis. */
export const WITHOUT_REDIS: string | false = process.env['CHATD_REQUIRE_REDIS'] === '1' || isInstalled() ? false : HOW_TO

/** Where its end is noted: a test, or a proof. */
export interface Endings {
  after(end: () => Promise<void>): void
}

/** Where it runs: the address it listens at, and what its command line begins with (`ip netns exec NAME`). */
export interface RedisPlace {
  readonly host: string
  readonly through: readonly string[]
}

const HERE: RedisPlace = { host: '127.0.0.1', through: [] }

export class RedisServer {
  readonly port: number
  readonly #place: RedisPlace
  readonly #directory: string
  readonly #arguments: readonly string[]
  #process: ChildProcess | null = null

  private constructor(place: RedisPlace, port: number, directory: string, args: readonly string[]) {
    this.#place = place
    this.port = port
    this.#directory = directory
    this.#arguments = args
  }

  /** Started, and killed when what it is for ends. `args`: of redis-server, behind those that keep it to itself. */
  static start(t: Endings, ...args: readonly string[]): Promise<RedisServer> {
    return RedisServer.startAt(t, HERE, ...args)
  }

  /** The same, somewhere else. */
  static async startAt(t: Endings, place: RedisPlace, ...args: readonly string[]): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'chatd-redis-'))
    const server = new RedisServer(place, await freePort(), directory, args)
    t.after(async () => {
      await server.kill()
      await rm(directory, { recursive: true, force: true })
    })
    await server.start()
    return server
  }

  /** A Sentinel that watches a primary under the name `chatd`, and alone decides that it is gone. */
  static async sentinel(t: Endings, primary: RedisServer): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'chatd-sentinel-'))
    const file = join(directory, 'sentinel.conf')
    await writeFile(file, `sentinel monitor chatd 127.0.0.1 ${String(primary.port)} 1\nsentinel down-after-milliseconds chatd 500\nsentinel failover-timeout chatd 2000\n`)
    t.after(() => rm(directory, { recursive: true, force: true }))
    return RedisServer.start(t, '--sentinel', file)
  }

  get url(): string {
    return `redis://${this.#place.host}:${String(this.port)}`
  }

  async start(): Promise<void> {
    const [first, file] = this.#arguments
    const { host, through } = this.#place
    const own = ['--port', String(this.port), '--bind', host, '--dir', this.#directory, ...host === HERE.host ? [] : ['--protected-mode', 'no']]
    const args = first === '--sentinel' ? [file ?? '', '--sentinel', ...own] : [...own, '--save', '', '--appendfsync', 'always', ...this.#arguments]
    const [command, ...rest] = [...through, 'redis-server', ...args]
    this.#process = spawn(command!, rest, { stdio: 'ignore' })
    await this.#answering()
  }

  async kill(): Promise<void> {
    const process = this.#process
    this.#process = null
    if (process === null) return
    process.kill('SIGKILL')
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit')
  }

  /** What it has on disk is gone; to be called while it does not run. */
  lose(): void {
    for (const name of readdirSync(this.#directory)) rmSync(join(this.#directory, name), { recursive: true, force: true })
  }

  /** It lives, and does nothing. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  goOn(): void {
    this.#process?.kill('SIGCONT')
  }

  /** One command, in words; resolves with the answer's first line, or nothing where Redis ends the connection, as a Sentinel has it do when it promotes a replica. */
  async say(...words: readonly string[]): Promise<string> {
    const socket = connect(this.port, this.#place.host)
    try {
      socket.write(`*${String(words.length)}\r\n${words.map((word) => `$${String(Buffer.byteLength(word))}\r\n${word}\r\n`).join('')}`)
      const [answer] = await Promise.race([once(socket, 'data'), once(socket, 'close')]) as [Buffer | boolean]
      return Buffer.isBuffer(answer) ? answer.toString().trim() : ''
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return ''
      throw error
    } finally {
      socket.destroy()
    }
  }

  /** The bytes that a replica of this one has still to get. */
  async isInSync(replica: RedisServer): Promise<boolean> {
    const offset = (text: string): string | undefined => /master_repl_offset:(\d+)/.exec(text)?.[1]
    return offset(await this.say('INFO', 'replication')) === offset(await replica.say('INFO', 'replication'))
  }

  async #answering(): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        if ((await this.say('PING')).includes('PONG')) return
      } catch (error) {
        if (tries > 200) throw error
      }
      await pause(20)
    }
  }
}
