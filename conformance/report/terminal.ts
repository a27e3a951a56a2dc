/** The report for people at a terminal, and for logs. */
import { registry } from '../spec/registry.js'
import type { Result } from '../runner/verdict.js'
import { countVerdicts, judge, isBroken } from './summary.js'
import type { Run } from './summary.js'

/** The rule with its text, in one line. */
export function requirementLine(id: string): string {
  const requirement = registry.requirements.find((one) => one.id === id)
  return requirement === undefined ? id : `${id} (${requirement.level}) ${requirement.text}`
}

export function stepText(result: Result): string {
  const place = (result.failure?.step ?? 0) - 1
  const step = result.case.steps[place]
  if (step === undefined) return result.case.dump !== undefined && place >= result.case.steps.length ? 'the dump at the end' : ''
  const text = JSON.stringify(step)
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}

/** What is told of a case that did not pass: requirement, expectation, what came, and how to run it alone. */
export function failureText(run: Run, result: Result): string {
  const { case: { id, title, requirements }, verdict, failure } = result
  const { note } = judge(run, result)
  const lines = [`${verdict}  ${id}`, `  case         ${title}`]
  if (note !== '') lines.push(`  note         ${note}`)
  if (failure !== null) {
    const named = failure.requirements.length > 0 ? failure.requirements : requirements
    for (const requirement of named) lines.push(`  requirement  ${requirementLine(requirement)}`)
    if (failure.step > 0) lines.push(`  step ${String(failure.step).padEnd(7)} ${stepText(result)}`)
    lines.push(`  expected     ${failure.expected}`, `  came         ${failure.came}`)
    if (failure.stderr !== '') lines.push(`  stderr       ${failure.stderr.split('\n').slice(-8).join('\n               ')}`)
  }
  lines.push(`  alone        ${run.alone(id)}`)
  return lines.join('\n')
}

/** The decoded wire trace, with times. */
export function traceText(result: Result): string {
  return result.trace.map(({ atMs, who, connection, text, hex, bytes }) => {
    const arrow = who === 'client' ? '→' : who === 'server' ? '←' : ' '
    const shownHex = hex === '' ? '' : `\n            ${hex}${bytes * 2 > hex.length ? `… (${String(bytes)} bytes)` : ''}`
    return `  ${String(atMs).padStart(6)} ms ${connection > 0 ? `#${String(connection)}` : '  '} ${arrow} ${text}${shownHex}`
  }).join('\n')
}

export function summaryText(run: Run): string {
  const counts = [...countVerdicts(run.results)].filter(([, count]) => count > 0).map(([verdict, count]) => `${String(count)} ${verdict}`)
  const known = run.results.filter((result) => run.known.has(result.case.id) && !judge(run, result).isBroken && result.verdict !== 'NOT-RUN').length
  const lines = [`${String(run.results.length)} cases in ${(run.durationMs / 1000).toFixed(1)} s, seed ${run.seed}: ${counts.join(', ')}${known > 0 ? ` (${String(known)} known)` : ''}`]
  lines.push(isBroken(run) ? 'The run is broken.' : 'Everything is as it should be.')
  return lines.join('\n')
}

/** Shows how far a run is: one line that changes on a terminal, nothing in a log. */
export class Progress {
  readonly #total: number
  readonly #output: { readonly isTTY?: boolean; write(text: string): boolean }
  #done = 0

  constructor(total: number, output: { readonly isTTY?: boolean; write(text: string): boolean }) {
    this.#total = total
    this.#output = output
  }

  /** `text`: what is to stay, or ''. */
  step(result: Result, text: string): void {
    this.#done++
    const isTerminal = this.#output.isTTY === true
    if (text !== '') this.#output.write(`${isTerminal ? '\r\u001b[K' : ''}${text}\n\n`)
    if (isTerminal) this.#output.write(`\r\u001b[K${String(this.#done)}/${String(this.#total)} ${result.case.id}`)
  }

  end(): void {
    if (this.#output.isTTY === true) this.#output.write('\r\u001b[K')
  }
}
