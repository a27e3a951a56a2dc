/** Looks for breaches. The shortest trace that still breaks the promise: leaves out steps, halves first, then ever smaller pieces (delta debugging). */
import { Breach } from '../../../testing/simulation/breach.js'
import { ClusterSimulation, type ClusterSimulationOptions } from './cluster-simulation.js'

/** Runs tried at most; each takes some tens of milliseconds. */
const RUNS_MAX = 200

/** The first line of the first breach that is as expected, or of the last one: a bug may also have everything stand still, which shows less. null: there is none. */
export async function firstBreach(options: Omit<ClusterSimulationOptions, 'seed'>, seeds: number, expected: RegExp): Promise<string | null> {
  let line: string | null = null
  for (let seed = 1; seed <= seeds; seed++) {
    const breach = await breachOf({ ...options, seed })
    if (breach === null) continue
    line = breach.message.split('\n')[0] ?? ''
    if (expected.test(line)) break
  }
  return line
}

/** null: there is no breach at all. */
export async function shrinkCluster(options: ClusterSimulationOptions): Promise<Breach | null> {
  let omitted: ReadonlySet<number> = new Set()
  let breach = await breachOf(options)
  if (breach === null) return null
  let runs = 0
  for (let size = options.steps >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < options.steps && runs < RUNS_MAX; from += size) {
      const more = new Set(omitted)
      for (let i = from; i < from + size; i++) more.add(i)
      if (more.size === omitted.size) continue
      runs++
      const found = await breachOf({ ...options, omit: more })
      if (found === null) continue
      breach = found
      omitted = more
    }
  }
  return breach
}

async function breachOf(options: ClusterSimulationOptions): Promise<Breach | null> {
  try {
    await new ClusterSimulation(options).run()
    return null
  } catch (error) {
    if (error instanceof Breach) return error
    throw error
  }
}
