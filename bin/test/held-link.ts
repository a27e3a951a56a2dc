/** A way to the server that stops when so many bytes have gone through, so that what is in the middle is in the middle for sure. */
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'

type Direction = 'up' | 'down'

export class HeldLink {
  port = 0
  /** Where it leads. */
  target = 0
  /** Bytes that have gone to the server, and come from it. */
  up = 0
  down = 0
  readonly #sockets = new Set<Socket>()
  #hold: { readonly direction: Direction; readonly at: number; readonly reached: () => void } | null = null

  static async make(t: TestContext): Promise<HeldLink> {
    const link = new HeldLink()
    const server = createServer((client) => { link.#join(client) })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    link.port = (server.address() as AddressInfo).port
    t.after(() => {
      link.cut()
      server.close()
    })
    return link
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Resolves when so many more bytes have gone that way; nothing further passes until `cut`. */
  hold(direction: Direction, bytes: number): Promise<void> {
    return new Promise((resolve) => { this.#hold = { direction, at: this[direction] + bytes, reached: resolve } })
  }

  /** Ends all connections; what comes next passes. */
  cut(): void {
    this.#hold = null
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket): void {
    const server = createConnection(this.target, '127.0.0.1')
    for (const [from, to, direction] of [[client, server, 'up'], [server, client, 'down']] as const) {
      this.#sockets.add(from)
      from.on('error', () => { to.destroy() })
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.on('data', (chunk: Buffer) => { this.#pass(from, to, direction, chunk) })
    }
  }

  #pass(from: Socket, to: Socket, direction: Direction, chunk: Buffer): void {
    const hold = this.#hold
    const room = hold?.direction === direction ? Math.max(0, hold.at - this[direction]) : chunk.length
    const passed = chunk.subarray(0, room)
    this[direction] += passed.length
    if (passed.length > 0) to.write(passed)
    if (passed.length === chunk.length) return
    from.pause()
    hold?.reached()
  }
}
