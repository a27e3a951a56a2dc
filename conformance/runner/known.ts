/** The file of known failures: each with its verdict and its reason. What passes after all, or fails otherwise, breaks the run. */
import type { Case } from './case.js'
import { isBad } from './verdict.js'
import type { Result, Verdict } from './verdict.js'

export interface KnownFailure {
  readonly case: string
  readonly verdict: Verdict
  /** Why, for whoever reads the file. */
  readonly reason: string
  /** A part of what came, where the verdict alone would let other failures pass. */
  readonly came?: string
}

/** What the file says. Throws an Error with what is wrong with it. */
export function readKnown(text: string, cases: readonly Case[]): ReadonlyMap<string, KnownFailure> {
  const { known } = JSON.parse(text) as { readonly known?: readonly Partial<KnownFailure>[] }
  if (!Array.isArray(known)) throw new TypeError('it has no list "known"')
  const entries = new Map<string, KnownFailure>()
  for (const entry of known as readonly Partial<KnownFailure>[]) {
    const { case: id, verdict, reason } = entry
    if (id === undefined || verdict === undefined || reason === undefined || reason === '') throw new TypeError(`an entry lacks case, verdict or reason: ${JSON.stringify(entry)}`)
    if (!isBad(verdict) && verdict !== 'NON-STRICT') throw new TypeError(`${id}: ${verdict} is no failure`)
    if (!cases.some((one) => one.id === id)) throw new TypeError(`no case is called ${id}`)
    entries.set(id, entry as KnownFailure)
  }
  return entries
}

/** Whether a result is as the file says; null: it is, else what is wrong. */
export function contradiction(known: KnownFailure, result: Result): string | null {
  if (result.verdict !== known.verdict) return `known as ${known.verdict}, but it is ${result.verdict}`
  if (known.came !== undefined && result.failure?.came.includes(known.came) !== true) return `known to fail with ${JSON.stringify(known.came)}, but it failed otherwise`
  return null
}
