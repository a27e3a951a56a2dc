/** The counters of several processes as those of one. What a process that is gone has counted stays; what it had open does not. */
import type { Counters } from '../metrics/metrics.js'

type CounterValue = number | ReadonlyMap<string, number> | Readonly<Record<string, number>>
export type CounterValues = Readonly<Record<string, CounterValue>>

/** Of all fields of Counters these go down, too. */
const GAUGES: ReadonlySet<string> = new Set(['sessions', 'connections', 'uploadsReading', 'downloadsSending'] satisfies (keyof Counters)[])

/** What a process sends of its counters. */
export function counterValues(counters: Counters): CounterValues {
  return Object.fromEntries(Object.entries(counters as unknown as CounterValues).map(([name, value]) => [name, value instanceof Map ? new Map(value) : typeof value === 'number' ? value : { ...value }]))
}

export class CounterSum {
  readonly #sum: Counters
  /** What each process has told last. */
  readonly #told = new Map<number, CounterValues>()

  /** `sum` has what the supervisor itself counts, and what its workers do on top. */
  constructor(sum: Counters) {
    this.#sum = sum
  }

  /** Adds what has come since the process has told last. */
  report(process: number, values: CounterValues): void {
    const before = this.#told.get(process) ?? {}
    this.#told.set(process, values)
    for (const [name, value] of Object.entries(values)) this.#add(name, before[name], value)
  }

  /** The process is gone: it has nothing open any more. */
  gone(process: number): void {
    const before = this.#told.get(process) ?? {}
    this.#told.delete(process)
    for (const [name, value] of Object.entries(before)) if (GAUGES.has(name)) this.#add(name, value, typeof value === 'number' ? 0 : {})
  }

  #add(name: string, before: CounterValue | undefined, value: CounterValue): void {
    const fields = this.#sum as unknown as Record<string, number | Map<string, number> | Record<string, number>>
    const sum = fields[name]
    if (typeof sum === 'number') {
      fields[name] = sum + (typeof value === 'number' ? value : 0) - (typeof before === 'number' ? before : 0)
    } else if (sum !== undefined) {
      const old = new Map(entriesOf(before))
      const now = new Map(entriesOf(value))
      for (const key of new Set([...old.keys(), ...now.keys()])) add(sum, key, (now.get(key) ?? 0) - (old.get(key) ?? 0))
    }
  }
}

function entriesOf(value: CounterValue | undefined): Iterable<readonly [string, number]> {
  return value instanceof Map ? value : Object.entries(value ?? {}) as [string, number][]
}

function add(sum: Map<string, number> | Record<string, number>, key: string, more: number): void {
  if (sum instanceof Map) sum.set(key, (sum.get(key) ?? 0) + more)
  else sum[key] = (sum[key] ?? 0) + more
}
