/**
 * What a lasting trouble has a part say again and again: a peer that is refused each second, a disk that is full at each try. The first line
 * is written as it comes. The same once more is counted, and one of them written now and then with that count, so that a log neither fills
 * up nor falls silent. A line that comes again after a while of quiet is a new one.
 *
 * For lines that are said as often as something fails. One that is said where something changes is not to go this way: the last word on a state
 * would be missing.
 */
import type { Log, LogFields } from './log.js'

/** Between two lines that say the same. */
export const REPEATED_EVERY_MS = 600_000
/** What has not been said for so long is said at once. */
export const QUIET_MS = 60_000
/** Different lines that are known at a time. */
const KNOWN_MAX = 100

interface Known {
  seenMs: number
  toldMs: number
  /** Since it was told. */
  count: number
}

export class RepeatedLines {
  readonly #log: Pick<Log, 'warn' | 'error'>
  readonly #nowMs: () => number
  readonly #known = new Map<string, Known>()

  /** @param nowMs of a clock, any one: should it jump, a line may come too often once */
  constructor(log: Pick<Log, 'warn' | 'error'>, nowMs: () => number) {
    this.#log = log
    this.#nowMs = nowMs
  }

  /** A line is the same as another one if event and fields are; of errors the message counts. `details` go with it and count for nothing. */
  warn(fields: LogFields, event: string, details: LogFields = {}): void {
    this.#say('warn', fields, event, details)
  }

  /** The same. */
  error(fields: LogFields, event: string, details: LogFields = {}): void {
    this.#say('error', fields, event, details)
  }

  #say(level: 'warn' | 'error', fields: LogFields, event: string, details: LogFields): void {
    const nowMs = this.#nowMs()
    const name = nameOf(fields, event)
    const known = this.#known.get(name)
    if (known === undefined) {
      this.#learn(name, nowMs)
      this.#log[level]({ ...fields, ...details }, event)
      return
    }
    const isNew = Math.abs(nowMs - known.seenMs) >= QUIET_MS
    known.seenMs = nowMs
    known.count++
    if (!isNew && Math.abs(nowMs - known.toldMs) < REPEATED_EVERY_MS) return
    const repeated = known.count
    known.toldMs = nowMs
    known.count = 0
    this.#log[level]({ ...fields, ...details, repeated }, event)
  }

  #learn(name: string, nowMs: number): void {
    const [oldest] = this.#known.keys()
    if (this.#known.size >= KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest)
    this.#known.set(name, { seenMs: nowMs, toldMs: nowMs, count: 0 })
  }
}

function nameOf(fields: LogFields, event: string): string {
  return JSON.stringify([event, ...Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.message : value ?? null])])
}
