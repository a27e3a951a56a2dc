/** The end of a server: everything that was opened is closed, the last one first, once, whatever one of them says. */
import { asError } from '../../protocol/as-error.js'
import type { Log } from '../log.js'

export type Steps = (() => Promise<void> | void)[]

/** Runs at its first call alone; later ones wait for the same. */
export function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => running ??= run()
}

/** What undoes the steps, those that are there when it is called. Never rejects. */
export function orderlyEnd(steps: Steps, log: Log): () => Promise<void> {
  return once(async () => {
    for (const step of steps.reverse()) {
      try {
        await step()
      } catch (error) {
        log.error({ error: asError(error) }, 'stop-failed')
      }
    }
  })
}
