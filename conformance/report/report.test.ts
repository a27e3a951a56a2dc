/** Reports, and what breaks a run. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'ltx'
import { registry, rootFolder } from '../spec/registry.js'
import { loadCases } from '../runner/load.js'
import { readKnown } from '../runner/known.js'
import type { Result, Verdict } from '../runner/verdict.js'
import { htmlReport } from './html.js'
import { jsonReport } from './json.js'
import { junitXml } from './junit.js'
import { markdownReport } from './markdown.js'
import { isBroken } from './summary.js'
import type { Run } from './summary.js'
import { Progress, failureText, summaryText } from './terminal.js'

const cases = loadCases().filter(({ file }) => file === 'faults/connections.json').slice(0, 4)

function result(place: number, verdict: Verdict): Result {
  const failure = verdict === 'PASS' || verdict === 'UNSUPPORTED'
    ? null : { requirements: ['FRM-11'], expected: 'close with <malformed>', came: 'nothing & "less"\u0001', step: 3, stderr: 'a\nb' }
  const trace = [{ atMs: 5, who: 'client', connection: 1, text: '<ping nonce="7"/>', hex: '022c07', bytes: 3 } as const]
  return { case: cases[place]!, verdict, failure, reason: verdict === 'UNSUPPORTED' ? 'no clock' : '', durationMs: 12, trace }
}

function runOf(verdicts: readonly Verdict[], known = '{"known":[]}'): Run {
  return {
    mode: 'client', target: 'node adapter.js', seed: '1', results: verdicts.map((verdict, place) => result(place, verdict)), durationMs: 1234,
    known: readKnown(known, cases), alone: (id) => `chat-conformance client ${id} -- node adapter.js`,
  }
}

const knownAs = (verdict: Verdict, came?: string): string => JSON.stringify({ known: [{ case: cases[1]!.id, verdict, reason: 'it is old', came }] })

test('a failure tells the requirement, what was expected, what came, and how to run the case alone', () => {
  const run = runOf(['PASS', 'FAIL'])
  const text = failureText(run, run.results[1]!)
  for (const part of ['FRM-11 (MUST) A frame of length 0 is malformed.', 'close with <malformed>', 'nothing & "less"', `client ${cases[1]!.id} -- node adapter.js`]) {
    assert.ok(text.includes(part), part)
  }
})

test('failures, crashes and timeouts break a run; what is unsupported or not strict does not', () => {
  for (const verdict of ['FAIL', 'CRASH', 'TIMEOUT'] as const) assert.ok(isBroken(runOf(['PASS', verdict])))
  for (const verdict of ['PASS', 'NON-STRICT', 'UNSUPPORTED', 'NOT-RUN'] as const) assert.ok(!isBroken(runOf(['PASS', verdict])))
})

test('a known failure breaks no run, unless it passes or fails otherwise', () => {
  assert.ok(!isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL'))))
  assert.ok(!isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL', 'nothing'))))
  assert.ok(isBroken(runOf(['PASS', 'PASS'], knownAs('FAIL'))))
  assert.ok(isBroken(runOf(['PASS', 'TIMEOUT'], knownAs('FAIL'))))
  assert.ok(isBroken(runOf(['PASS', 'FAIL'], knownAs('FAIL', 'something'))))
  assert.match(summaryText(runOf(['PASS', 'FAIL'], knownAs('FAIL'))), /1 known/)
})

test('a file of known failures that makes no sense is refused', () => {
  for (const text of ['{}', '{"known":[{}]}', '{"known":[{"case":"no/such/case","verdict":"FAIL","reason":"x"}]}', knownAs('PASS'), knownAs('FAIL').replace('it is old', '')]) {
    assert.throws(() => readKnown(text, cases), TypeError, text)
  }
})

test('the JSON report keeps to its schema', () => {
  const ajv = new Ajv({ strict: false, allErrors: true })
  const check = ajv.compile(JSON.parse(readFileSync(`${rootFolder}conformance/report.schema.json`, 'utf8')) as object)
  assert.ok(check(JSON.parse(jsonReport(runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'CRASH'])))), ajv.errorsText(check.errors))
  assert.equal(check({ ...JSON.parse(jsonReport(runOf(['PASS']))) as object, more: 1 }), false)
})

test('the JUnit report is XML that counts failures, errors and what was skipped', () => {
  const xml = parse(junitXml(runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'TIMEOUT'])))
  const [suite] = xml.getChildren('testsuite')
  assert.deepEqual([suite?.attrs['tests'], suite?.attrs['failures'], suite?.attrs['errors'], suite?.attrs['skipped']], ['4', '1', '1', '1'])
  assert.match(xml.toString(), /ping nonce/)
})

test('progress shows a line that changes on a terminal, and only failures in a log', () => {
  const written: string[] = []
  const log = new Progress(2, { write: (text) => written.push(text) > 0 })
  log.step(result(0, 'PASS'), '')
  log.step(result(1, 'FAIL'), 'FAIL it')
  log.end()
  assert.deepEqual(written, ['FAIL it\n\n'])
  const terminal = new Progress(2, { isTTY: true, write: (text) => written.push(text) > 0 })
  terminal.step(result(0, 'PASS'), '')
  assert.match(written.at(-1) ?? '', /1\/2/)
})

/** What a client could send that means to be more than text. */
const hostile = '</code><script>alert(1)</script><img src=x onerror=alert(1)>\' " & `` ``` @team #12 \u0000\u0007\u001b[31m\u202egnp.exe\u2066\ud800 https://evil.example'

function hostileRun(): Run {
  const run = runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'CRASH'])
  const results = run.results.map((one) => ({
    ...one,
    reason: hostile,
    failure: one.failure === null ? null : { ...one.failure, expected: hostile, came: hostile, stderr: `${hostile}\n${hostile}` },
    trace: [{ atMs: 5, who: 'client', connection: 1, text: hostile, hex: '022c07', bytes: 3 } as const, { atMs: 6, who: 'suite', connection: 0, text: hostile, hex: '', bytes: 0 } as const],
  }))
  return { ...run, target: hostile, seed: hostile, results, alone: (id) => `chat-conformance client ${id} -- ${hostile}` }
}

function sha256(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

test('the page shows what came as text, and lets nothing run or be fetched but its own', () => {
  const page = htmlReport(hostileRun())
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', `'`) ?? ''
  const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map(([, text]) => text!)
  const styles = [...page.matchAll(/<style>([^]*?)<\/style>/g)].map(([, text]) => text!)
  assert.equal(policy, `default-src 'none'; style-src ${sha256(styles[0]!)}; script-src ${sha256(scripts[0]!)}; base-uri 'none'; form-action 'none'`)
  assert.equal(scripts.length, 1)
  const tags = [...page.replace(scripts[0]!, '').matchAll(/<([a-z0-9]+)((?: [a-z-]+(?:="[^"<>]*")?)*)>/g)]
  assert.equal(tags.length, page.replace(scripts[0]!, '').match(/<[a-z]/g)?.length, 'every < begins a tag of the page')
  for (const [, name, attributes] of tags) {
    assert.ok(!['img', 'iframe', 'link', 'object'].includes(name!))
    assert.doesNotMatch(attributes!.replaceAll(/="[^"]*"/g, ''), /\b(src|style|on[a-z]+)\b/)
  }
  assert.equal(/href="(?!#)/.exec(page), null)
  assert.equal(/[\u0000-\u0008\u000b-\u001f\u202e\u2066\ud800]/u.exec(page), null)
  assert.ok(page.includes('&lt;img src=x onerror=alert(1)&gt;'))
  assert.ok(page.includes('\\u{202e}gnp.exe'))
})

test('the page has each requirement with its cases, each case with its facts, and the trace with times, XML form and bytes', () => {
  const run = runOf(['PASS', 'FAIL'])
  const page = htmlReport(run)
  for (const { id } of registry.requirements) assert.ok(page.includes(`<b>${id}</b>`), id)
  for (const one of run.results) {
    assert.ok(page.includes(`id="${one.case.id}"`))
    assert.ok(page.includes(`href="#${encodeURIComponent(one.case.id)}"`))
  }
  assert.ok(page.includes('<span>5 ms</span><span>#1 →</span><code>&lt;ping nonce=&quot;7&quot;/&gt;</code><code class="hex">02 2c 07</code>'))
  for (const part of ['close with &lt;malformed&gt;', 'nothing &amp; &quot;less&quot;', `client ${cases[1]!.id} -- node adapter.js`]) assert.ok(page.includes(part), part)
})

test('the page stays small enough to open however much the wire has seen, and keeps what a failure came from', () => {
  const line = { atMs: 5, who: 'client', connection: 1, text: '<'.repeat(1000), hex: 'ff'.repeat(256), bytes: 256 } as const
  const all = loadCases()
  const results = all.map((played, place): Result => ({ ...result(0, place === all.length - 1 ? 'FAIL' : 'PASS'), case: played, trace: new Array(2000).fill(line) as typeof line[] }))
  const page = htmlReport({ ...runOf([]), results })
  assert.ok(Buffer.byteLength(page) < 15 * 1024 * 1024)
  assert.ok(page.slice(page.indexOf(`id="${all.at(-1)!.id}"`)).includes('class="trace"'))
  assert.ok(page.includes('no room for this trace'))
})

test('the summary for a pull request has counts, failures with their command, and known failures folded', () => {
  const run = runOf(['PASS', 'FAIL', 'UNSUPPORTED', 'CRASH'], knownAs('FAIL'))
  const text = markdownReport(run)
  for (const part of ['1 of 4 cases break the run', '| PASS |', 'FRM-11 (MUST) A frame of length 0 is malformed.', 'expected  close with <malformed>', 'came      nothing & "less"\\u{1}', `client ${cases[3]!.id} -- node adapter.js`, '<details><summary>Known failures (1)</summary>', 'known: it is old', 'no clock']) {
    assert.ok(text.includes(part), `${part} in ${text}`)
  }
  assert.match(markdownReport(runOf(['PASS'])), /everything is as it should be/)
})

test('the summary lets nothing that came out of its code, and fits GitHub whatever there is', () => {
  const run = hostileRun()
  const text = markdownReport(run)
  // Out of fenced blocks and spans of code nothing of it is left that means anything.
  const outside = text.replaceAll(/^(`{3,})text\n[^]*?\n\1$/gm, '').replaceAll(/(?<!`)(`+)(?!`)[^]*?(?<!`)\1(?!`)/g, '')
  assert.doesNotMatch(outside, /<script|<img|@team|#12|https:\/\//)
  const many = { ...run, results: new Array<Result>(3000).fill(run.results[1]!) }
  assert.ok(markdownReport(many).length <= 60_000)
  assert.match(markdownReport(many), /… and \d+ more that break the run/)
})
