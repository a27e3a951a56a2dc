/**
 * A network for a proof where the kernel allows none: TCP proxies on loopback between each node and Redis, and in front of the links of
 * each. What is cut is held, and goes on when it heals, as what TCP sends again does. It can't lose a packet, and only clients reach a node
 * directly.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Line, LOOPBACK, type Network, type NetworkPlace, NODES, REDIS } from './network.js'
import type { Scope } from './scope.js'

/** One direction of a connection. */
class Flow {
  readonly from: string
  readonly to: string
  readonly #network: HeldNetwork
  readonly #source: Socket
  readonly #sink: Socket
  readonly #waiting: { readonly chunk: Buffer | null, readonly dueMs: number }[] = []
  #timer: NodeJS.Timeout | null = null

  constructor(network: HeldNetwork, from: string, to: string, source: Socket, sink: Socket) {
    this.#network = network
    this.from = from
    this.to = to
    this.#source = source
    this.#sink = sink
    source.on('data', (chunk: Buffer) => { this.take(chunk) })
    source.on('end', () => { this.take(null) })
  }

  /** null: the end. */
  take(chunk: Buffer | null): void {
    this.#waiting.push({ chunk, dueMs: performance.now() + this.#network.delayMs(this) })
    this.pass()
  }

  /** Passes on what is due, unless this direction is cut. */
  pass(): void {
    if (this.#network.isCut(this)) return
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const waitMs = first.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer ??= setTimeout(() => {
          this.#timer = null
          this.pass()
        }, waitMs)
        return
      }
      this.#waiting.shift()
      if (first.chunk === null) this.#sink.end()
      else if (!this.#sink.destroyed) this.#sink.write(first.chunk)
    }
    if (this.#source.destroyed) this.#sink.destroy()
  }
}

export class HeldNetwork implements Network {
  readonly #servers = new Set<Server>()
  readonly #sockets = new Set<Socket>()
  readonly #flows = new Set<Flow>()
  readonly #cuts = new Set<string>()
  #slowed: readonly string[] = []
  #line: Line = { delayMs: 0, lossShare: 0 }

  constructor(scope: Scope) {
    scope.after(() => {
      for (const server of this.#servers) server.close()
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  place(): NetworkPlace { return LOOPBACK.place('') }

  async reach(from: string, to: string, port: number): Promise<string> {
    const server = createServer({ allowHalfOpen: true }, (client) => { this.#accept(client, from, to, port) })
    this.#servers.add(server)
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
    return `127.0.0.1:${String((server.address() as { port: number }).port)}`
  }

  cut(from: string, to: string): void { this.#cuts.add(`${from} ${to}`) }

  slow(names: readonly string[], line: Line): void {
    this.#slowed = names
    this.#line = line
  }

  heal(): void {
    this.#cuts.clear()
    this.#slowed = []
    for (const flow of this.#flows) flow.pass()
  }

  /** @internal */
  isCut({ from, to }: Flow): boolean { return this.#cuts.has(`${from} ${to}`) }

  /** @internal */
  delayMs({ from, to }: Flow): number {
    return this.#slowed.includes(from) || this.#slowed.includes(to) ? this.#line.delayMs : 0
  }

  #accept(client: Socket, from: string, to: string, port: number): void {
    const server = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    client.setNoDelay(true)
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => { /* close follows */ })
    }
    const join = (dialler: string): Flow => {
      const flows = [new Flow(this, dialler, to, client, server), new Flow(this, to, dialler, server, client)]
      for (const flow of flows) {
        this.#flows.add(flow)
        for (const socket of [client, server]) {
          socket.on('close', () => {
            this.#sockets.delete(socket)
            flow.pass()
            if (client.destroyed && server.destroyed) this.#flows.delete(flow)
          })
        }
      }
      return flows[0]!
    }
    if (from !== NODES) join(from)
    else client.once('data', (chunk: Buffer) => { join(diallerOf(chunk)).take(chunk) })
  }
}

/** A link's first frame says in clear who dials: the cluster's name, which is `chatd`, and then its own. [links 4] */
function diallerOf(hello: Buffer): string {
  return /n\d+/.exec(hello.toString('latin1'))?.[0] ?? REDIS
}
