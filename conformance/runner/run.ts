/** Plays many cases at a time, each with an adapter of its own. */
import type { Case } from './case.js'
import { Play } from './play.js'
import type { PlayOptions } from './play.js'
import type { Result } from './verdict.js'

export interface RunOptions extends PlayOptions {
  /** Cases at a time. */
  readonly parallel: number
  readonly onResult: (result: Result) => void
  /** Ends the run early, with all that it started. */
  readonly stop?: AbortSignal
}

/** Plays the cases, and closes the adapters; the results come in their order, where the run was stopped those that there were. Rejects for a fault of the suite. */
export async function runCases(cases: readonly Case[], options: RunOptions): Promise<Result[]> {
  const results = new Array<Result | undefined>(cases.length)
  const { adapters } = options
  let next = 0
  const stop = (): void => {
    next = cases.length
    adapters.stop()
  }
  options.stop?.addEventListener('abort', stop)
  const work = async (): Promise<void> => {
    for (let place = next++; place < cases.length; place = next++) {
      const result = await Play.run(cases[place]!, options)
      // How a case ends that was stopped says nothing of the client.
      if (options.stop?.aborted === true) return
      results[place] = result
      options.onResult(result)
    }
  }
  const workers = Array.from({ length: Math.min(options.parallel, cases.length) }, () => work().catch((error: unknown) => {
    // A case that can't be played ends the run: the others finish what they have.
    next = cases.length
    throw error
  }))
  const ended = await Promise.allSettled(workers)
  options.stop?.removeEventListener('abort', stop)
  await adapters.close()
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return results.filter((result) => result !== undefined)
}
