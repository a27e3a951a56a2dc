/** V8's collection of young objects, at a moment of ours. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Collects young objects and nothing else, which takes milliseconds. null where V8 has no such function for us. */
export function youngCollector(): (() => void) | null {
  const gc = exposedGc()
  return gc === null ? null : () => { gc({ type: 'minor' }) }
}

type Gc = (options: { type: 'minor' }) => void

/** V8 gives the function to contexts made while the flag is set: here to one that holds nothing else, and to none after it. */
function exposedGc(): Gc | null {
  const given: unknown = (globalThis as { gc?: unknown }).gc
  if (typeof given === 'function') return given as Gc
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('typeof gc === "function" ? gc : null') as Gc | null
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}

/** What is allocated outside of V8's heap between two collections. */
const CHURN_BYTES = 8 * 1024 * 1024

/**
 * For who moves bytes through memory that is new for each chunk. V8 counts that memory, and begins a full collection for every 64 MiB of
 * it, although all of it is young and most of it garbage: to collect the young ones more often costs a tenth of that.
 */
export class Churn {
  #collect: (() => void) | null | undefined
  #bytes = 0

  /** So much was allocated for a chunk, or a few. */
  allocated(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < CHURN_BYTES) return
    this.#bytes = 0
    if (this.#collect === undefined) this.#collect = youngCollector()
    this.#collect?.()
  }
}
