/**
 * The report for people who want to see: one page that needs nothing else. It has the requirements with their cases as a matrix, and each
 * case with its decoded wire trace, the XML form beside the bytes. What came from a client is text in it and never markup, and the
 * content security policy lets nothing run but the script of the page, and nothing be fetched.
 */
import { createHash } from 'node:crypto'
import { registry } from '../spec/registry.js'
import type { RequirementEntry } from '../spec/registry.js'
import { uncovered } from '../runner/uncovered.js'
import type { TraceLine } from '../runner/trace.js'
import type { Result, Verdict } from '../runner/verdict.js'
import { escapeHtml } from './html-text.js'
import { script } from './html-script.js'
import { style } from './html-style.js'
import { countVerdicts, isBroken, judge } from './summary.js'
import type { Run } from './summary.js'
import { stepText } from './terminal.js'
import { pageOfRequirements } from '../spec/pages.js'

/** Of all traces together, so that a browser of a phone opens the page: what is too much is left to the JSON report. */
const tracesBytesMax = 10 * 1024 * 1024
/** Of a case that did what it should, the first and the last lines. */
const passedLinesMax = 120
const failedLinesMax = 800
/** In the list of what breaks the run. */
const cameCharactersMax = 160

const marks: Readonly<Record<Verdict, string>> = { PASS: '✓', 'NON-STRICT': 'S', FAIL: 'F', CRASH: 'C', TIMEOUT: 'T', UNSUPPORTED: 'U', 'NOT-RUN': '–' }

export function htmlReport(run: Run): string {
  const title = `chat-conformance ${run.mode}: ${run.target}`
  const policy = `default-src 'none'; style-src '${hashOf(style)}'; script-src '${hashOf(script)}'; base-uri 'none'; form-action 'none'`
  return [
    '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeHtml(title)}</title>`, `<style>${style}</style>`, '</head>', '<body>',
    head(run), '<main>', brokenList(run), filterForm(run), matrix(run), ...caseList(run), '</main>', `<script>${script}</script>`, '</body>', '</html>', '',
  ].join('\n')
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

/** What colours a result: its verdict, unless it is known. */
function classOf(run: Run, result: Result): string {
  return run.known.has(result.case.id) && !judge(run, result).isBroken && result.verdict !== 'NOT-RUN' ? 'known' : result.verdict
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function head(run: Run): string {
  const broken = run.results.filter((result) => judge(run, result).isBroken).length
  const outcome = isBroken(run)
    ? `<p class="outcome FAIL">The run is broken: ${String(broken)} ${broken === 1 ? 'case is' : 'cases are'} not as ${broken === 1 ? 'it' : 'they'} should be.</p>`
    : '<p class="outcome PASS">Everything is as it should be.</p>'
  return `<header><h1>Conformance of a ${run.mode}</h1>
<p><code>${escapeHtml(run.target)}</code></p>
<p class="soft">Protocol version ${String(registry.version)}, ${String(run.results.length)} cases in ${seconds(run.durationMs)}, seed <code>${escapeHtml(run.seed)}</code></p>
${outcome}</header>`
}

/** What one wants to see first: each case that breaks the run, with what came. */
function brokenList(run: Run): string {
  const broken = run.results.filter((result) => judge(run, result).isBroken)
  if (broken.length === 0) return ''
  const items = broken.map((result) => {
    const { case: { id, title }, verdict, failure } = result
    const came = failure?.came ?? judge(run, result).note
    return `<li><span class="badge ${verdict}">${verdict}</span> <a href="#${encodeURIComponent(id)}">${escapeHtml(title)}</a><br><code>${escapeHtml(came.length > cameCharactersMax ? `${came.slice(0, cameCharactersMax)}…` : came)}</code></li>`
  })
  return `<details class="group broken" open><summary>What breaks the run (${String(broken.length)})</summary><ul>\n${items.join('\n')}\n</ul></details>`
}

function layerOf(result: Result): string {
  return result.case.file.split('/')[0] ?? ''
}

/** Shown by the script, which it needs. */
function filterForm(run: Run): string {
  const layers = [...new Set(run.results.map(layerOf))]
  const boxes = [...countVerdicts(run.results)].filter(([, count]) => count > 0)
    .map(([verdict, count]) => `<label class="${verdict}"><input type="checkbox" value="${verdict}" checked>${verdict} ${String(count)}</label>`)
  return `<div class="filter" hidden><input type="search" placeholder="Words of a case, or a requirement" aria-label="Words of a case, or a requirement">
<select aria-label="Layer"><option value="">All layers</option>${layers.map((layer) => `<option>${escapeHtml(layer)}</option>`).join('')}</select>
${boxes.join('\n')}<output></output></div>`
}

// ——— Requirements ———

function matrix(run: Run): string {
  const byRequirement = new Map<string, Result[]>()
  for (const result of run.results) {
    for (const id of result.case.requirements) byRequirement.set(id, [...byRequirement.get(id) ?? [], result])
  }
  const pages = pageOfRequirements()
  const groups = new Map<string, RequirementEntry[]>()
  for (const requirement of registry.requirements) {
    const name = requirement.id.split('-')[0]!
    groups.set(name, [...groups.get(name) ?? [], requirement])
  }
  const sections = [...groups].map(([name, requirements]) => {
    const shown = requirements.filter(({ id }) => byRequirement.has(id))
    const isOpen = shown.some(({ id }) => byRequirement.get(id)?.some((result) => judge(run, result).isBroken) === true)
    const rows = requirements.map((requirement) => ruleRow(run, requirement, byRequirement.get(requirement.id) ?? []))
    return `<details class="group rules"${isOpen ? ' open' : ''}><summary>${name} <span class="soft">${escapeHtml(pages.get(name) ?? '')}:</span> <span class="soft">${String(shown.length)} of ${String(requirements.length)} are shown by cases of this run</span> ${tally(run, shown.flatMap(({ id }) => byRequirement.get(id) ?? []))}</summary>\n${rows.join('\n')}\n</details>`
  })
  return `<h2>Requirements</h2>\n${sections.join('\n')}`
}

/** How many cases of a group did not pass, by verdict. */
function tally(run: Run, results: readonly Result[]): string {
  const counts = countVerdicts([...new Set(results)].filter((result) => judge(run, result).isBroken))
  return [...counts].filter(([, count]) => count > 0).map(([verdict, count]) => `<span class="badge ${verdict}">${String(count)} ${verdict}</span>`).join(' ')
}

function ruleRow(run: Run, { id, level, text }: RequirementEntry, results: readonly Result[]): string {
  const links = results.map((result) => {
    const { case: { id: caseId }, verdict } = result
    return `<a class="${classOf(run, result)}" href="#${encodeURIComponent(caseId)}" title="${escapeHtml(`${caseId}: ${verdict}`)}">${marks[verdict]}</a>`
  })
  const none = results.length > 0 ? '' : `<small>${escapeHtml(uncovered[id] ?? 'No case of this run.')}</small>`
  return `<div class="rule"><div><b>${id}</b><small>${level}</small></div><div>${escapeHtml(text)}${none}</div><div class="marks">${links.join('')}</div></div>`
}

// ——— Cases ———

function caseList(run: Run): string[] {
  const traces = tracesOf(run)
  const files = [...new Set(run.results.map((result) => result.case.file))]
  return ['<h2>Cases</h2>', ...files.flatMap((file) => [
    `<section class="file"><h3>${escapeHtml(file.replace(/\.json$/, ''))}</h3>`,
    ...run.results.filter((result) => result.case.file === file).map((result) => caseEntry(run, result, traces.get(result) ?? '')),
    '</section>',
  ])]
}

function caseEntry(run: Run, result: Result, trace: string): string {
  const { case: { id, title, requirements }, verdict, durationMs } = result
  const find = escapeHtml(`${id} ${title} ${requirements.join(' ')} ${result.failure?.requirements.join(' ') ?? ''}`.toLowerCase())
  return `<details class="case" id="${escapeHtml(id)}" data-verdict="${verdict}" data-find="${find}"><summary><span class="badge ${classOf(run, result)}">${verdict}</span><span>${escapeHtml(title)}</span><span class="soft">${String(durationMs)} ms</span></summary>
<div class="body">${facts(run, result)}${trace}</div></details>`
}

function facts(run: Run, result: Result): string {
  const { case: played, failure, reason } = result
  const { note } = judge(run, result)
  const code = (text: string): string => `<code>${escapeHtml(text)}</code>`
  const rows: (readonly [string, string])[] = []
  if (reason !== '') rows.push(['why', escapeHtml(reason)])
  if (note !== '') rows.push(['note', escapeHtml(note)])
  if (failure !== null) {
    rows.push(...requirementRows('broken', failure.requirements))
    const step = stepText(result)
    if (step !== '') rows.push([`step ${String(failure.step)}`, code(step)])
    rows.push(['expected', code(failure.expected)], ['came', code(failure.came)])
    if (failure.stderr !== '') rows.push(['stderr', `<pre>${escapeHtml(failure.stderr)}</pre>`])
  }
  const others = played.requirements.filter((id) => failure?.requirements.includes(id) !== true)
  rows.push(
    ...requirementRows(failure === null ? 'shows' : 'is about', others),
    ['case', code(played.id)],
    ['kind', escapeHtml([played.level, ...(played.negative ? ['negative'] : []), ...played.features.map((feature) => `needs ${feature}`)].join(', '))],
  )
  rows.push(['alone', `<code class="command">${escapeHtml(run.alone(played.id))}</code>`])
  return `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('\n')}</dl>`
}

function requirementRows(name: string, ids: readonly string[]): (readonly [string, string])[] {
  return ids.map((id) => {
    const requirement = registry.requirements.find((one) => one.id === id)
    return [name, requirement === undefined ? escapeHtml(id) : `<b>${id}</b> (${requirement.level}) ${escapeHtml(requirement.text)}`]
  })
}

// ——— Traces ———

/** The traces as markup. Those of failures come first where there is not room for all. */
function tracesOf(run: Run): ReadonlyMap<Result, string> {
  const traces = new Map<Result, string>()
  let room = tracesBytesMax
  const isFailure = (result: Result): boolean => result.failure !== null || judge(run, result).isBroken
  for (const result of [...run.results.filter(isFailure), ...run.results.filter((one) => !isFailure(one))]) {
    const text = room > 0 ? traceMarkup(result.trace, isFailure(result) ? failedLinesMax : passedLinesMax) : ''
    // What does not fit ends it: the rest is not made to be measured.
    room = Buffer.byteLength(text) > room ? 0 : room - Buffer.byteLength(text)
    traces.set(result, room > 0 ? text : '<p class="soft">There is no room for this trace here; the JSON report has it, and so has the command above.</p>')
  }
  return traces
}

function traceMarkup(trace: readonly TraceLine[], linesMax: number): string {
  if (trace.length === 0) return ''
  const last = Math.floor(linesMax / 3)
  const lines = trace.length <= linesMax ? trace.map(traceRow) : [
    ...trace.slice(0, linesMax - last).map(traceRow),
    `<div class="left">${String(trace.length - linesMax)} lines are left out here; the JSON report has them.</div>`,
    ...trace.slice(-last).map(traceRow),
  ]
  return `<div class="trace">${lines.join('\n')}</div>`
}

function traceRow({ atMs, who, connection, text, hex, bytes }: TraceLine): string {
  const [name, arrow] = who === 'client' ? ['c', '→'] : who === 'server' ? ['s', '←'] : ['x', '']
  const where = `${connection > 0 ? `#${String(connection)} ` : ''}${arrow}`
  const pairs = hex.replaceAll(/(..)(?=.)/g, '$1 ')
  const rest = bytes * 2 > hex.length ? ` … (${String(bytes)} bytes)` : ''
  const beside = hex === '' ? '' : `<code class="hex">${pairs}${rest}</code>`
  return `<div class="${name}"><span>${String(atMs)} ms</span><span>${where}</span><code>${escapeHtml(text)}</code>${beside}</div>`
}
