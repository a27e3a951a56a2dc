/** One life of the process of blobs, as the server sees it. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config/settings.js'
import type { TakenConnection } from '../../listeners/connection-taker.js'
import { stopReading } from '../../listeners/first-request.js'
import { joinSockets, partSockets } from '../../listeners/joined-sockets.js'
import type { Log, LogFields } from '../../log.js'
import type { Counters } from '../../metrics/metrics.js'
import type { BlobCommands } from '../blob-router.js'
import type { DiskRoom } from '../disk-room.js'
import { Calls, errorFrom } from './calls.js'
import { CountSum } from './counts.js'
import type { FromProcess, SentField, ToProcess } from './messages.js'
import { commandHandlers } from './remote-commands.js'
import type { SocketPairs } from './socket-pairs.js'
export interface BlobChildOptions {
  readonly config: Config
  readonly key: Uint8Array
  readonly commands: BlobCommands
  readonly room: DiskRoom
  readonly counters: Counters
  readonly log: Log
  readonly pairs: SocketPairs
  /** The compiled program, for tests. */
  readonly program?: string | undefined
}

/** The process is gone, or was on the way out. */
export class BlobProcessEnded extends Error {
  override readonly name = 'BlobProcessEnded'
}

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))
const STDERR_TAIL_LENGTH = 2000
/**
 * Chunks of files come and go all the time. glibc would give each back to the system and get it anew, zeroed, page by page: kept, they
 * cost half. Other allocators do not look at these.
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '1073741824', MALLOC_TRIM_THRESHOLD_: '67108864', MALLOC_ARENA_MAX: '2' }
/**
 * Garbage is collected by the thread that made it. V8 would have as many as four others help, each of which may be in the way of messages for
 * a slice of the scheduler, for a heap that is small.
 */
const COLLECTOR = '--single-threaded-gc'

interface Given {
  readonly connection: TakenConnection
  /** Our end, where the connection itself can't be given away. */
  readonly near: Socket | null
  /** That end has closed behind its last byte; null: it is joined. */
  parted: Promise<void> | null
}

export class BlobChild {
  readonly #options: BlobChildOptions
  readonly #child: ChildProcess
  readonly #calls: Calls
  readonly #sum: CountSum
  readonly #given = new Map<number, Given>()
  #lastId = 0
  /** Of the connection that is on its way. */
  #onTaken: (id: number) => void = () => {}
  #stderrTail = ''
  #isEnded = false
  /** Resolves when it can take connections; rejects if it can't come as far, or the system gives no process. */
  readonly ready: Promise<void>
  /** Resolves when it is gone. */
  readonly ended: Promise<void>

  constructor(options: BlobChildOptions) {
    this.#options = options
    const child = spawn(process.execPath, [COLLECTOR, options.program ?? PROGRAM], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced', env: { ...process.env, ...ALLOCATOR },
    })
    this.#child = child
    this.#sum = new CountSum(options.counters)
    this.#calls = new Calls((message) => { this.#send(message) }, commandHandlers(options.commands))
    child.on('error', () => { /* told to who waits for `ready`, and an end like others afterwards */ })
    // Out of descriptors node has made none of its streams, whatever its type says.
    const stderr = child.stderr as typeof child.stderr | undefined
    stderr?.setEncoding('utf8').on('data', (text: string) => { this.#stderrTail = (this.#stderrTail + text).slice(-STDERR_TAIL_LENGTH) })
    stderr?.on('error', () => { /* it ends with the process */ })
    this.ready = new Promise((resolve, reject) => {
      child.on('message', (message: FromProcess, socket: Socket | undefined) => {
        if (message.kind === 'ready') resolve()
        else if (message.kind === 'not-ready') reject(errorFrom(message.error))
        else this.#received(message, socket)
      })
      child.once('error', reject)
      void whenOver(child).then(() => { reject(new BlobProcessEnded(`the process of blobs has ended before it was ready: ${this.lastWords}`)) })
    })
    this.ready.catch(() => { /* told to who waits for it */ })
    this.ended = new Promise((resolve) => {
      void whenOver(child).then(() => {
        this.#end()
        resolve()
      })
    })
    this.#send({ kind: 'start', config: options.config, key: options.key })
  }

  get pid(): number | undefined { return this.#child.pid }

  get isEnded(): boolean { return this.#isEnded }

  /** How it ended, and the last it had to say. */
  get lastWords(): string {
    return [this.#child.signalCode ?? `status ${String(this.#child.exitCode)}`, this.#stderrTail.trim()].filter((text) => text !== '').join(': ')
  }

  call<T>(name: string, ...given: readonly unknown[]): Promise<T> {
    return this.#calls.call<T>(name, ...given)
  }

  /** Gives a connection away; resolves when it has arrived, or is no more. One at a time. Where this rejects it is still the caller's. */
  async give(connection: TakenConnection): Promise<void> {
    const { socket, head, address } = connection
    const [near, far] = socket instanceof TLSSocket ? await this.#options.pairs.open() : [null, socket]
    if (this.#isEnded) {
      if (near !== null) for (const end of [near, far]) end.destroy()
      throw new BlobProcessEnded('the process of blobs has ended')
    }
    const id = ++this.#lastId
    this.#given.set(id, { connection, near, parted: null })
    if (near !== null) joinSockets(socket, near, this.#options.config.blobs.downloadIdleMs)
    await new Promise<void>((resolve) => {
      this.#onTaken = (taken) => { if (taken === id || taken === 0) resolve() }
      const bytes = near === null ? Buffer.concat([head, stopReading(socket)]) : head
      this.#send({ kind: 'connection', id, head: bytes, address, isStandIn: near !== null }, far)
      this.#send({ kind: 'sent', id })
    })
    // Kept until now: a descriptor that node closes itself stays open for good where the process ends before it says that it has it.
    far.destroy()
  }

  /** What it remembers of these goes. */
  forgotten(objects: readonly string[]): void {
    this.#send({ kind: 'forgotten', objects })
  }

  /** Lets it go after what it has answered; or kills it. */
  disconnect(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #received(message: FromProcess, socket: Socket | undefined): void {
    if (this.#isEnded) {
      // What it said last may come behind its end, with which all is settled.
      socket?.destroy()
      if (message.kind !== 'log') return
    }
    switch (message.kind) {
      case 'taken':
        this.#onTaken(message.id)
        return
      case 'closed':
        this.#closed(message.id)
        return
      case 'leaving':
        this.#leaving(message.id)
        return
      case 'left-over':
        this.#leftOver(message.id, message.head, socket)
        return
      case 'log':
        this.#options.log[message.level](fieldsFrom(message.fields), message.event)
        return
      case 'counts':
        this.#sum.add(message.changes)
        this.#options.room.promisedElsewhere = message.promised
        return
      case 'call': case 'result': case 'failure':
        this.#calls.received(message)
        return
      case 'ready': case 'not-ready':
    }
  }

  #closed(id: number): void {
    const given = this.#given.get(id)
    this.#given.delete(id)
    // One with a stand-in is left when it closes itself.
    if (given?.near === null) given.connection.left()
  }

  #leaving(id: number): void {
    const given = this.#given.get(id)
    if (given !== undefined && given.near !== null) given.parted = partSockets(given.connection.socket, given.near)
  }

  #leftOver(id: number, head: Uint8Array, socket: Socket | undefined): void {
    const given = this.#given.get(id)
    this.#given.delete(id)
    if (given === undefined) {
      socket?.destroy()
      return
    }
    const { connection, near, parted } = given
    if (near !== null) void parted?.then(() => { connection.giveBack(connection.socket, head) })
    else if (socket === undefined) connection.left()
    else connection.giveBack(socket, head)
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#calls.end(new BlobProcessEnded('the process of blobs has ended'))
    this.#sum.end()
    this.#options.room.promisedElsewhere = 0
    this.#onTaken(0)
    for (const { connection, near } of this.#given.values()) {
      // The real ones were closed with the process, but for one that was still here.
      connection.socket.destroy()
      if (near === null) connection.left()
    }
    this.#given.clear()
  }

  #send(message: ToProcess, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => { /* its end is told by `exit` */ })
    else socket?.destroy()
  }
}

/** Its own `close` does not come where we have ended the channel. One that could not be started has no `exit`. */
function whenOver(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', () => { resolve() }).once('exit', () => {
      // What it said last may still be on its way.
      if (child.stderr === null || child.stderr.closed) resolve()
      else child.stderr.once('close', resolve)
    })
  })
}

function fieldsFrom(fields: Readonly<Record<string, SentField>>): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, typeof value === 'object' && value !== null ? errorFrom(value.error) : value]))
}
