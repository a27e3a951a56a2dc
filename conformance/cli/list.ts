/** `list`. */
import { registry } from '../spec/registry.js'
import type { Case } from '../runner/case.js'
import { uncovered } from '../runner/uncovered.js'

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
