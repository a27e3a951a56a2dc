/** `list` and `explain`. */
import { registry } from '../spec/registry.js'
import { beginnings } from '../runner/load.js'
import type { Case } from '../runner/case.js'
import { uncovered } from '../runner/uncovered.js'
import { requirementLine } from '../report/terminal.js'

export function listText(cases: readonly Case[]): string {
  const width = Math.max(0, ...cases.map(({ id }) => id.length))
  const lines = cases.map(({ id, level, negative, title, requirements }) => (
    `${id.padEnd(width)}  ${level.padEnd(6)} ${negative ? 'negative' : '        '}  ${requirements.join(' ')}  ${title}`
  ))
  const negatives = cases.filter(({ negative }) => negative).length
  return `${lines.join('\n')}\n${String(cases.length)} cases, ${String(negatives)} of them negative\n`
}

/** Of each requirement the cases that show it, or why there are none. */
export function requirementsText(cases: readonly Case[]): string {
  const lines = registry.requirements.map(({ id, level }) => {
    const found = cases.filter(({ requirements }) => requirements.includes(id))
    const [first] = found
    const shown = first === undefined ? uncovered[id] ?? (level === 'MUST' ? 'NO CASE' : 'no case') : `${String(found.length)}: ${found.slice(0, 3).map((one) => one.id).join(', ')}${found.length > 3 ? ', …' : ''}`
    return `${id.padEnd(8)}${level.padEnd(7)}${shown}`
  })
  const musts = registry.requirements.filter(({ level }) => level === 'MUST')
  const covered = musts.filter(({ id }) => cases.some(({ requirements }) => requirements.includes(id)))
  return `${lines.join('\n')}\n${String(covered.length)} of ${String(musts.length)} MUST requirements are shown by ${String(cases.length)} cases\n`
}

export function explainText(one: Case): string {
  const { id, title, requirements, level, negative, features, transport, file, begin, welcome, acks, answers, steps, dump } = one
  const lines = [id, '', `${title}.`, '', `level        ${level}${negative ? ', negative' : ''}`, `file         conformance/cases/${file}`, `transport    ${transport}`]
  if (features.length > 0) lines.push(`features     ${features.join(', ')}`)
  for (const requirement of requirements) lines.push(`requirement  ${requirementLine(requirement)}`)
  if (begin !== undefined) lines.push('', `Begins as ${begin}: ${beginnings[begin]?.about ?? ''}`)
  if (welcome !== undefined) lines.push(`welcome says ${JSON.stringify(welcome)}`)
  if (acks === true) lines.push('The server acks whatever comes.')
  if (answers !== undefined) lines.push(`Queries are answered by ${JSON.stringify(answers)}`)
  lines.push('', 'Steps')
  for (const [place, step] of steps.entries()) lines.push(`  ${String(place + 1).padStart(2)}  ${JSON.stringify(step)}`)
  if (dump !== undefined) lines.push('', 'In the end the user sees', `  ${JSON.stringify(dump)}`)
  return `${lines.join('\n')}\n`
}
