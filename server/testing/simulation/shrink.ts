/** The shortest trace that still breaks the promise: leaves out steps, halves first, then ever smaller pieces (delta debugging). */
import { Breach } from './breach.js'
import { Simulation } from './simulation.js'
import type { SimulationOptions } from './simulation.js'

/** Runs tried at most; each takes some milliseconds. */
const RUNS_MAX = 400

export interface Shrunk {
  readonly breach: Breach
  /** Steps that remain. */
  readonly steps: number
}

/** `options` with a plant makes it anew for every run, where it has a memory. null: there is no breach at all. */
export async function shrink(options: SimulationOptions, makePlant?: () => NonNullable<SimulationOptions['plant']>): Promise<Shrunk | null> {
  let runs = 0
  const attempt = (omit: ReadonlySet<number>): Promise<Breach | null> => {
    runs++
    return breachOf({ ...options, omit, ...(makePlant === undefined ? {} : { plant: makePlant() }) })
  }
  let omitted: ReadonlySet<number> = new Set()
  let breach = await attempt(omitted)
  if (breach === null) return null
  for (let size = options.steps >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < options.steps && runs < RUNS_MAX; from += size) {
      const more = new Set(omitted)
      for (let i = from; i < from + size; i++) more.add(i)
      if (more.size === omitted.size) continue
      const found = await attempt(more)
      if (found === null) continue
      breach = found
      omitted = more
    }
  }
  return { breach, steps: options.steps - [...omitted].filter((step) => step < options.steps).length }
}

async function breachOf(options: SimulationOptions): Promise<Breach | null> {
  try {
    await new Simulation(options).run()
    return null
  } catch (error) {
    if (error instanceof Breach) return error
    throw error
  }
}
