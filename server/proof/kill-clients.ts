/** SIGKILL to processes with reference clients in full work; each goes on with what its files hold. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Chatd } from './chatd.js'
import { check, type Findings } from './checker.js'
import { type ClientReport, type ClientTask, readLog } from './client-program.js'
import { contactsOf, judge, placesFor, summary, usersOf } from './population.js'
import type { DeviceLog } from './record.js'
import { seeded } from '../testing/seeded-random.js'
import { delay, type Scope, until } from './scope.js'

const PROGRAM = fileURLToPath(new URL('client-program.js', import.meta.url))
const CLIENTS_A_PROCESS = 4
/** Bytes of log that a process writes before it may be killed: it has to get to work first. */
const LOG_BYTES_A_LIFE = 4000

export interface KillClientsOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

class ClientProcess {
  readonly tasks: readonly ClientTask[]
  #child: ChildProcess | null = null
  #waiting = -1
  stderr = ''

  constructor(tasks: readonly ClientTask[]) {
    this.tasks = tasks
  }

  /** Whether it has said that nothing waits for an answer. */
  get isQuiet(): boolean { return this.#waiting === 0 }
  get logBytes(): number { return this.tasks.reduce((sum, task) => sum + (statSync(task.log, { throwIfNoEntry: false })?.size ?? 0), 0) }
  get hasEnded(): boolean { return this.#child !== null && (this.#child.exitCode !== null || this.#child.signalCode !== null) }

  start(): void {
    this.#waiting = -1
    this.#child = spawn(process.execPath, [PROGRAM, JSON.stringify(this.tasks)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.on('message', ({ waiting }: ClientReport) => { this.#waiting = waiting })
    this.#child.on('error', () => { /* told by hasEnded */ })
    this.#child.stderr!.on('data', (text: Buffer) => { this.stderr += text.toString() })
  }

  talk(isTalking: boolean): void {
    this.#waiting = -1
    this.#child?.send({ talk: isTalking }, () => { /* it may be gone */ })
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === null || this.hasEnded) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
}

/** `rounds`: kills of one process each. The server is left alone; half of the clients come over WebSocket. */
export async function killClients(scope: Scope, { clients, rounds, seed }: KillClientsOptions): Promise<Findings> {
  const random = seeded(seed)
  const places = placesFor(clients)
  const users = usersOf(places)
  const directory = mkdtempSync(join(tmpdir(), 'chatd-proof-clients-'))
  scope.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  const chatd = await Chatd.start(scope, users)
  const tasks = places.map(({ user, device }, at): ClientTask => {
    const own = join(directory, `${user}-${device}`)
    mkdirSync(own)
    return { url: at % 2 === 0 ? chatd.tcp : chatd.ws, user, device, storage: join(own, 'storage'), log: join(own, 'log'), contacts: contactsOf(user, users) }
  })
  const processes: ClientProcess[] = []
  for (let at = 0; at < tasks.length; at += CLIENTS_A_PROCESS) processes.push(new ClientProcess(tasks.slice(at, at + CLIENTS_A_PROCESS)))
  scope.after(async () => { await Promise.all(processes.map((one) => one.kill())) })
  for (const one of processes) one.start()
  const quiet = (): Promise<void> => until(
    () => `the client processes to be quiet; they say: ${processes.map((one) => one.stderr).join('')}`,
    () => processes.every((one) => one.isQuiet || one.hasEnded),
  )
  // The server knows every device before the first message.
  await quiet()
  for (const one of processes) one.talk(true)
  for (let round = 1; round <= rounds; round++) {
    const one = processes[Math.floor(random() * processes.length)]!
    const target = one.logBytes + LOG_BYTES_A_LIFE
    await until('a client process to work', () => one.logBytes >= target || one.hasEnded)
    await delay(random() * 100)
    await one.kill()
    await delay(random() * 100)
    one.start()
    one.talk(true)
  }
  for (const one of processes) one.talk(false)
  await quiet()
  for (const one of processes) if (one.hasEnded) throw new Error(`a client process ended by itself: ${one.stderr}`)
  const logs = (): DeviceLog[] => tasks.map(({ user, device, log }) => ({ user, device, events: readLog(log) }))
  // Acknowledged is one thing; handed out at the far end another.
  await until(() => `everything to arrive: ${check(logs()).breaches.join('; ')}`, () => check(logs()).breaches.length === 0, 20_000).catch(() => { /* judged below */ })
  const findings = await judge(logs(), chatd.tcp, users)
  scope.note(`${rounds} kills of ${processes.length} client processes, ${clients} clients: ${summary(findings)}`)
  return findings
}
