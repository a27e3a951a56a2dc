/** Lines to a pipe, a file or a terminal, each known to be written before the next step is taken. */
import type { Writable } from 'node:stream'

/** The reader of the pipe has gone. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

export class LineOutput {
  readonly #stream: Writable
  #failure: Error | null = null

  constructor(stream: Writable) {
    this.#stream = stream
    // Without a listener a broken pipe would end the process with a stack trace.
    stream.on('error', (error) => { this.#failure ??= closedOr(error) })
  }

  /** Resolves when the operating system has taken the line; rejects with OutputClosed when nobody reads any more. */
  line(text: string): Promise<void> {
    return this.bytes(`${text}\n`)
  }

  /** The same for what is no line. */
  async bytes(bytes: Uint8Array | string): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => {
        if (error instanceof Error) reject(closedOr(error))
        else resolve()
      })
    })
  }
}

function closedOr(error: Error & { code?: string }): Error {
  return error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED' ? new OutputClosed('the reader has gone', { cause: error }) : error
}
