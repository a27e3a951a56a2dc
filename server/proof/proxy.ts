/**
 * A TCP proxy that can go deaf: it goes on taking bytes in one direction or both, and lets them vanish, as a network does that has
 * lost a path. Neither end is told; what was swallowed is gone for ever, so such a connection can only be cut.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

export interface Swallow {
  /** Bytes from the client to the server. */
  readonly up: boolean
  readonly down: boolean
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  swallow: Swallow
}

export class Proxy {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #port = 0

  private constructor(target: URL) {
    this.#server = createServer((client) => { this.#accept(client, target) })
  }

  /** Forwards to the address of `tcp://…` or `ws://…`. */
  static async open(target: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(target))
    await new Promise<void>((resolve) => { proxy.#server.listen(0, '127.0.0.1', resolve) })
    const address = proxy.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    proxy.#port = address.port
    return proxy
  }

  /** As the target's, with the proxy's port. */
  url(scheme: 'tcp' | 'ws'): string { return `${scheme}://127.0.0.1:${this.#port}` }

  /** From now on these bytes vanish on all connections that are whole; new ones are not affected. Returns how many there were. */
  swallow(swallow: Swallow): number {
    const whole = [...this.#pairs].filter(({ swallow: { up, down } }) => !up && !down)
    for (const pair of whole) pair.swallow = swallow
    return whole.length
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => { this.#server.close(resolve) })
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await closed
  }

  #accept(client: Socket, target: URL): void {
    const server = connect({ host: target.hostname, port: Number(target.port), noDelay: true, allowHalfOpen: true })
    client.setNoDelay(true)
    client.allowHalfOpen = true
    const pair: Pair = { client, server, swallow: { up: false, down: false } }
    this.#pairs.add(pair)
    this.#join(pair, client, server, () => pair.swallow.up)
    this.#join(pair, server, client, () => pair.swallow.down)
  }

  /** Even the end of a connection is swallowed: a half-open connection is one of which an end is not told. */
  #join(pair: Pair, from: Socket, to: Socket, isSwallowed: () => boolean): void {
    from.on('data', (chunk: Buffer) => { if (!isSwallowed() && !to.destroyed) to.write(chunk) })
    from.on('end', () => { if (!isSwallowed()) to.end() })
    from.on('error', () => { /* close follows */ })
    from.on('close', () => {
      if (!isSwallowed()) to.destroy()
      if (pair.client.destroyed && pair.server.destroyed) this.#pairs.delete(pair)
    })
  }
}
