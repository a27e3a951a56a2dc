/** What becomes of a case, in bounded time. */
import { setTimeout as delay } from 'node:timers/promises'
import { CaseFailed } from './verdict.js'
import type { Failure, Verdict } from './verdict.js'

export interface Outcome {
  readonly verdict: Verdict
  readonly failure: Failure | null
  readonly reason: string
}

/** No case may hold up a run. Rejects with a CaseFailed when the time is up. */
export async function withinTime(all: Promise<void>, mostMs: number): Promise<void> {
  const timer = new AbortController()
  const over = delay(mostMs, undefined, { signal: timer.signal }).then(() => {
    throw new CaseFailed('timeout', `the case to be over within ${String(mostMs)} ms`, 'it was not')
  })
  over.catch(() => {})
  all.catch(() => {})
  try {
    await Promise.race([all, over])
  } finally {
    timer.abort()
  }
}
