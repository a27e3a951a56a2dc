/**
 * The log: one JSON line for each step in a life, on stderr, because stdout belongs to the ready line. Lines name sessions, users,
 * devices and codes; never payloads, passwords, tokens or verifiers. [TOK-6]
 */
import { destination, pino } from 'pino'

/** Fields of a line; values that are safe to show. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined | Error>>

/** What the server's parts log through. A call for a level that is off costs one comparison; do not build its text first. */
export interface Log {
  debug(fields: LogFields, event: string): void
  info(fields: LogFields, event: string): void
  warn(fields: LogFields, event: string): void
  error(fields: LogFields, event: string): void
}

export interface ProcessLog extends Log {
  /** To be called before the process ends. Resolves with whether all is written, or has no reader any more; false: not `withinMs`. */
  flush(withinMs: number): Promise<boolean>
}

/** The process's log. Lines are buffered and written in the background: a reader of stderr that stalls must not stop the server. */
export function openLog(level: string): ProcessLog {
  const lines = new WrittenLines()
  const logger = pino({
    level,
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
    messageKey: 'event',
  }, lines)
  return {
    debug: (fields, event) => logger.debug(fields, event),
    info: (fields, event) => logger.info(fields, event),
    warn: (fields, event) => logger.warn(fields, event),
    error: (fields, event) => logger.error(fields, event),
    flush: (withinMs) => lines.flush(withinMs),
  }
}

/** Lines on their way to stderr. The stream's own way to wait for them tries a stderr that is full, or closed, for ever, and nothing else runs. */
class WrittenLines {
  readonly #stream = destination({ fd: 2, sync: false })
  readonly #waiting = new Set<() => void>()
  #isWritten = true
  #hasReader = true

  constructor() {
    this.#stream.on('drain', () => { this.#written() })
    this.#stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.#hasReader = false
      this.#written()
    })
  }

  write(line: string): void {
    if (!this.#hasReader) return
    this.#isWritten = false
    this.#stream.write(line)
  }

  async flush(withinMs: number): Promise<boolean> {
    if (this.#isWritten) return true
    return new Promise((resolve) => {
      const timer = setTimeout(() => { resolve(false) }, withinMs)
      this.#waiting.add(() => {
        clearTimeout(timer)
        resolve(true)
      })
    })
  }

  #written(): void {
    this.#isWritten = true
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

/** A log that writes nothing. */
export const SILENT_LOG: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }

function nothing(): void {}
