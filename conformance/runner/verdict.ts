/** What became of a case. */
import type { Case } from './case.js'
import type { TraceLine } from './trace.js'

/**
 * PASS; NON-STRICT: a SHOULD was missed; FAIL: the client did what it may not, or showed something wrong; CRASH: its process ended, or
 * wrote what is no answer; TIMEOUT: it did nothing where it had to; UNSUPPORTED: it says that it lacks an optional feature; NOT-RUN.
 */
export type Verdict = 'PASS' | 'NON-STRICT' | 'FAIL' | 'CRASH' | 'TIMEOUT' | 'UNSUPPORTED' | 'NOT-RUN'

/** Where the case went wrong, and how. */
export interface Failure {
  /** The requirement that the client broke, as far as that is known: that of a rule, or those of the case. */
  readonly requirements: readonly string[]
  readonly expected: string
  readonly came: string
  /** Number of the step, from 1; 0: none. */
  readonly step: number
  /** The end of what the adapter wrote to stderr. */
  readonly stderr: string
}

export interface Result {
  readonly case: Case
  readonly verdict: Verdict
  readonly failure: Failure | null
  /** Why it was not run, or is not supported. */
  readonly reason: string
  readonly durationMs: number
  readonly trace: readonly TraceLine[]
}

/** Verdicts that break a run. */
export function isBad(verdict: Verdict): boolean {
  return verdict === 'FAIL' || verdict === 'CRASH' || verdict === 'TIMEOUT'
}

/** Ends a case. */
export class CaseFailed extends Error {
  readonly kind: 'fail' | 'timeout'
  readonly requirements: readonly string[]
  readonly expected: string
  readonly came: string

  constructor(kind: 'fail' | 'timeout', expected: string, came: string, requirements: readonly string[] = []) {
    super(`expected ${expected}; came: ${came}`)
    this.kind = kind
    this.expected = expected
    this.came = came
    this.requirements = requirements
  }
}

/** Ends a case that the client cannot play. */
export class Unsupported extends Error {}
