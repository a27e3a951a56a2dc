/** The report for programs; `conformance/report.schema.json` says what is in it. */
import { registry } from '../spec/registry.js'
import { countVerdicts, isBroken, judge } from './summary.js'
import type { Run } from './summary.js'

/** Raised when a field changes its meaning or goes. */
const formatVersion = 1

export function jsonReport(run: Run): string {
  const report = {
    format: formatVersion,
    mode: run.mode,
    target: run.target,
    protocol: registry.version,
    seed: run.seed,
    durationMs: run.durationMs,
    isBroken: isBroken(run),
    counts: Object.fromEntries(countVerdicts(run.results)),
    cases: run.results.map((result) => {
      const { case: { id, title, requirements, level, negative, features, file }, verdict, failure, reason, durationMs, trace } = result
      const { isBroken: breaks, note } = judge(run, result)
      return { id, title, file, requirements, level, negative, features, verdict, isBroken: breaks, note, reason, durationMs, failure, trace }
    }),
  }
  return `${JSON.stringify(report, null, 1)}\n`
}
