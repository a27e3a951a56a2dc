/**
 * HTTP as cheap as it gets for those who measure a server: one connection, one request at a time, bodies counted into a buffer that is
 * used again and never looked at.
 */
import { connect, type Socket } from 'node:net'

const READ_BYTES = 262_144

interface Request {
  resolve(status: number): void
  reject(error: Error): void
}

export class HttpLoad {
  readonly #host: string
  readonly #port: number
  /** null: a server ends a connection that was idle for a while, and the next request opens another. */
  #socket: Socket | null = null
  #request: Request | null = null
  /** What came of a head that is not complete; null: within a body. */
  #head: string | null = ''
  #status = 0
  #left = 0
  /** The server ends the connection behind this answer. */
  #isLast = false
  /** Of bodies, so far. */
  bytesIn = 0

  constructor(host: string, port: number) {
    this.#host = host
    this.#port = port
  }

  #open(): Socket {
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    const socket = connect({
      host: this.#host, port: this.#port, noDelay: true,
      onread: {
        buffer,
        callback: (count) => {
          this.#read(buffer.subarray(0, count))
          return true
        },
      },
    })
    socket.on('error', (error) => { this.#request?.reject(error) })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = null
      this.#request?.reject(new Error('the server ended the connection'))
    })
    return socket
  }

  /** Resolves with the status once the answer is complete. The pieces of the body are written one behind another. */
  send(method: string, path: string, headers: Readonly<Record<string, string>> = {}, body: readonly Uint8Array[] = []): Promise<number> {
    const size = body.reduce((sum, piece) => sum + piece.length, 0)
    const lines = Object.entries({ host: `${this.#host}:${this.#port}`, ...headers, ...size > 0 ? { 'content-length': String(size) } : {} }).map(([name, value]) => `${name}: ${value}\r\n`)
    return new Promise((resolve, reject) => {
      this.#request = { resolve, reject }
      const socket = this.#socket ??= this.#open()
      this.#head = ''
      socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
      for (const piece of body) socket.write(piece)
    })
  }

  close(): void {
    this.#request = null
    this.#socket?.destroy()
  }

  #read(bytes: Uint8Array): void {
    let body = bytes
    if (this.#head !== null) {
      this.#head += Buffer.from(bytes).toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = this.#head.slice(0, end)
      body = bytes.subarray(bytes.length - (this.#head.length - end - 4))
      this.#head = null
      this.#status = Number(head.slice(9, 12))
      this.#left = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      this.#isLast = /\r\nconnection: *close/i.test(head)
    }
    this.#left -= body.length
    this.bytesIn += body.length
    if (this.#left > 0) return
    this.#head = ''
    const request = this.#request
    this.#request = null
    // The next request opens another connection.
    if (this.#isLast) this.#socket = null
    request?.resolve(this.#status)
  }
}
