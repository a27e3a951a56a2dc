/** JUnit XML, which every CI reads: a suite for each file of cases. */
import { failureText, traceText } from './terminal.js'
import { judge } from './summary.js'
import type { Run } from './summary.js'
import type { Result } from '../runner/verdict.js'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escape(text: string): string {
   
  return text.replaceAll(/[&<>"]/g, (character) => escapes[character] ?? '').replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

function testCase(run: Run, result: Result): string {
  const { case: { id, file, title }, verdict, durationMs, reason } = result
  const { isBroken, note } = judge(run, result)
  const head = `    <testcase classname="${escape(file.replace(/\.json$/, '').replaceAll('/', '.'))}" name="${escape(`${id} ${title}`)}" time="${seconds(durationMs)}"`
  if (isBroken) {
    const kind = verdict === 'CRASH' || verdict === 'TIMEOUT' ? 'error' : 'failure'
    const body = escape(`${failureText(run, result)}\n\n${traceText(result)}`)
    return `${head}>\n      <${kind} type="${verdict}" message="${escape(result.failure?.came ?? note)}">${body}</${kind}>\n    </testcase>`
  }
  if (verdict === 'PASS') return `${head}/>`
  return `${head}>\n      <skipped message="${escape([verdict, note === '' ? reason : note].filter((text) => text !== '').join(': '))}"/>\n    </testcase>`
}

export function junitXml(run: Run): string {
  const files = [...new Set(run.results.map((result) => result.case.file))]
  const suites = files.map((file) => {
    const results = run.results.filter((result) => result.case.file === file)
    const broken = results.filter((result) => judge(run, result).isBroken)
    const errors = broken.filter(({ verdict }) => verdict === 'CRASH' || verdict === 'TIMEOUT').length
    const skipped = results.filter((result) => !judge(run, result).isBroken && result.verdict !== 'PASS').length
    const time = seconds(results.reduce((sum, { durationMs }) => sum + durationMs, 0))
    const counts = `tests="${String(results.length)}" failures="${String(broken.length - errors)}" errors="${String(errors)}" skipped="${String(skipped)}" time="${time}"`
    return `  <testsuite name="${escape(file.replace(/\.json$/, ''))}" ${counts}>\n${results.map((result) => testCase(run, result)).join('\n')}\n  </testsuite>`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="chat-conformance ${run.mode}" time="${seconds(run.durationMs)}">\n${suites.join('\n')}\n</testsuites>\n`
}
