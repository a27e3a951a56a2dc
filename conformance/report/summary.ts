/** A whole run, as all reports have it. */
import type { Mode } from '../runner/case.js'
import { contradiction } from '../runner/known.js'
import type { KnownFailure } from '../runner/known.js'
import { isBad } from '../runner/verdict.js'
import type { Result, Verdict } from '../runner/verdict.js'

export const verdicts: readonly Verdict[] = ['PASS', 'NON-STRICT', 'FAIL', 'CRASH', 'TIMEOUT', 'UNSUPPORTED', 'NOT-RUN']

export interface Run {
  readonly mode: Mode
  /** What was tested: the adapter's command, or the URL of the server. */
  readonly target: string
  readonly seed: string
  readonly results: readonly Result[]
  readonly durationMs: number
  readonly known: ReadonlyMap<string, KnownFailure>
  /** The command that runs one case alone. */
  readonly alone: (id: string) => string
}

/** What the run says of a result: it is as it should be, known, or breaks the run. */
export interface Judgement {
  readonly isBroken: boolean
  /** The reason of a known failure, or why an entry of the file does not hold. */
  readonly note: string
}

export function judge(run: Run, result: Result): Judgement {
  const known = run.known.get(result.case.id)
  if (known === undefined) return { isBroken: isBad(result.verdict), note: '' }
  if (result.verdict === 'NOT-RUN') return { isBroken: false, note: '' }
  const wrong = contradiction(known, result)
  return wrong === null ? { isBroken: false, note: `known: ${known.reason}` } : { isBroken: true, note: wrong }
}

export function countVerdicts(results: readonly Result[]): ReadonlyMap<Verdict, number> {
  return new Map(verdicts.map((verdict) => [verdict, results.filter((result) => result.verdict === verdict).length]))
}

export function isBroken(run: Run): boolean {
  return run.results.some((result) => judge(run, result).isBroken)
}
