/** Plays many cases at a time, each with an adapter of its own. */
import type { Case } from './case.js'
import { Play } from './play.js'
import type { PlayOptions } from './play.js'
import type { Result } from './verdict.js'

export interface RunOptions extends PlayOptions {
  /** Cases at a time. */
  readonly parallel: number
  readonly onResult: (result: Result) => void
}

/** Plays the cases; the results come in their order. Rejects for a fault of the suite. */
export async function runCases(cases: readonly Case[], options: RunOptions): Promise<Result[]> {
  const results = new Array<Result | undefined>(cases.length)
  let next = 0
  const work = async (): Promise<void> => {
    for (let place = next++; place < cases.length; place = next++) {
      const result = await Play.run(cases[place]!, options)
      results[place] = result
      options.onResult(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.parallel, cases.length) }, work))
  return results.filter((result) => result !== undefined)
}
