/**
 * Adapters that dial in: what runs in a browser or on a phone cannot be started by the runner, so it opens a WebSocket to it. Each adapter
 * has a name in its address; a connection under a name that was there before is the next life of the same adapter, with the same storage.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { Adapter, AdapterFailure, lineBytesMax } from './adapter.js'
import type { Adapters } from './adapter.js'
import { Signal } from './signal.js'

/** How long an adapter that was killed may take until it dials in again. */
const reviveMsMax = 20_000
/** How long one may take to hang up when it is told to die. */
const dieMsMax = 5000
const adaptersMax = 64
const secretBytes = 16

class DialledAdapter extends Adapter {
  readonly name: string
  readonly #socket: WebSocket
  #isGone = false

  constructor(name: string, socket: WebSocket, signal: Signal, onGone: () => void) {
    super(signal)
    this.name = name
    this.#socket = socket
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) this.fail('the adapter sent a binary message')
      else this.take(data.toString(), 'sent a message')
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      this.#isGone = true
      this.fail(code === 1009 ? 'the adapter sent a message that is too long' : `the adapter hung up with ${String(code)}`)
      onGone()
    })
  }

  get isGone(): boolean {
    return this.#isGone
  }

  protected write(line: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(line)
  }

  /** It is to drop its client, hang up, and dial in again. */
  tellToDie(): void {
    this.isKilled = true
    this.write(JSON.stringify({ id: 0, do: 'kill' }))
  }

  drop(): void {
    this.#socket.terminate()
  }

  /** There is nothing more to do for it. */
  dismiss(): void {
    this.#socket.close(1000, 'the run is over')
  }
}

export class DialIn implements Adapters {
  /** Where an adapter dials in: `ws://HOST:PORT/SECRET`, with `/NAME` behind it where there are several. */
  readonly url: string
  readonly #http: Server
  readonly #sockets: WebSocketServer
  readonly #changed = new Signal()
  /** The present life of each, by its name. */
  readonly #lives = new Map<string, DialledAdapter>()
  readonly #lent = new Set<string>()
  #isStopped = false
  /** When somebody was last there. */
  #lastMs = performance.now()

  private constructor(http: Server, host: string, secret: string) {
    this.#http = http
    this.url = `ws://${host.includes(':') ? `[${host}]` : host}:${String((http.address() as AddressInfo).port)}/${secret}`
    this.#sockets = new WebSocketServer({ noServer: true, maxPayload: lineBytesMax, perMessageDeflate: false })
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, rest: Buffer) => {
      const name = nameOf(request.url ?? '', secret)
      const isKnown = name !== null && (this.#lives.has(name) || this.#lives.size < adaptersMax)
      if (!isKnown) refuse(socket)
      else this.#sockets.handleUpgrade(request, socket, rest, (accepted) => { this.#welcome(name, accepted) })
    })
  }

  /** Port 0: any that is free. */
  static listen(host: string, port: number): Promise<DialIn> {
    const http = createServer((_request, response) => { response.writeHead(404).end() })
    return new Promise((resolve, reject) => {
      http.once('error', reject)
      http.listen(port, host, () => { resolve(new DialIn(http, host, randomBytes(secretBytes).toString('hex'))) })
    })
  }

  #welcome(name: string, socket: WebSocket): void {
    const before = this.#lives.get(name)
    const life = new DialledAdapter(name, socket, new Signal(), () => {
      this.#lastMs = performance.now()
      this.#changed.notify()
    })
    this.#lives.set(name, life)
    // A page that was loaded anew may be here before it is known that it went.
    before?.drop()
    this.#changed.notify()
  }

  get #isAnybodyThere(): boolean {
    return [...this.#lives.values()].some(({ isGone }) => !isGone)
  }

  /** Whether an adapter has dialled in within so many milliseconds. */
  async hasAdapter(withinMs: number): Promise<boolean> {
    return await this.#changed.until(performance.now() + withinMs, () => this.#isStopped ? false : this.#isAnybodyThere ? true : null) ?? false
  }

  async take(signal: Signal): Promise<Adapter> {
    for (;;) {
      if (this.#isStopped) throw new AdapterFailure('crash', 'the run was stopped')
      const free = [...this.#lives.values()].find(({ name, isGone }) => !isGone && !this.#lent.has(name))
      if (free !== undefined) {
        this.#lent.add(free.name)
        free.lend(signal)
        return free
      }
      // While others play one may become free. Where none is left, the time is up for all that wait.
      const deadlineMs = this.#isAnybodyThere ? Infinity : this.#lastMs + reviveMsMax
      if (performance.now() >= deadlineMs) throw new AdapterFailure('crash', `no adapter has dialled in for ${String(reviveMsMax)} ms`)
      await this.#changed.wait(deadlineMs)
    }
  }

  async kill(adapter: Adapter): Promise<void> {
    const life = adapter as DialledAdapter
    if (life.isGone) return
    life.tellToDie()
    const gone = await this.#changed.until(performance.now() + dieMsMax, () => life.isGone ? true : null)
    if (gone === null) life.drop()
  }

  async revive(adapter: Adapter, signal: Signal): Promise<Adapter> {
    const { name } = adapter as DialledAdapter
    const next = await this.#changed.until(performance.now() + reviveMsMax, () => {
      if (this.#isStopped) throw new AdapterFailure('crash', 'the run was stopped')
      const life = this.#lives.get(name)
      return life === undefined || life === adapter || life.isGone ? null : life
    })
    if (next === null) throw new AdapterFailure('crash', `the adapter was told to die, and has not dialled in again within ${String(reviveMsMax)} ms`)
    next.lend(signal)
    return next
  }

  async giveBack(adapter: Adapter, isReusable: boolean): Promise<void> {
    if (!isReusable) await this.kill(adapter)
    this.#lent.delete((adapter as DialledAdapter).name)
    this.#changed.notify()
  }

  stop(): void {
    this.#isStopped = true
    for (const name of this.#lent) this.#lives.get(name)?.drop()
    this.#changed.notify()
  }

  close(): Promise<void> {
    this.#isStopped = true
    for (const life of this.#lives.values()) life.dismiss()
    this.#sockets.close()
    return new Promise((resolve) => {
      // Who takes no notice is not waited for.
      const timer = setTimeout(() => { this.#http.closeAllConnections() }, 200)
      this.#http.close(() => {
        clearTimeout(timer)
        resolve()
      })
      for (const life of this.#lives.values()) setTimeout(() => { life.drop() }, 200)
    })
  }
}

/** Whoever does not know the secret learns nothing, not even that this is no web server. */
function refuse(socket: Duplex): void {
  // From the upgrade on nobody else listens, and a reset must not end the run.
  socket.on('error', () => { socket.destroy() })
  // Who does not hang up in turn would keep the run from ending.
  socket.once('finish', () => { socket.destroy() })
  socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
}

/** The adapter's name in a path of the right secret; null: it is another. */
function nameOf(path: string, secret: string): string | null {
  const [, given = '', name = ''] = /^\/([0-9a-f]*)(?:\/([\w-]{0,64}))?$/.exec(path) ?? []
  const isRight = given.length === secret.length && timingSafeEqual(Buffer.from(given), Buffer.from(secret))
  return isRight ? name : null
}
