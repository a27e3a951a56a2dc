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
    this.#server = null
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true, force: true })
    this.#directory = ''
  }

  async #open(): Promise<[Socket, Socket]> {
    const failed = new AbortController()
    const { signal } = failed
    let near: Socket | null = null
    try {
      const server = this.#server ??= await this.#listen()
      near = connect(this.#path)
      near.on('error', () => { /* told below while it opens; later it closes */ })
      const [[far]] = await Promise.all([once(server, 'connection', { signal }) as Promise<[Socket]>, once(near, 'connect', { signal })])
      return [near, far]
    } catch (error) {
      failed.abort()
      near?.destroy()
      // Somebody has tidied up its folder, or a connection is left that the next one would get: that begins anew.
      this.close()
      throw error
    }
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
    server.on('error', () => { /* of accept(): told to who opens */ })
    server.unref()
    return server
  }
}
