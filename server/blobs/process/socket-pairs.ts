/** Two ends of a connection within this machine, for what can't be handed to another process itself: node has no socketpair. */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'

export class SocketPairs {
  #server: Server | null = null
  #directory = ''
  #path = ''
  /** One at a time, so that the socket that arrives is the one that was sent. */
  #last: Promise<unknown> = Promise.resolve()

  /** Of the second one nothing was read. Rejects with what the system says. */
  open(): Promise<[Socket, Socket]> {
    const opened = this.#last.then(() => this.#open())
    this.#last = opened.catch(() => undefined)
    return opened
  }

  close(): void {
    this.#server?.close()
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true, force: true })
  }

  async #open(): Promise<[Socket, Socket]> {
    const server = this.#server ??= await this.#listen()
    const near = connect(this.#path)
    const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')])
    return [near, far]
  }

  async #listen(): Promise<Server> {
    if (process.platform === 'win32') this.#path = `\\\\.\\pipe\\chatd-blobs-${randomBytes(16).toString('hex')}`
    else {
      // For its maker alone.
      this.#directory = mkdtempSync(join(tmpdir(), 'chatd-'))
      this.#path = join(this.#directory, 'blobs')
    }
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    server.listen(this.#path)
    await once(server, 'listening')
    server.unref()
    return server
  }
}
