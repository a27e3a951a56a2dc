/** What a process of blobs has counted, as changes that add up in the server's counters. */
import type { Counters } from '../../metrics/metrics.js'

const NUMBERS = [
  'blobBytesIn', 'blobBytesOut', 'blobBytesStored', 'uploadsFinished', 'previewsMade', 'previewsFailed', 'uploadsReading', 'downloadsSending',
] as const
/** Those of what is going on now: they are over when the process is. */
const GAUGES = ['uploadsReading', 'downloadsSending'] as const
const MAPS = ['uploadsRefused', 'downloads', 'blobStoreErrors'] as const

export type CountChanges = Readonly<Record<string, number | ReadonlyMap<string, number>>>

/** In the process: what has changed since the last look. */
export class CountWatch {
  readonly #counters: Counters
  readonly #numbers = new Map<string, number>()
  readonly #maps = new Map<string, Map<string, number>>(MAPS.map((name) => [name, new Map()]))

  constructor(counters: Counters) {
    this.#counters = counters
  }

  /** null: nothing. */
  changes(): CountChanges | null {
    const changes: Record<string, number | Map<string, number>> = {}
    for (const name of NUMBERS) {
      const change = this.#counters[name] - (this.#numbers.get(name) ?? 0)
      this.#numbers.set(name, this.#counters[name])
      if (change !== 0) changes[name] = change
    }
    for (const name of MAPS) {
      const before = this.#maps.get(name)!
      const changed = new Map([...this.#counters[name]].map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const).filter(([, change]) => change !== 0))
      if (changed.size > 0) changes[name] = changed
      this.#maps.set(name, new Map(this.#counters[name]))
    }
    return Object.keys(changes).length === 0 ? null : changes
  }
}

/** In the server: one process's part of the counters. */
export class CountSum {
  readonly #counters: Counters
  readonly #gauges = new Map<string, number>()

  constructor(counters: Counters) {
    this.#counters = counters
  }

  add(changes: CountChanges): void {
    for (const name of NUMBERS) {
      const change = changes[name]
      if (typeof change === 'number') this.#counters[name] += change
    }
    for (const name of GAUGES) {
      const change = changes[name]
      if (typeof change === 'number') this.#gauges.set(name, (this.#gauges.get(name) ?? 0) + change)
    }
    for (const name of MAPS) {
      const changed = changes[name]
      if (changed instanceof Map) for (const [key, change] of changed as Map<string, number>) this.#counters[name].set(key, (this.#counters[name].get(key) ?? 0) + change)
    }
  }

  /** The process is gone, and what went on in it. */
  end(): void {
    for (const name of GAUGES) this.#counters[name] -= this.#gauges.get(name) ?? 0
    this.#gauges.clear()
  }
}
