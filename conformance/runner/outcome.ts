/** What becomes of a case, in bounded time. */
import { setTimeout as delay } from 'node:timers/promises'
import { AdapterFailure } from './adapter.js'
import type { Case } from './case.js'
import type { Fault } from './referee.js'
import { textOf } from './step-parts.js'
import { CaseFault } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'
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

/** How far a case had come. */
export interface Standing {
  readonly played: Case
  /** Rules that were broken. */
  readonly faults: readonly Fault[]
  /** Number of the step, from 1. */
  readonly step: number
  /** The end of what the adapter wrote to stderr. */
  readonly stderr: string
}

/** What becomes of a case that ended with this error. Throws what is a fault of the suite. */
export function judged(error: unknown, { played, faults, step, stderr }: Standing): Outcome {
  if (error instanceof Unsupported) return { verdict: 'UNSUPPORTED', failure: null, reason: error.message }
  if (error instanceof CaseFault) throw new CaseFault(`${played.id}, step ${String(step)}: ${error.message}`)
  const failed = (verdict: Verdict, requirements: readonly string[], expected: string, came: string): Outcome => (
    { verdict, failure: { requirements, expected, came, step, stderr }, reason: '' }
  )
  // What broke a rule explains what came of it.
  const [fault] = faults
  if (fault !== undefined) return failed('FAIL', [fault.requirement], textOf(fault.requirement), fault.text)
  if (error instanceof CaseFailed) {
    const requirements = error.requirements.length > 0 ? error.requirements : played.requirements
    const verdict = error.kind === 'timeout' ? 'TIMEOUT' : 'FAIL'
    return failed(played.level === 'MUST' ? verdict : 'NON-STRICT', requirements, error.expected, error.came)
  }
  if (error instanceof AdapterFailure) return failed(error.kind === 'crash' ? 'CRASH' : 'TIMEOUT', [], 'the adapter to run and to answer', error.message)
  throw error
}
