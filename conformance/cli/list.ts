/** `list`. */
import { registry } from '../spec/registry.js'
import type { Case, Mode } from '../runner/case.js'
import { uncovered } from '../runner/uncovered.js'

export function listText(cases: readonly Case[]): string {
  const width = Math.max(0, ...cases.map(({ id }) => id.length))
  const lines = cases.map(({ id, level, negative, title, requirements }) => (
    `${id.padEnd(width)}  ${level.padEnd(6)} ${negative ? 'negative' : '        '}  ${requirements.join(' ')}  ${title}`
  ))
  const negatives = cases.filter(({ negative }) => negative).length
  return `${lines.join('\n')}\n${String(cases.length)} cases, ${String(negatives)} of them negative\n`
}

/** Of each requirement the cases that show it, of clients and of servers, or why there are none. */
export function requirementsText(cases: readonly Case[]): string {
  const lines = registry.requirements.map(({ id, level }) => {
    const shown = modes.flatMap((mode) => shownBy(cases.filter((one) => one.mode === mode && one.requirements.includes(id))))
    const text = shown.length === 0 ? uncovered[id] ?? (level === 'MUST' ? 'NO CASE' : 'no case') : shown.join('; ')
    return `${id.padEnd(8)}${level.padEnd(7)}${text}`
  })
  const musts = registry.requirements.filter(({ level }) => level === 'MUST')
  const counts = modes.map((mode) => {
    const own = cases.filter((one) => one.mode === mode)
    const covered = musts.filter(({ id }) => own.some(({ requirements }) => requirements.includes(id)))
    return `${String(covered.length)} of ${String(musts.length)} MUST requirements are shown by ${String(own.length)} cases for ${mode}s\n`
  })
  return `${lines.join('\n')}\n${counts.join('')}`
}

const modes: readonly Mode[] = ['client', 'server']

/** How many, and the first of them; nothing where there are none. */
function shownBy(found: readonly Case[]): string[] {
  return found.length === 0 ? [] : [`${String(found.length)}: ${found.slice(0, 3).map((one) => one.id).join(', ')}${found.length > 3 ? ', …' : ''}`]
}
