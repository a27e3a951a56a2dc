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
  /** Writes what is buffered; to be called before the process ends. */
  flush(): void
}

/** The process's log. Lines are buffered and written in the background: a reader of stderr that stalls must not stop the server. */
export function openLog(level: string): ProcessLog {
  const stream = destination({ fd: 2, sync: false })
  const logger = pino({
    level,
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
    messageKey: 'event',
  }, stream)
  return {
    debug: (fields, event) => logger.debug(fields, event),
    info: (fields, event) => logger.info(fields, event),
    warn: (fields, event) => logger.warn(fields, event),
    error: (fields, event) => logger.error(fields, event),
    flush: () => {
      try {
        stream.flushSync()
      } catch {
        // stderr is closed or full; there is nobody left to tell.
      }
    },
  }
}

/** A log that writes nothing. */
export const SILENT_LOG: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing }

function nothing(): void {}
