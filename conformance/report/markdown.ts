/** The report for a pull request: GitHub's Markdown, short enough for a comment. */
import { registry } from '../spec/registry.js'
import type { Result } from '../runner/verdict.js'
import { visible } from './html-text.js'
import { countVerdicts, isBroken, judge } from './summary.js'
import type { Run } from './summary.js'
import { requirementLine, stepText } from './terminal.js'

/** GitHub takes 65,536 characters; some are left for what a bot puts around it. */
const markdownCharactersMax = 60_000
/** Of what was expected and what came. */
const textCharactersMax = 600

export function markdownReport(run: Run): string {
  const broken = run.results.filter((result) => judge(run, result).isBroken)
  const known = run.results.filter((result) => !judge(run, result).isBroken && judge(run, result).note !== '')
  const others = run.results.filter((result) => !judge(run, result).isBroken && judge(run, result).note === '' && result.verdict !== 'PASS')
  const report = new Pages(markdownCharactersMax)
  report.add(headText(run, broken.length))
  report.addEach(broken.map((result) => failureMarkdown(run, result)), (left) => `… and ${String(left)} more that break the run; the other reports have them.\n`)
  report.addFolded('Known failures', known.map((result) => `- ${result.verdict} ${span(result.case.id)}: ${plain(judge(run, result).note)}`))
  report.addFolded('Not strict, not supported, not run', others.map((result) => (
    `- ${result.verdict} ${span(result.case.id)}: ${plain(result.failure === null ? result.reason : `${result.failure.requirements.join(', ')} ${cut(result.failure.came)}`)}`
  )))
  return report.text
}

function headText(run: Run, broken: number): string {
  const counts = [...countVerdicts(run.results)].filter(([, count]) => count > 0)
  const shown = new Set(run.results.flatMap((result) => result.case.requirements))
  return [
    `## ${isBroken(run) ? '❌' : '✅'} Conformance of a ${run.mode}: ${isBroken(run) ? `${String(broken)} of ${String(run.results.length)} cases break the run` : 'everything is as it should be'}`, '',
    `${span(run.target)}, protocol version ${String(registry.version)}, ${(run.durationMs / 1000).toFixed(1)} s, seed ${span(run.seed)}, ${String(shown.size)} requirements`, '',
    `| ${counts.map(([verdict]) => verdict).join(' | ')} |`,
    `|${counts.map(() => '---:').join('|')}|`,
    `| ${counts.map(([, count]) => String(count)).join(' | ')} |`, '', '',
  ].join('\n')
}

function failureMarkdown(run: Run, result: Result): string {
  const { case: { id, title, requirements }, verdict, failure } = result
  const { note } = judge(run, result)
  const named = failure === null || failure.requirements.length === 0 ? requirements : failure.requirements
  const step = failure === null ? '' : stepText(result)
  const facts = [
    ...(note === '' ? [] : [`note      ${note}`]),
    ...(step === '' ? [] : [`${`step ${String(failure?.step ?? 0)}`.padEnd(10)}${step}`]),
    ...(failure === null ? [] : [`expected  ${cut(failure.expected)}`, `came      ${cut(failure.came)}`]),
    ...(failure === null || failure.stderr === '' ? [] : [`stderr    ${cut(failure.stderr.split('\n').slice(-4).join('\n          '))}`]),
    `alone     ${run.alone(id)}`,
  ]
  return [
    `<details><summary><b>${verdict}</b> <code>${id}</code></summary>`, '', plain(title), '',
    ...named.map((requirement) => `- ${plain(requirementLine(requirement))}`), '', block(facts.join('\n')), '', '</details>', '',
  ].join('\n')
}

function cut(text: string): string {
  return text.length > textCharactersMax ? `${text.slice(0, textCharactersMax)}…` : text
}

/** A text in a paragraph or a list: nothing in it is markup, a mention or a link. */
function plain(text: string): string {
  return visible(text).replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>#|~&@$]|(?<=:)\/(?=\/)/g, (character) => `&#${String(character.charCodeAt(0))};`)
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
}

/** Code in a line. */
function span(text: string): string {
  const clean = visible(text).replaceAll(/\s+/g, ' ')
  const fence = '`'.repeat(longestRun(clean) + 1)
  return `${fence}${clean.startsWith('`') || clean.endsWith('`') ? ` ${clean} ` : clean}${fence}`
}

/** Code in a block. */
function block(text: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1))
  return `${fence}text\n${visible(text)}\n${fence}`
}

/** Pieces one after another while there is room. */
class Pages {
  readonly #most: number
  /** For what says that something was left out. */
  readonly #reserve = 400
  text = ''

  constructor(most: number) {
    this.#most = most
  }

  add(piece: string): void {
    this.text += piece
  }

  #fits(piece: string): boolean {
    return this.text.length + piece.length + this.#reserve <= this.#most
  }

  addEach(pieces: readonly string[], left: (count: number) => string): void {
    for (const [place, piece] of pieces.entries()) {
      if (!this.#fits(piece)) {
        this.add(left(pieces.length - place))
        return
      }
      this.add(piece)
    }
  }

  addFolded(title: string, lines: readonly string[]): void {
    if (lines.length === 0) return
    this.add(`\n<details><summary>${title} (${String(lines.length)})</summary>\n\n`)
    this.addEach(lines.map((line) => `${line}\n`), (count) => `- … and ${String(count)} more\n`)
    this.add('\n</details>\n')
  }
}
